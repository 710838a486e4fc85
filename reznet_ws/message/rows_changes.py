"""Format 3, one leaf of a row: how the new text comes from the old, and the mask that says so for a whole row.

In: the old leaf and the new one, as JSON text. Out: an operation with what travels for it, or a mask's text; and back.
Never: sees a state, or a leaf as anything but text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

from reznet_ws.message.rows_text import NUMBER, SIGNS

# What may have happened to a leaf, in the order of their numbers in a mask.
COUNTER = 0  # a whole number that grew by what it grew last time: nothing travels
STEP = 1  # a whole number: the difference
TOKEN = 2  # anything but a string, as it is
STRING = 3  # a string, without its quotes
APPENDED = 4  # a string that goes on: what is new at its end
PREFIX = 5  # a string that begins as before: how many characters stay, and the rest
UUID = 6  # 128 bits in base64: 22 characters instead of 36
# A sign of a mask holds an operation and how many leaves before it stayed as they are; the last passes over that many.
GAPS = 11
_PASS = SIGNS[7 * GAPS]

# Sums and differences of 15 digits are exact in JavaScript's numbers.
whole = re.compile(r"0|-?[1-9][0-9]{0,14}", re.ASCII).fullmatch
is_uuid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII).fullmatch
_is_packed = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]", re.ASCII).fullmatch
_UUID_CHARS, _PACKED_CHARS = 36, 22
# Fewer are no shorter than what deflate makes of them.
_MIN_PREFIX, MAX_PREFIX = 6, len(SIGNS)
# Beyond that, the rest of a UUID is shorter than the whole of it in base64.
_MAX_UUID_PREFIX = 14


def change(old: str, new: str, step: int | None) -> tuple[int, str]:
    """The shortest operation, and its text. `step`: what the old leaf had grown by."""
    if new[0] != '"':
        if whole(old) and whole(new):
            difference = int(new) - int(old)
            return (COUNTER, "") if difference == step else (STEP, str(difference))
        return TOKEN, new
    shared = 0
    if old[0] == '"':
        if len(old) > 2 and new.startswith(old[:-1]):
            return APPENDED, new[len(old) - 1 : -1]
        shared = _count_shared(old[1:-1][:MAX_PREFIX], new[1:-1])
    if len(new) == _UUID_CHARS + 2 and shared < _MAX_UUID_PREFIX and is_uuid(new[1:-1]):
        return UUID, binascii.b2a_base64(bytes.fromhex(new[1:-1].replace("-", "")), newline=False)[
            :_PACKED_CHARS
        ].decode()
    if shared:
        return PREFIX, SIGNS[shared - 1] + new[1 + shared : -1]
    return STRING, new[1:-1]


def apply(operation: int, text: str, old: str, step: int | None) -> tuple[str, int | None]:
    """The new leaf, and what it has grown by. Raises: ValueError for what `change` cannot have made."""
    if operation in (COUNTER, STEP):
        if operation == STEP:
            step = int(text) if whole(text) or whole(text[:-1]) else None
        if step is None or not whole(old):
            raise ValueError("a counter has no step")
        new = str(int(old) + step)
        if not whole(new):
            raise ValueError("a counter above 15 digits")
        return new, step
    if operation == TOKEN:
        if not text or text[0] == '"':
            raise ValueError("a token is empty or a string")
        return text, None
    if operation == STRING:
        return f'"{text}"', None
    if operation == UUID:
        return f'"{_read_uuid(text)}"', None
    if old[0] != '"':
        raise ValueError("what was no string cannot go on")
    if operation == APPENDED:
        return f'{old[:-1]}{text}"', None
    kept = NUMBER.get(text[:1], MAX_PREFIX) + 1
    if kept > min(len(old) - 2, MAX_PREFIX):
        raise ValueError("a string is shorter than what is kept of it")
    return f'{old[: kept + 1]}{text[1:]}"', None


def write_mask(operations: Iterable[tuple[int, int]]) -> str:
    """The mask of leaves by number, in order, each with its operation."""
    mask, following = "", 0
    for leaf, operation in operations:
        gap = leaf - following
        following = leaf + 1
        if gap >= GAPS:
            mask += _PASS * (gap // GAPS)
            gap %= GAPS
        mask += SIGNS[operation * GAPS + gap]
    return mask


def read_mask(mask: str) -> Iterator[tuple[int, int]]:
    """Undo `write_mask`. Raises: ValueError."""
    leaf = 0
    for sign in mask:
        if sign == _PASS:
            leaf += GAPS
            continue
        number = NUMBER.get(sign, len(SIGNS))
        if number >= 7 * GAPS:
            raise ValueError("a mask has a sign that is none")
        operation, gap = divmod(number, GAPS)
        leaf += gap + 1
        yield leaf - 1, operation


def _count_shared(old: str, new: str) -> int:
    """How many characters both begin with; 0 where these are too few."""
    if old[:_MIN_PREFIX] != new[:_MIN_PREFIX] or len(old) < _MIN_PREFIX or len(new) < _MIN_PREFIX:
        return 0
    low, high = _MIN_PREFIX, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read_uuid(text: str) -> str:
    if not _is_packed(text):
        raise ValueError("no UUID")
    digits = binascii.a2b_base64(text + "==").hex()
    return "-".join(digits[begin:end] for begin, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
