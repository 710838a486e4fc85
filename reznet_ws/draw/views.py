"""Text, sizes and bytes as a notebook shows them: coloured where colours show, and no less clear without them.

In: what a step of a message's journey made. Out: lines of text for the plain and the HTML form of a cell's output.
Never: needs a browser, a script or a style sheet.
Never: lets a colour carry a meaning by itself: GitHub drops them all.

Tints are half transparent and lines have the text's own colour, so that both themes of JupyterLab can be read.
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reznet_ws.draw.look import LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR
from reznet_ws.replay.frames import OPCODES, FrameParts, dissect
from reznet_ws.replay.references import find_pieces

COLOURS = {**LAYER_COLOURS, "plain": OFF_COLOUR}
# How much of a tint covers the page: a third; two thirds for a frame's header, which lies beside deflate's light blue.
_TINT, _DEEP_TINT = "55", "AA"

_HEADER_TINT = WIRE_COLOUR + _DEEP_TINT

_COLUMNS = 92
_BAR_COLUMNS = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_ROW_BYTES = 16
# What a layer works on: the characters beyond ASCII, in either spelling, or else the keys.
_BEYOND_ASCII = re.compile(r"(?:\\u[0-9a-f]{4})+|[^\x00-\x7f]+")
_KEY = re.compile(r'"(?:[^"\\]|\\.)*"(?=:)')


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line; `colour` inks it, `tint` lies behind it."""

    text: str
    colour: str | None = None
    tint: str | None = None

    def to_html(self) -> str:
        """The piece with its colours in the tag itself."""
        style = f"color: {self.colour}" if self.colour else f"background-color: {self.tint}" if self.tint else ""
        text = html.escape(self.text, quote=False)
        return f'<span style="{style}">{text}</span>' if style else text


Line = Sequence[Span]


class StyledLines:
    """Lines that a notebook shows in place of an object."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def __repr__(self) -> str:
        return "\n".join("".join(span.text for span in line).rstrip() for line in self.lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        body = "\n".join("".join(span.to_html() for span in line).rstrip() for line in self.lines)
        return {
            "text/html": f'<pre style="font-family: monospace; line-height: 1.4">{body}</pre>',
            "text/plain": repr(self),
        }

    def __add__(self, other: StyledLines) -> StyledLines:
        """One below the other."""
        return StyledLines([*self.lines, [], *other.lines])


def show_text(text: str, layer: str = "plain", *, max_lines: int = 6) -> StyledLines:
    """JSON as it travels, folded; what a layer works on is tinted in its colour."""
    spans: list[Span] = []
    end = 0
    for found in (_BEYOND_ASCII if layer == "utf8" else _KEY).finditer(text):
        spans += [Span(text[end : found.start()]), Span(found[0], tint=COLOURS[layer] + _TINT)]
        end = found.end()
    lines = _fold([*spans, Span(text[end:])], _COLUMNS)
    if len(lines) > max_lines:
        shown = sum(len(span.text) for line in lines[:max_lines] for span in line)
        lines = [*lines[:max_lines], [Span(f"… {len(text) - shown:,} more characters")]]
    return StyledLines(lines)


def show_sizes(*rows: tuple[str, int, str]) -> StyledLines:
    """A bar per row: what it is, its bytes, its layer; the share of the first row's bytes behind each."""
    label_columns = max(_columns(label) for label, _, _ in rows)
    most = max(size for _, size, _ in rows)
    digits = len(f"{most:,}")
    lines = []
    for label, size, layer in rows:
        bar = _bar(size / most)
        share = 100 * size / rows[0][1]
        figures = f" {size:{digits},} bytes {share:7.1f} %"
        name = label + " " * (label_columns - _columns(label) + 2)
        lines.append([Span(name), Span(bar, COLOURS[layer]), Span(" " * (_BAR_COLUMNS - len(bar)) + figures)])
    return StyledLines(lines)


def show_frame(frame: bytes, *, max_rows: int = 6, layer: str = "deflate") -> StyledLines:
    """A hexdump, the header's bytes tinted apart from the payload's; a line above says what they mean."""
    parts = dissect(frame)
    compressed = "compressed " if parts.rsv1 else ""
    header = parts.header_bytes
    said = f"{len(frame):,} bytes: {header} of header, {parts.length:,} of {compressed}{OPCODES[parts.opcode]}"
    behind = COLOURS[layer] + _TINT if parts.rsv1 else None
    tints = [_HEADER_TINT] * header + [behind] * parts.length
    return StyledLines([[Span(said)], *_dump(frame, tints, max_rows)])


def show_bytes(data: bytes, layer: str, *, max_rows: int = 3) -> StyledLines:
    """A hexdump in a layer's colour."""
    return StyledLines([[Span(f"{len(data):,} bytes")], *_dump(data, [COLOURS[layer] + _TINT] * len(data), max_rows)])


