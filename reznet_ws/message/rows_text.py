r"""Format 3's words: how a packet's text falls into fixed pieces and leaves, and the signs that a line is written in.

In: the text of a Socket.IO packet. Out: its head, the pieces between its values, and the values' own text, or None.
Never: parses a value: all that is compared and sent is text, so what comes back is the very text that went in.

A *leaf* is a value that holds no other, as written: `"Ann"` with its quotes and escapes, `1.0`, `null`. The *pieces*
are what stands between leaves, keys included. The *head* is all up to the event's name: `2["price"`, `2/desk,["price"`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

# One printable character of ASCII for each number below 80: no digit, with which every other packet begins, and none of
# the signs below.
SIGNS = "%&'()*+,-./" + "".join(map(chr, range(ord(":"), ord("~") + 1)))
# A frame must not read as JSON: python-engineio's client hands on what its JSON parser makes of it (`packet.py`).
TEMPLATE_SIGNS = "".join(sign for sign in SIGNS if sign not in "-[{NItfn")
NUMBER = {sign: number for number, sign in enumerate(SIGNS)}
FORGET, SHAPE, NEWEST_TEMPLATE, ROW_TEMPLATE, LONG = '"', "!", "#", "$", " "
# Control characters, which JSON has nowhere inside a value: between lines, between values, before a far reference.
LINE_END, VALUE_END, FAR = "\n", "\t", "\x01"
# In front of a line that changes nothing at the receiver.
ASIDE = "\x02"

_STRING = r'"[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+"'
_HEAD = re.compile(rf'2(?:/[^,"\x00-\x1f]*+,)?\[{_STRING}')
# Without an alternative in the piece it takes 6 us for 700 characters, with one 15.
_PIECE_AND_LEAF = re.compile(
    rf'([ {{}}\[\],:]++(?:{_STRING} *:[ {{}}\[\],:]*+)*+)({_STRING}|[^ {{}}\[\],:"\x00-\x1f]++|\Z)'
)


@dataclass(frozen=True, slots=True)
class Pieces:
    """A packet taken apart; there is one piece more than there are leaves."""

    head: str
    pieces: tuple[str, ...]
    leaves: tuple[str, ...]


def take_apart(packet: str) -> Pieces | None:
    """The parts of an event without an ack; None for every other packet, and for text that is not JSON's."""
    head = _HEAD.match(packet)
    if head is None:
        return None
    found = _PIECE_AND_LEAF.findall(packet, head.end())
    if not found:
        return None
    pieces, leaves = zip(*found, strict=True)
    if leaves[-1] or head.end() + sum(map(len, pieces)) + sum(map(len, leaves)) != len(packet):
        return None  # findall passes over what fits nowhere
    return Pieces(head[0], pieces, leaves[:-1])


def put_together(head: str, pieces: tuple[str, ...], leaves: tuple[str, ...]) -> str:
    """Undo `take_apart`."""
    return head + "".join(chain.from_iterable(zip(pieces, leaves, strict=False))) + pieces[-1]
