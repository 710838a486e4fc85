"""One frame taken apart, as plain JSON for the page.

In: a frame, the message in it, what its receiver got before. Out: its steps, its header's fields, its pieces, its sum.
Never: holds more of a text than a page shows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from reznet_ws.draw.views import header_fields
from reznet_ws.lab.theatre.anatomy import FrameAnatomy, examine
from reznet_ws.lab.theatre.reading import as_json
from reznet_ws.lab.theatre.what_if import LABELS, SWITCHES, OtherFrame, SentMessage
from reznet_ws.settings import Settings

_MOST_CHARACTERS = 1500
_MOST_PIECES, _MOST_SOURCES = 300, 5
_ENCODINGS = {"abbreviated": "short keys", "rows": "rows", "packed": "MessagePack"}
SUMS = (
    ("header", "WebSocket header"),
    ("codes", "Huffman codes"),
    ("spelt", "spelt out"),
    ("copied", "copied"),
    ("plain", "not compressed"),
    ("packed", "compressed"),
    ("filling", "fill up the last byte"),
)


def steps_of(one: SentMessage, kind: str) -> list[dict[str, Any]]:
    """JSON, then how this client is written to, then the packet; what cannot be read has no JSON."""
    packet = {"name": "packet", "bytes": len(one.data), "text": _shorten(_written(one.data, one.data))}
    if not one.read.events:
        return [packet]
    events = as_json(one.read.events)
    steps = [{"name": "JSON", "bytes": len(events) - events.count("\n"), "text": _shorten(events)}]
    if kind == "plain":
        return [*steps, packet]
    return [*steps, {**packet, "name": f"packet, {_ENCODINGS[kind]}"}]


def describe(wire: bytes, data: bytes, before: Sequence[SentMessage]) -> dict[str, Any]:
    """A frame's bytes, bits and pieces, and the messages that it refers to."""
    return _described(wire, data, examine(wire, data, [one.data for one in before]), before)


def describe_other(other: OtherFrame, before: Sequence[SentMessage], name: str, settings: Settings) -> dict[str, Any]:
    """The same of what would be sent with a layer the other way."""
    anatomy = examine(other.wire, other.data, other.before)
    said = f"with {LABELS[name]} {'off' if getattr(settings, name) else 'on'}"
    steps = [{"name": "packet", "bytes": len(other.data), "text": _shorten(_written(other.data, other.data))}]
    written = [dataclasses.replace(one, data=data) for one, data in zip(before, other.before, strict=True)]
    return {**_described(other.wire, other.data, anatomy, written), "title": said, "switch": name, "steps": steps}


def switches(kind: str, settings: Settings, *, is_read: bool) -> list[dict[str, Any]]:
    """What can be switched for a client of this format, and how it stands; what writes anew has to be read first."""
    names = [name for name in SWITCHES[kind] if is_read or name.startswith("deflate")]
    return [{"name": name, "label": LABELS[name], "on": bool(getattr(settings, name))} for name in names]


def _described(wire: bytes, data: bytes, anatomy: FrameAnatomy, before: Sequence[SentMessage]) -> dict[str, Any]:
    sums = [{"kind": kind, "name": name, "bits": anatomy.bits(kind)} for kind, name in SUMS if anatomy.bits(kind)]
    shown = [part for part in anatomy.parts if part.end > part.start][:_MOST_PIECES]
    pieces = []
    for part in shown:
        text = _written(data[part.start : part.end], data)
        pieces.append([part.kind, _shorten(text), part.bits, _source(part.source, before), part.distance])
    hidden = len(data) - shown[-1].end if shown else 0
    copied: dict[int, int] = {}
    for part in anatomy.parts:
        if part.source is not None and 0 <= part.source < len(before):
            copied[part.source] = copied.get(part.source, 0) + part.end - part.start
    sources = [
        {
            "number": before[place].number,
            "ago": len(before) - place,
            "label": before[place].read.label,
            "bytes": size,
            "text": _shorten(_written(before[place].data, before[place].data), 160),
        }
        for place, size in sorted(copied.items(), key=lambda item: -item[1])[:_MOST_SOURCES]
    ]
    return {
        "bytes": len(wire),
        "message_bytes": len(data),
        "header": [list(field) for field in header_fields(wire)],
        "sums": sums,
        "pieces": pieces,
        "hidden_bytes": hidden,
        "sources": sources,
    }


def _source(place: int | None, before: Sequence[SentMessage]) -> str:
    if place is None:
        return ""
    if place < 0:
        return "what was sent before anybody looked"
    if place >= len(before):
        return "this message itself"
    return f"{before[place].read.label}, {len(before) - place} messages before"


def _written(data: bytes, message: bytes) -> str:
    """Some bytes of a message as text, or with a dot for each that is no letter, where the message is none."""
    try:
        message.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data)
    return data.decode(errors="replace")


def _shorten(text: str, most: int = _MOST_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[:most]} … {len(text) - most:,} more characters"