def show_references(payload: bytes, before: bytes) -> StyledLines:
    """A deflated message as text: what was copied from the window in ⟨brackets⟩, the rest spelt out."""
    pieces = find_pieces(payload, before)
    spans = []
    for piece in pieces:
        text = piece.data.decode(errors="replace")
        spans.append(Span(f"⟨{text}⟩", tint=COLOURS["deflate"] + _TINT) if piece.distance else Span(text))
    copied = [len(piece.data) for piece in pieces if piece.distance]
    total = sum(len(piece.data) for piece in pieces)
    said = f"{sum(copied)} of {total} bytes are ⟨copied⟩ from what was sent before, {total - sum(copied)} are spelt out"
    return StyledLines([*_fold(spans, _COLUMNS), [], [Span(said)]])


def show_header(frame: bytes) -> StyledLines:
    """The header bit by bit: a row for each field, with the byte where it begins."""
    rows = header_fields(frame)
    width = max(len(row[0]) for row in rows)
    return StyledLines(
        [
            [Span(f"{byte:{width}}", tint=_HEADER_TINT if byte else None), Span(f"  {bits:9}  {name:7} {means}")]
            for byte, bits, name, means in rows
        ]
    )


def header_fields(frame: bytes) -> list[tuple[str, str, str, str]]:
    """Each field of a frame's header: the byte where it begins, its bits, its name, what it means."""
    parts = dissect(frame)
    rows = [
        (f"{frame[0]:02x}", _bits(frame[0], 0, 1), "FIN", "the message ends with this frame" if parts.fin else "no"),
        ("", _bits(frame[0], 1, 1), "RSV1", "compressed (permessage-deflate)" if parts.rsv1 else "not compressed"),
        ("", _bits(frame[0], 2, 2), "RSV2–3", "not used"),
        ("", _bits(frame[0], 4, 4), "opcode", OPCODES[parts.opcode]),
        (f"{frame[1]:02x}", _bits(frame[1], 0, 1), "MASK", "masked" if parts.masked else "a server never masks"),
        ("", _bits(frame[1], 1, 7), "length", _said_length(parts)),
    ]
    if len(parts.length_bytes) > 1:
        rows.append((parts.length_bytes[1:].hex(" "), "", "length", f"{parts.length:,} bytes of payload follow"))
    return rows


def _said_length(parts: FrameParts) -> str:
    short = parts.length_bytes[0] & 0x7F
    if len(parts.length_bytes) == 1:
        return f"{short} bytes of payload follow"
    return f"{short}: the next {len(parts.length_bytes) - 1} bytes tell"


def _bits(byte: int, start: int, count: int) -> str:
    """Some bits of a byte in their places, dots for the others: `·1·· ····`."""
    bits = [bit if start <= place < start + count else "·" for place, bit in enumerate(f"{byte:08b}")]
    return "".join(bits[:4]) + " " + "".join(bits[4:])


def _dump(data: bytes, tints: Sequence[str | None], max_rows: int) -> Iterator[Line]:
    end = len(data) if len(data) <= max_rows * _ROW_BYTES else max_rows * _ROW_BYTES
    for start in range(0, end, _ROW_BYTES):
        row = range(start, min(start + _ROW_BYTES, end))
        padding = "   " * (_ROW_BYTES - len(row))
        # A space belongs to the byte before it, so that the tint of a run has no gaps.
        hexes = [(f"{data[at]:02x}" + (" " if at != row[-1] else ""), tints[at]) for at in row]
        letters = [(chr(data[at]) if 32 <= data[at] < 127 else "·", tints[at]) for at in row]
        yield [Span(f"{start:04x}  "), *_runs(hexes), Span(f"{padding}   "), *_runs(letters)]
    if end < len(data):
        yield [Span(f"      … {len(data) - end:,} more bytes")]


def _runs(pieces: Sequence[tuple[str, str | None]]) -> list[Span]:
    """Neighbours of one tint as one piece."""
    joined: list[tuple[str, str | None]] = []
    for text, tint in pieces:
        if joined and joined[-1][1] == tint:
            joined[-1] = (joined[-1][0] + text, tint)
        else:
            joined.append((text, tint))
    return [Span(text, tint=tint) for text, tint in joined]


def _bar(share: float) -> str:
    eighths = max(1, round(share * _BAR_COLUMNS * 8))
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _fold(spans: Sequence[Span], columns: int) -> list[Line]:
    """Lines of at most so many columns, broken before a key where one is not too far back."""
    letters = [(letter, span) for span in spans for letter in span.text]
    text = "".join(letter for letter, _ in letters)
    lines: list[Line] = []
    start = 0
    while start < len(letters):
        end, used = start, 0
        while end < len(letters) and used + _columns(letters[end][0]) <= columns:
            used += _columns(letters[end][0])
            end += 1
        if end < len(letters):
            keys = [at for at in range(start + (end - start) // 2, end) if text[at - 1 : at + 1] == ',"']
            end = keys[-1] if keys else end
        lines.append(
            [
                Span("".join(letter for letter, _ in run), span.colour, span.tint)
                for span, run in itertools.groupby(letters[start:end], key=lambda pair: pair[1])
            ]
        )
        start = end
    return lines


def _columns(text: str) -> int:
    """How wide a text is in a fixed pitch; Chinese characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
