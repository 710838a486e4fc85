"""Offsets: the number of an event, as the last argument that a client keeps and sends back.

In: a number. Out: a short text of printable ASCII that JSON writes as it is, and back.
Never: trusts a text: a client may send any.

Digits of 92: after 8,464 events an offset has three, after 778,688 four. Behind permessage-deflate it costs as much as
a shorter one would, since all but its end is what the message before had.
"""

from __future__ import annotations

_DIGITS = "".join(chr(code) for code in range(33, 127) if chr(code) not in '"\\')
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_BASE = len(_DIGITS)
# More than any server emits.
_MAX_DIGITS = 10
# Where numbers begin, so that what a client still has of a server before is hardly ever one of this server's.
FIRST, LAST_FIRST = _BASE**2, _BASE**3 // 2


def write(number: int) -> str:
    """The text of a number that is not negative."""
    text = ""
    while True:
        number, digit = divmod(number, _BASE)
        text = _DIGITS[digit] + text
        if not number:
            return text


def read(text: object) -> int | None:
    """The number that a text stands for; None where it stands for none."""
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_DIGITS:
        return None
    number = 0
    for digit in text:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * _BASE + value
    return number
