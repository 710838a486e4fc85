"""Who shares the compression of a message, and how much text it may refer to.

In: the histories of a message's receivers, and how many are at each. Out: groups, each for one compression, with the
window to compress with.
Never: lets anybody refer to less than stock would: 4 KB, or all that it was sent.

What two histories have in common at their end serves both. The less text a group asks its members to have in common,
the more of them it holds and the fewer compressions a message takes; the more, the fewer bytes each member is sent. So
the cost of each way to divide them is added up in one currency, and the least is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from reznet_ws.deflate.history import History

L = TypeVar("L")
# A history, and the lines of those at it that a message is for.
Readers = tuple[History, Sequence[L]]

# uvicorn's window; zlib reaches back 262 bytes less.
STOCK_BITS, STOCK_LEVEL = 12, 6
# All that deflate has; and what few may use of it. For two, 32 KB of text take 0.90 of the bytes that 16 KB do, and
# half the time again.
_MOST_BITS, _FEW_BITS, _FEW = 15, 14, 2
# Where compression leaves more than this, messages are mostly random (hex leaves 0.59, base64 0.76), and what looks
# alike in more text is chance: to refer to it takes 2 % more bytes.
_RANDOM_LEFT = 0.45
# zlib's level 8 looks for matches more patiently. Where compression leaves less than this of some messages, there are
# long ones, and it takes the time of level 6 for 0.99 (chat), 0.94 (simulated agents) or 0.6 (rows of figures) of the
# bytes. Else, where the same three bytes are everywhere, it takes up to 9 times as long: less than stock, which
# compresses once for each, only for so many.
_PATIENT_LEVEL, _PATIENT_LEFT, _PATIENT_RECEIVERS = 8, 0.2, 10
# Of one compression by zlib, made from the text anew (AMD EPYC, zlib 1.3): so many us, and so many for each KB of it.
_ANEW_US = 6.0
_TEXT_KB_US = 1.2
# What each doubling of the text saves, as a share of stock's bytes: 0.02 to 0.15 over five traffics
# (`python -m benchmarks bytes`).
_SAVED_BY_DOUBLE = 0.08
# What a us of the server is worth.
_BYTES_PER_US = 0.25


# The largest window to use for a message, how much text to hold, `1 << bits` bytes each; zlib's level.
Effort = tuple[int, int, int]


class Group(NamedTuple, Generic[L]):
    """Readers who get the same frame; what the last `1 << bits` bytes of their histories hold is the same."""

    readers: Sequence[Readers[L]]
    bits: int


def divide(readers: Sequence[Readers[L]], message_bytes: int, most_bits: int) -> list[Group[L]]:
    """Groups of readers, whose histories all differ. `most_bits`: the window in the settings."""
    groups: list[Group[L]] = []
    alike, short = _alike(readers, STOCK_BITS)
    for several in (*alike, *([reader] for reader in short)):
        groups += _divide(several, STOCK_BITS, message_bytes, most_bits)[1]
    return groups


def text_bits(history: History, count: int, message_bytes: int, most_bits: int) -> int:
    """How much text a message is worth to so many at one history, where it has to be read anew: `1 << bits` bytes."""
    bits = min(STOCK_BITS, most_bits)
    while bits < most_bits and history.text_bytes > 1 << bits:
        saved_bytes = count * message_bytes * history.left * _SAVED_BY_DOUBLE
        if saved_bytes < _BYTES_PER_US * _TEXT_KB_US * (1 << bits) / 1024:
            break
        bits += 1
    return bits


def effort(history: History, count: int, most_bits: int) -> Effort:
    """What a message to so many at a history is worth. Few have to do with less text: they pay for it, in memory and in
    time, among few."""
    held_bits = min(history.bits, most_bits, _FEW_BITS if count <= _FEW else _MOST_BITS)
    window_bits = min(held_bits, STOCK_BITS) if history.left > _RANDOM_LEFT else held_bits
    is_patient = count >= _PATIENT_RECEIVERS or history.least_left < _PATIENT_LEFT
    return window_bits, held_bits, _PATIENT_LEVEL if is_patient else STOCK_LEVEL


def _divide(
    readers: Sequence[Readers[L]], bits: int, message_bytes: int, most_bits: int
) -> tuple[float, list[Group[L]]]:
    """The cost in bytes, and the groups, of readers who have at least `1 << bits` bytes in common, or of one alone."""
    history, lines = readers[0]
    if len(readers) == 1:
        most_bits = effort(history, len(lines), most_bits)[0]
        bits = text_bits(history, len(lines), message_bytes, most_bits)
        return _cost(bits, len(lines), message_bytes * history.left), [Group(readers, bits)]
    count = sum(len(lines) for _, lines in readers)
    most_bits = effort(history, count, most_bits)[0]
    together = Group(readers, min(bits, most_bits))
    cost_together = _cost(together.bits, count, message_bytes * history.left)
    if bits >= most_bits:
        return cost_together, [together]
    alike, short = _alike(readers, bits + 1)
    cost, groups = 0.0, list[Group[L]]()
    for several in alike:
        part_cost, part = _divide(several, bits + 1, message_bytes, most_bits)
        cost += part_cost
        groups += part
    if short:
        cost += _cost(bits, sum(len(lines) for _, lines in short), message_bytes * history.left)
        groups.append(Group(short, bits))
    return (cost, groups) if cost < cost_together else (cost_together, [together])


def _alike(readers: Sequence[Readers[L]], bits: int) -> tuple[list[Sequence[Readers[L]]], list[Readers[L]]]:
    """Those whose last `1 << bits` bytes, or all that their clients promised to hold, are the same messages; and those
    who have less."""
    by_last: dict[int, list[Readers[L]]] = {}
    short: list[Readers[L]] = []
    for reader in readers:
        history = reader[0]
        if history.text_bytes >= 1 << min(bits, history.bits):
            by_last.setdefault(id(history.messages[-1]), []).append(reader)
        else:
            short.append(reader)
    alike: list[Sequence[Readers[L]]] = []
    for several in by_last.values():
        if len(several) == 1:
            alike.append(several)
            continue
        by_tail: dict[tuple[int, tuple[bytes, ...]], list[Readers[L]]] = {}
        for reader in several:
            promised = reader[0].bits
            by_tail.setdefault((promised, reader[0].tail(1 << min(bits, promised))), []).append(reader)
        alike += by_tail.values()
    return alike, short


def _cost(bits: int, count: int, stock_bytes: float) -> float:
    us = _ANEW_US + _TEXT_KB_US * (1 << bits) / 1024
    return count * stock_bytes * (1 - _SAVED_BY_DOUBLE * (bits - STOCK_BITS)) + _BYTES_PER_US * us
