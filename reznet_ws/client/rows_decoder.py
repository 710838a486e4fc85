"""Format 3 at the receiver: a frame's lines back into the packets that were emitted.

In: the text of one Engine.IO message. Out: the texts of the Socket.IO packets in it, in order.
Never: guesses. What refers to something that is not held ends the decoding, for nothing after it could be trusted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from reznet_ws.message.rows_changes import APPENDED, COUNTER, apply, read_mask
from reznet_ws.message.rows_far import DISTANCE_SIGNS, LENGTH_SIGNS, MAX_FAR_CHARS, MIN_TEXT_CHARS
from reznet_ws.message.rows_state import MAX_KEPT_CHARS, MAX_LEAVES, MAX_PACKET_CHARS, MAX_ROWS, Seed
from reznet_ws.message.rows_text import (
    ASIDE,
    FAR,
    FORGET,
    LINE_END,
    LONG,
    NEWEST_TEMPLATE,
    NUMBER,
    ROW_TEMPLATE,
    SHAPE,
    SIGNS,
    VALUE_END,
    put_together,
    take_apart,
)

MAX_CHARS = 10 * 1024 * 1024
_REFERENCE_SIGNS = DISTANCE_SIGNS + LENGTH_SIGNS


class RowsError(ValueError):
    """A frame that says what no server can have sent to this connection, which is to be closed."""


@dataclass(slots=True)
class _Row:
    leaves: tuple[str, ...]
    steps: dict[int, int]
    chars: int


@dataclass(slots=True)
class _Shape:
    head: str
    pieces: tuple[str, ...]
    rows: list[_Row]  # the newest first


@dataclass(slots=True)
class _Template:
    shape: _Shape
    names_row: bool
    operations: list[tuple[int, int]]
    value_count: int


class RowsDecoder:
    """What one connection holds of what it was sent. Units: `max_chars` bounds what one line may come to.

    `seed`: what it knew before.
    """

    def __init__(self, max_chars: int = MAX_CHARS, seed: Seed | None = None) -> None:
        self._max_chars, self._seed = max_chars, seed
        self.forget()

    def forget(self) -> None:
        """A new connection, or a server that begins anew."""
        self._shapes: dict[str, _Shape] = {}
        self._templates: dict[str, _Template] = {}
        self._kept_chars = 0
        self._far = _FarTexts(self._max_chars)

    def decode(self, frame: str) -> list[str]:
        """The packets of one frame. Raises: RowsError; the decoder is of no use then until it is told to `forget`."""
        if not frame or frame[0].isdigit():
            return [frame]
        try:
            return list(self._decode(frame))
        except (ValueError, KeyError, IndexError) as error:
            raise RowsError(f"not a frame of rows: {error}") from error

    def _decode(self, frame: str) -> Iterator[str]:
        for line in frame.split(LINE_END):
            if line.startswith(FORGET):
                self.forget()
                if line != FORGET:
                    self._sow(line[1:])
            elif line:
                yield line if line[0].isdigit() else self._read(line)

    def _sow(self, name: str) -> None:
        if self._seed is None or self._seed.name != name:
            raise ValueError("a seed of that name was never given")
        for sign, packet in zip(SIGNS, self._seed.packets, strict=False):
            self._define(sign, packet)
        for shape in self._shapes.values():
            shape.rows[0].chars = 0
        self._kept_chars = 0

    def _read(self, line: str) -> str:
        is_aside = line[0] == ASIDE
        line = self._far.expand(line[is_aside:], keep=not is_aside)
        sign = line[0]
        if sign == LONG:
            return line[1:]
        if sign in (NEWEST_TEMPLATE, ROW_TEMPLATE):
            return self._read_mask(line, sign == ROW_TEMPLATE, is_aside)
        if sign == SHAPE and not is_aside:
            return self._define(line[1], line[2:])
        template = self._templates[sign]
        back, text = (NUMBER[line[1]], line[2:]) if template.names_row else (0, line[1:])
        return self._follow(template, back, text.split(VALUE_END) if text or template.value_count else [], is_aside)

    def _read_mask(self, line: str, names_row: bool, is_aside: bool) -> str:
        name, line = ("", line[1:]) if is_aside else (line[1], line[2:])
        shape, back = line[0], NUMBER[line[1]] if names_row else 0
        mask, *values = line[1 + names_row :].split(VALUE_END)
        operations = list(read_mask(mask))
        count = sum(operation != COUNTER for _, operation in operations)
        template = _Template(self._shapes[shape], names_row, operations, count)
        if not is_aside:
            if name not in NUMBER:
                raise ValueError("a template has no such name")
            self._templates[name] = template
        return self._follow(template, back, values, is_aside)

    def _define(self, sign: str, packet: str) -> str:
        parts = take_apart(packet) if len(packet) <= MAX_PACKET_CHARS else None
        if parts is None or sign not in NUMBER or len(parts.leaves) > MAX_LEAVES:
            raise ValueError("a shape that is none")
        replaced = self._shapes.get(sign)
        if replaced is not None:
            self._templates = {name: one for name, one in self._templates.items() if one.shape is not replaced}
            self._kept_chars -= sum(row.chars for row in replaced.rows)
        self._shapes[sign] = _Shape(parts.head, parts.pieces, [_Row(parts.leaves, {}, len(packet))])
        self._keep(len(packet))
        return packet

    def _follow(self, template: _Template, back: int, values: list[str], is_aside: bool) -> str:
        shape = template.shape
        base = shape.rows[back]
        leaves, steps, grows = list(base.leaves), {}, False
        if len(values) != template.value_count:
            raise ValueError("a row has too many values, or too few")
        given = iter(values)
        for number, operation in template.operations:
            text = "" if operation == COUNTER else next(given)
            leaves[number], step = apply(operation, text, leaves[number], base.steps.get(number))
            if step is not None:
                steps[number] = step
            grows = grows or operation == APPENDED
        row = _Row(tuple(leaves), steps, sum(map(len, leaves)))
        if not is_aside:
            shape.rows.insert(0, row)
            if grows:
                self._kept_chars -= shape.rows.pop(back + 1).chars
            if len(shape.rows) > MAX_ROWS:
                self._kept_chars -= shape.rows.pop().chars
            self._keep(row.chars)
        return put_together(shape.head, shape.pieces, row.leaves)

    def _keep(self, chars: int) -> None:
        self._kept_chars += chars
        if self._kept_chars > MAX_KEPT_CHARS:
            raise ValueError("more text than a connection holds")


class _FarTexts:
    """The long lines so far, where far references lie."""

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._starts: list[int] = []
        self._texts: list[str] = []
        self._end = 0

    def expand(self, line: str, *, keep: bool) -> str:
        """The line as it was, itself a text for later ones if it is to be kept. Raises: ValueError."""
        if FAR in line:
            line = "".join(self._pieces(line))
        if keep and len(line) >= MIN_TEXT_CHARS:
            self._starts.append(self._end)
            self._texts.append(line)
            self._end += len(line)
            while self._texts and self._end - self._starts[0] > MAX_FAR_CHARS:
                del self._starts[0], self._texts[0]
        return line

    def _pieces(self, line: str) -> Iterator[str]:
        first, *references = line.split(FAR)
        chars = len(first)
        yield first
        for reference in references:
            if len(reference) < _REFERENCE_SIGNS:
                raise ValueError("a reference that is cut")
            place = self._end - _number(reference[:DISTANCE_SIGNS])
            length = _number(reference[DISTANCE_SIGNS:_REFERENCE_SIGNS])
            chars += length
            if chars > self._max_chars:
                raise ValueError("a line comes to more than a connection takes")
            number = bisect_right(self._starts, place) - 1
            if number < 0:
                raise ValueError("a reference to what was never sent")
            offset = place - self._starts[number]
            text = self._texts[number][offset : offset + length]
            if len(text) != length:
                raise ValueError("a reference beyond its text")
            yield text
            yield reference[_REFERENCE_SIGNS:]


def _number(signs: str) -> int:
    number = 0
    for sign in signs:
        number = number * len(SIGNS) + NUMBER[sign]
    return number
