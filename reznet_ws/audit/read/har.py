"""HAR files: what WebSockets carried (`_webSocketMessages`), and Engine.IO's long-polling.

In: a file of any size. Out: its connections, and their messages, each connection's by time.
Never: holds more than one message, one other entry, and of long-polling up to a bound.

Two passes, since a message may stand before the address of its connection: keys come in any order, and Chrome writes
`_webSocketMessages` first. Long-polling belongs to the connection whose `sid` it names, also after that became a
WebSocket; its packets are put between the WebSocket's by time.

Where exports differ:
- Chrome and Edge: `{"type": "send" | "receive", "time": seconds, "opcode": 1 | 2, "data"}`, base64 for opcode 2; what
  went wrong with the connection has the type "error". Source: devtools-frontend, front_end/models/har/Log.ts.
- mitmproxy writes the same, for other opcodes too. Source: mitmproxy/addons/savehar.py.
- Playwright since May 2026: the same, but milliseconds, and -1 for no time. Source: microsoft/playwright#41015, 1.65's
  HarTracer. Where it puts them into files of their own (`content: "attach"`), they are not read.
- Firefox writes a WebSocket's entry without its messages; long-polling is there. Source: gecko,
  devtools/client/netmonitor/src/har/har-builder.js, as of 2023.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from reznet_ws.audit.read.capture import Direction, Item, Record
from reznet_ws.audit.read.har_entries import TOO_LONG, Broken, HarEntry, HarMessage, as_number, walk
from reznet_ws.audit.read.json_stream import JsonBytes
from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES, Fault, ProtocolDecoder, session_of
from reznet_ws.audit.read.source import Source, TooManyConnections, address_of

# Of long-polling, what is kept to be put in order; what is beyond comes where it stands in the file.
MAX_HELD_CHARACTERS = 16 * 2**20
_DIRECTIONS = {"send": Direction.SENT, "receive": Direction.RECEIVED}
_TEXT, _BINARY = 1, 2
# Engine.IO's have 20.
_MAX_SESSION_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class _Address:
    """What a URL says of a connection; `url` is what may be kept of it."""

    url: str
    engineio: int | None
    session: str | None
    is_polling: bool

    @classmethod
    def of(cls, url: str) -> _Address:
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
class _Body:
    """A long-polling body and the entry that it stands in."""

    entry: int
    direction: Direction
    content: str | bytes
    at_ms: float | None


@dataclass(slots=True)
class _HarConnection:
    """A connection as the first pass finds it. `bodies` are those to be put in order."""

    number: int
    url: str
    engineio: int | None
    decoder: ProtocolDecoder
    is_websocket: bool = False
    is_opened: bool = False
    bodies: list[_Body] = field(default_factory=list)


def read_har(source: Source) -> Iterator[Item]:
    """The connections and messages of a HAR file, as far as it can be read."""
    yield from _Har(source).read()


class _Har:
    """One HAR file being read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._by_entry: dict[int, _HarConnection] = {}
        self._by_session: dict[str, _HarConnection] = {}
        self._held_characters = 0
        self._first_not_held: int | None = None
        self._first_ms: float | None = None

    def read(self) -> Iterator[Item]:
        """Both passes."""
        yield from self._survey()
        if self._first_ms is not None:
            self._source.capture.since_first(self._first_ms)
        connections = list({connection.number: connection for connection in self._by_entry.values()}.values())
        for connection in connections:
            connection.bodies.sort(key=lambda body: 0.0 if body.at_ms is None else body.at_ms)
            if not connection.is_websocket:
                yield from self._held_bodies(connection)
        yield from self._second_pass()
        for connection in connections:
            yield from self._held_bodies(connection)
            for found in connection.decoder.close():
                yield from self._opened(connection, f"connection {connection.number}", found)
            yield from self._opened(connection)

    def _walk(self, *, only_first: bool = False) -> Iterator[HarMessage | HarEntry | Broken | JsonBytes]:
        """What `walk` finds, and at the end the stream, for what it noted. Each pass counts for half of the bytes."""
        with self._source.path.open("rb") as file:
            stream = JsonBytes(file, lambda count: self._source.on_bytes(count / 2))
            yield from walk(stream, only_first=only_first)
            yield stream

    def _survey(self) -> Iterator[Item]:
        """Which entry belongs to which connection, and when it all began."""
        entries = empty_sockets = empty_responses = 0
        first_message_ms: float | None = None
        for thing in self._walk(only_first=True):
            if isinstance(thing, HarMessage):
                if thing.number == 1:
                    first_message_ms = _message_ms(thing)
            elif isinstance(thing, Broken):
                yield self._source.problem(thing.position, thing.reason)
            elif isinstance(thing, JsonBytes):
                for reason, position in thing.notes.items():
                    yield self._source.problem(position, reason)
            else:
                entries += 1
                address = _Address.of(thing.text("url"))
                try:
                    if thing.has_messages:
                        self._place(thing, address).is_websocket = True
                        self._began(first_message_ms)
                    elif address.is_polling:
                        empty_responses += not self._survey_polling(thing, address)
                    else:
                        empty_sockets += address.url.startswith(("ws:", "wss:"))
                except TooManyConnections as error:
                    yield self._source.problem(f"entry {thing.number}", str(error))
                    break
                first_message_ms = None
        if not entries:
            yield self._source.problem("the whole file", "it is no HAR file: there is no entry in log.entries")
        elif not self._by_entry and not empty_sockets:
            yield self._source.problem("the whole file", "there is no WebSocket and no Engine.IO long-polling in it")
        if empty_sockets:
            reason = (
                f"{empty_sockets} WebSockets are without messages: Firefox leaves them out, Chrome and Edge write them"
            )
            yield self._source.problem("the whole file", reason)
        if empty_responses:
            reason = f"{empty_responses} long-polling responses are without content; export the HAR with content"
            yield self._source.problem("the whole file", reason)

    def _began(self, at_ms: float | None) -> None:
        if at_ms is not None:
            self._first_ms = at_ms if self._first_ms is None else min(self._first_ms, at_ms)

    def _place(self, entry: HarEntry, address: _Address, session: str | None = None) -> _HarConnection:
        """The connection of an entry. Raises: TooManyConnections."""
        session = session or address.session
        connection = None if session is None else self._by_session.get(session)
        if connection is None:
            number, decoder = self._source.connect(address.engineio)
            connection = _HarConnection(number, address.url, address.engineio, decoder)
            if session is not None:
                self._by_session[session] = connection
        elif not address.is_polling:
            connection.url = address.url
        self._by_entry[entry.number] = connection
        return connection

    def _survey_polling(self, entry: HarEntry, address: _Address) -> bool:
        """Take an entry's bodies into order; whether it has what an entry like it should have."""
        if entry.number_of("status") != 200:
            return True
        session = address.session
        if session is None and entry.text("received"):
            session = session_of(_received(entry) or "", address.engineio or 4)
        if session is None:
            return bool(entry.text("received")) or entry.text("method") != "GET"
        connection = self._place(entry, address, session)
        self._began(_started_ms(entry))
        bodies = _bodies(entry)
        characters = sum(len(body.content) for body in bodies)
        if self._first_not_held is None and self._held_characters + characters > MAX_HELD_CHARACTERS:
            self._first_not_held = entry.number
        if self._first_not_held is None:
            self._held_characters += characters
            connection.bodies.extend(bodies)
        return bool(bodies) or entry.text("method") != "GET"

    def _second_pass(self) -> Iterator[Item]:
        for thing in self._walk():
            connection = self._by_entry.get(
                thing.entry if isinstance(thing, HarMessage) else getattr(thing, "number", 0)
            )
            if connection is None:
                continue
            if isinstance(thing, HarMessage):
                yield from self._message(connection, thing)
            elif (
                isinstance(thing, HarEntry)
                and self._first_not_held is not None
                and thing.number >= self._first_not_held
            ):
                for body in () if thing.has_messages else _bodies(thing):
                    yield from self._body(connection, body)

    def _message(self, connection: _HarConnection, message: HarMessage) -> Iterator[Item]:
        position = f"entry {message.entry}, message {message.number}"
        if message.repeats_a_key:
            yield self._source.problem(position, "a key comes twice; the last counts")
        kind, data, opcode = (message.fields.get(name) for name in ("type", "data", "opcode"))
        # Without an opcode it is text. Others are pings, pongs and the like, which no application sees.
        number = _TEXT if opcode is None else as_number(opcode)
        if kind == "error" or (number is not None and number not in (_TEXT, _BINARY)):
            return
        frame: str | bytes | None = data if isinstance(data, str) else None
        if data is TOO_LONG or (frame is not None and len(frame) > MAX_FRAME_BYTES * 4 // 3):
            yield self._source.problem(position, "it is longer than 64 MB; left out")
            return
        if not isinstance(kind, str) or kind not in _DIRECTIONS or frame is None or number is None:
            reason = 'it has no "type" of "send" or "receive", or no text as "data"; left out'
            yield self._source.problem(position, reason if message.is_object else "it is no object; left out")
            return
        if number == _BINARY:
            try:
                frame = binascii.a2b_base64(frame, strict_mode=True)
            except (binascii.Error, ValueError):
                yield self._source.problem(position, "its base64 is broken; left out")
                return
        if len(frame) > MAX_FRAME_BYTES:
            yield self._source.problem(position, "it is longer than 64 MB; left out")
            return
        at_ms = _message_ms(message)
        yield from self._held_bodies(connection, at_ms)
        moment_ms = self._source.capture.since_first(at_ms)
        for found in connection.decoder.frame(_DIRECTIONS[kind], frame, moment_ms):
            yield from self._opened(connection, position, found)

    def _held_bodies(self, connection: _HarConnection, until_ms: float | None = None) -> Iterator[Item]:
        """Those that came before a moment, or all."""
        taken = 0
        for body in connection.bodies:
            if until_ms is not None and body.at_ms is not None and body.at_ms > until_ms:
                break
            taken += 1
            yield from self._body(connection, body)
        del connection.bodies[:taken]

    def _body(self, connection: _HarConnection, body: _Body) -> Iterator[Item]:
        at_ms = self._source.capture.since_first(body.at_ms)
        for found in connection.decoder.body(body.direction, body.content, at_ms):
            yield from self._opened(connection, f"entry {body.entry}", found)

    def _opened(
        self, connection: _HarConnection, position: str = "", found: Record | Fault | None = None
    ) -> Iterator[Item]:
        """What was found, and before the first of a connection that it was opened."""
        if not connection.is_opened:
            connection.is_opened = True
            yield self._source.opened(connection.number, connection.url, connection.decoder.engineio)
        if isinstance(found, Record):
            yield found
        elif found is not None:
            yield self._source.problem(position, found.reason)


def _bodies(entry: HarEntry) -> list[_Body]:
    """What an entry of long-polling carried: a POST's request or a GET's response."""
    if entry.number_of("status") != 200:
        return []
    started_ms = _started_ms(entry)
    if entry.text("method") == "POST":
        sent = entry.text("sent")
        return [_Body(entry.number, Direction.SENT, sent, started_ms)] if sent else []
    received = _received(entry)
    if not received or entry.text("method") != "GET":
        return []
    ended_ms = None if started_ms is None else started_ms + max(0.0, entry.number_of("took_ms") or 0.0)
    return [_Body(entry.number, Direction.RECEIVED, received, ended_ms)]


def _received(entry: HarEntry) -> str | bytes | None:
    """A response's content; None where it is missing or its base64 is broken."""
    text = entry.text("received")
    if entry.text("encoding") != "base64":
        return text or None
    try:
        return binascii.a2b_base64(text, strict_mode=True) or None
    except (binascii.Error, ValueError):
        return None


def _started_ms(entry: HarEntry) -> float | None:
    try:
        return datetime.fromisoformat(entry.text("started")).timestamp() * 1000
    except (ValueError, OverflowError, OSError):
        return None


def _message_ms(message: HarMessage) -> float | None:
    moment = as_number(message.fields.get("time"))
    if moment is None or moment < 0:
        return None
    # In seconds, the year 5138; in milliseconds, 1973.
    return moment if moment > 1e11 else moment * 1000
