"""What a HAR's entries say of connections: addresses, long-polling bodies, and whose a message is.

In: entries. Out: addresses, bodies with their moments. Never: reads the HAR itself.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.clock import ValueClock
from reznet_ws.audit.read.har_entries import HarEntry
from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES, ProtocolDecoder
from reznet_ws.audit.read.source import Source, address_of

# Engine.IO's have 20.
_MAX_SESSION_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class HarAddress:
    """What a URL says of a connection; `url` is what may be kept of it."""

    url: str
    engineio: int | None
    session: str | None
    is_polling: bool

    @classmethod
    def of(cls, url: str) -> HarAddress:
        """Of an entry's URL."""
        try:
            query = parse_qs(urlsplit(url).query, max_num_fields=100)
        except ValueError:
            query = {}
        revision = query.get("EIO", [""])[0]
        return cls(
            url=address_of(url),
            engineio=int(revision) if revision in ("3", "4") else None,
            session=query.get("sid", [""])[0][:_MAX_SESSION_CHARACTERS] or None,
            is_polling=revision != "" and query.get("transport") == ["polling"],
        )


@dataclass(frozen=True, slots=True)
class PollingBody:
    """A long-polling body and the entry that it stands in, which began at `began_ms`."""

    entry: int
    direction: Direction
    content: str | bytes
    at_ms: float | None
    began_ms: float | None


@dataclass(slots=True)
class HarConnection:
    """A connection as the first pass finds it. `bodies` are those to be put in order.

    `clock` reads the moments of its messages; `offset_ms` brings them onto the clock of the HAR's entries.
    """

    number: int
    url: str
    engineio: int | None
    decoder: ProtocolDecoder
    extensions: str | None = None
    is_websocket: bool = False
    is_opened: bool = False
    clock: ValueClock = field(default_factory=lambda: ValueClock("seconds"))
    offset_ms: float = 0.0
    bodies: list[PollingBody] = field(default_factory=list)


def bodies_of(entry: HarEntry, source: Source) -> list[PollingBody]:
    """What an entry of long-polling carried: a POST's request or a GET's response."""
    if entry.number_of("status") != 200:
        return []
    began_ms = started_ms(entry)
    if entry.text("method") == "POST":
        sent = entry.text("sent") or _attached(entry.text("sent_file"), source)
        return [PollingBody(entry.number, Direction.SENT, sent, began_ms, began_ms)] if sent else []
    body = received(entry, source)
    if not body or entry.text("method") != "GET":
        return []
    ended_ms = None if began_ms is None else began_ms + max(0.0, entry.number_of("took_ms") or 0.0)
    return [PollingBody(entry.number, Direction.RECEIVED, body, ended_ms, began_ms)]


def in_order(bodies: Iterable[PollingBody], until_ms: float | None) -> list[PollingBody]:
    """Bodies by the moment at which they came; those received no later than the next was asked for.

    A client asks one after the other. Where entries say that they took longer, none of them can be believed, and the
    last came before the WebSocket spoke (`until_ms`).
    """
    ordered = sorted(bodies, key=lambda body: body.began_ms or 0.0)
    asked = [at for at, body in enumerate(ordered) if body.direction is Direction.RECEIVED and body.at_ms is not None]
    begins_ms = [ordered[at].began_ms for at in asked]
    overlap = False
    for at, next_ms in zip(asked, begins_ms[1:], strict=False):
        overlap |= _cap(ordered, at, next_ms)
    if asked and overlap:
        _cap(ordered, asked[-1], until_ms)
    return sorted(ordered, key=lambda body: 0.0 if body.at_ms is None else body.at_ms)


def _cap(bodies: list[PollingBody], at: int, latest_ms: float | None) -> bool:
    """Let one body come no later than that; whether it would have."""
    came_ms, began_ms = bodies[at].at_ms, bodies[at].began_ms
    if latest_ms is None or came_ms is None or began_ms is None or not began_ms <= latest_ms < came_ms:
        return False
    bodies[at] = replace(bodies[at], at_ms=latest_ms)
    return True


def received(entry: HarEntry, source: Source) -> str | bytes | None:
    """A response's content; None where it is missing or its base64 is broken."""
    text = entry.text("received")
    if not text:
        return _attached(entry.text("received_file"), source)
    if entry.text("encoding") != "base64":
        return text
    try:
        return binascii.a2b_base64(text, strict_mode=True) or None
    except (binascii.Error, ValueError):
        return None


def started_ms(entry: HarEntry) -> float | None:
    """When an entry began, in ms since 1970."""
    try:
        return datetime.fromisoformat(entry.text("started")).timestamp() * 1000
    except (ValueError, OverflowError, OSError):
        return None


def _attached(name: str, source: Source) -> str | bytes | None:
    """The body in a file of its own; text where it is UTF-8."""
    path = source.attached(name) if name else None
    if path is None:
        return None
    with path.open("rb") as file:
        content = file.read(MAX_FRAME_BYTES)
    try:
        return content.decode() or None
    except UnicodeDecodeError:
        return content
