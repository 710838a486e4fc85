r"""Format 3's far references: what repeats a text that lies beyond deflate's window names the place instead.

In: a line. Out: the line with references in it, and the history with the line added.
Never: refers to what lies near enough for deflate, where that would do it in fewer bytes.

A reference is `\x01`, four signs for how many characters before the end of the history the text begins, and three for
how long it is. Characters are Unicode's code points. A line of `MIN_TEXT_CHARS` and more joins the history once it is
complete, and the oldest leave it.

A history never changes: `shorten` gives another one. Those of one line of descent share one log and one index, which
only the newest of them appends to; where two part, the second copies. So a history of 4 MB is kept once. The index only
tells where to look, and what is found is compared: an older history may find less than it did, and never what is not in
it.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from reznet_ws.message.rows_text import FAR, SIGNS

MIN_TEXT_CHARS = 512
MAX_FAR_CHARS = 4 * 1024 * 1024
DISTANCE_SIGNS, LENGTH_SIGNS = 4, 3
_MIN_REPEAT = 64
# Deflate's window holds 32 KB of what travelled, and takes some 3 bytes for each 258 of a repeat.
_NEAR_CHARS, _MIN_NEAR_REPEAT = 24 * 1024, 800
_MAX_REPEAT = len(SIGNS) ** LENGTH_SIGNS - 1
# Where text is looked up: at characters that come once in some 40, in whatever script, and after each escape.
_ANCHOR = re.compile("[\\\\vkVK7" + "".join(map(chr, range(0x87, 0xD800, 32))) + "]")
_KEY_CHARS = 24
# Where they come closer than that, as in columns of numbers, not all are remembered; all are looked up.
_SPACING = 16
_SLOTS = 2**17


@dataclass(slots=True)
class _Log:
    """What a line of histories shares: texts with where they begin, and for each key where it last came."""

    starts: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    # Made for the first text: it takes 1 MB.
    places: array[int] = field(default_factory=lambda: array("Q"))


@dataclass(slots=True, eq=False)
class FarHistory:
    """The texts that all receivers were sent, without the oldest beyond `max_chars`; places count from the first."""

    max_chars: int
    log: _Log = field(default_factory=_Log)
    first: int = 0
    count: int = 0
    end: int = 0

    def shorten(self, line: str) -> tuple[str, FarHistory]:
        """The line with references for what repeats, and the history with the line in it."""
        return self.refer(line), self._add(line)

    def refer(self, line: str) -> str:
        """The line with references for what repeats."""
        parts, done = [], 0
        for begin, end, source in self._repeats(line) if self.count else ():
            distance = _digits(self.end - source, DISTANCE_SIGNS)
            parts += [line[done:begin], FAR, distance, _digits(end - begin, LENGTH_SIGNS)]
            done = end
        return "".join(parts) + line[done:]

    def _repeats(self, line: str) -> Iterator[tuple[int, int, int]]:
        """Where the line repeats what is worth a reference, and from where: in order, without overlaps."""
        log, done, seen = self.log, 0, 0
        for anchor in _ANCHOR.finditer(line):
            at = anchor.start()
            place = log.places[_slot(line, at)] - 1 if at >= seen else -1
            number = bisect_right(log.starts, place, self.first, self.count) - 1
            if place < 0 or number < self.first:
                continue
            text, offset = log.texts[number], place - log.starts[number]
            if text[offset : offset + _KEY_CHARS] != line[at : at + _KEY_CHARS]:
                continue
            before = _same_before(line, at, text, offset, min(at - done, offset))
            # What was found too short or too near here, is so for the anchors in it too.
            seen = at + _same_after(line, at, text, offset)
            begin, end = at - before, min(seen, at - before + _MAX_REPEAT)
            if end - begin >= (_MIN_REPEAT if self.end - place > _NEAR_CHARS else _MIN_NEAR_REPEAT):
                yield begin, end, place - before
                done = seen = end

    def _add(self, line: str) -> FarHistory:
        log, first, count = self.log, self.first, self.count
        if len(log.starts) != count or first > count // 2 + 64:
            log = _Log(log.starts[first:count], log.texts[first:count], log.places[:])
            first, count = 0, len(log.starts)
        if not log.places:
            log.places = array("Q", bytes(8 * _SLOTS))
        log.starts.append(self.end)
        log.texts.append(line)
        free = 0
        for anchor in _ANCHOR.finditer(line):
            at = anchor.start()
            if at >= free:
                log.places[_slot(line, at)] = self.end + at + 1
                free = at + _SPACING
        end = self.end + len(line)
        while first < len(log.starts) and end - log.starts[first] > self.max_chars:
            first += 1
        return FarHistory(self.max_chars, log, first, count + 1, end)


def _slot(line: str, at: int) -> int:
    # Not `hash`, which differs from process to process.
    return zlib.crc32(line[at : at + _KEY_CHARS].encode(errors="surrogatepass")) % _SLOTS


def _digits(number: int, count: int) -> str:
    signs = ""
    for _ in range(count):
        number, digit = divmod(number, len(SIGNS))
        signs = SIGNS[digit] + signs
    return signs


def _same_after(one: str, at: int, other: str, offset: int) -> int:
    """How many characters are the same from two places on."""
    same, most, step = 0, min(len(one) - at, len(other) - offset), _KEY_CHARS
    while same < most and step:  # in growing steps, then in shrinking ones
        begin, end = same, same + min(step, most - same)
        if one[at + begin : at + end] == other[offset + begin : offset + end]:
            same, step = end, step * 2
        else:
            step = (end - begin) // 2
            most = end - 1
    return same


def _same_before(one: str, at: int, other: str, offset: int, most: int) -> int:
    """How many are the same up to two places."""
    same, step = 0, _KEY_CHARS
    while same < most and step:
        begin, end = same, same + min(step, most - same)
        if one[at - end : at - begin] == other[offset - end : offset - begin]:
            same, step = end, step * 2
        else:
            step = (end - begin) // 2
            most = end - 1
    return same
