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
- Playwright since May 2026: the same, but milliseconds, and -1 for no time; or the messages line by line in a file that
  `response.content._file` names (content: "attach"). Source: microsoft/playwright#41015, 1.65's HarTracer.
- Firefox writes a WebSocket's entry without its messages; long-polling is there. Source: gecko,
  devtools/client/netmonitor/src/har/har-builder.js, as of 2023.
- Times may be on a clock that began with the browser, where those of entries are dates (`har_clock.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from reznet_ws.audit.read.capture import Direction, Item, Record
from reznet_ws.audit.read.har_attached import attached_messages
from reznet_ws.audit.read.har_clock import align
from reznet_ws.audit.read.har_connections import (
    HarAddress,
    HarConnection,
    PollingBody,
    bodies_of,
    in_order,
    received,
    started_ms,
)
from reznet_ws.audit.read.har_entries import Broken, HarEntry, HarMessage, walk
from reznet_ws.audit.read.har_messages import BadMessage, direction_of, frame_of
from reznet_ws.audit.read.json_stream import JsonBytes
from reznet_ws.audit.read.polling_bodies import session_of
from reznet_ws.audit.read.protocol import Fault
from reznet_ws.audit.read.source import Source, TooManyConnections

# Of long-polling, what is kept to be put in order; what is beyond comes where it stands in the file.
MAX_HELD_CHARACTERS = 16 * 2**20
_NO_MESSAGES = (
    "{count} are without messages: Firefox leaves them out. Export from Chrome or Edge (Network, Export HAR), or "
    "record with Playwright"
)
_NOT_THERE = (
    'the messages of {count} are in files of their own (Playwright\'s content: "attach", its default for .zip), which '
    "are not there: {names}. Audit the .zip, or put them beside the HAR"
)
_SHOWN_NAMES = 3


def read_har(source: Source) -> Iterator[Item]:
    """The connections and messages of a HAR file, as far as it can be read."""
    yield from _Har(source).read()


class _Har:
    """One HAR file being read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._by_entry: dict[int, HarConnection] = {}
        self._by_session: dict[str, HarConnection] = {}
        self._held_characters = 0
        self._first_not_held: int | None = None
        # When each WebSocket's entry began, and its first message, in ms.
        self._begins: dict[int, tuple[float | None, float | None]] = {}
        self._first_ms: float | None = None
        self._not_there: list[str] = []
        self._attached_entries: set[int] = set()

    def read(self) -> Iterator[Item]:
        """Both passes."""
        yield from self._survey()
        connections = list({connection.number: connection for connection in self._by_entry.values()}.values())
        yield from self._set_clocks(connections)
        for connection in connections:
            _, first_ms = self._begins.get(connection.number, (None, None))
            until_ms = None if first_ms is None else first_ms + connection.offset_ms
            connection.bodies = in_order(connection.bodies, until_ms)
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
        first: HarMessage | None = None
        for thing in self._walk(only_first=True):
            if isinstance(thing, HarMessage):
                first = thing if thing.number == 1 else first
            elif isinstance(thing, Broken):
                yield self._source.problem(thing.position, thing.reason)
            elif isinstance(thing, JsonBytes):
                for reason, position in thing.notes.items():
                    yield self._source.problem(position, reason)
            else:
                entries += 1
                address = HarAddress.of(thing.text("url"))
                try:
                    if thing.has_messages or self._has_attached(thing, address):
                        first = first or next(self._attached(thing), None)
                        self._survey_websocket(thing, address, first)
                    elif address.is_polling:
                        empty_responses += not self._survey_polling(thing, address)
                    else:
                        empty_sockets += address.url.startswith(("ws:", "wss:")) and not thing.text("received_file")
                except TooManyConnections as error:
                    yield self._source.problem(f"entry {thing.number}", str(error))
                    break
                first = None
        if not entries:
            yield self._source.problem("the whole file", "it is no HAR file: there is no entry in log.entries")
        elif not self._by_entry and not empty_sockets and not self._not_there:
            yield self._source.problem("the whole file", "there is no WebSocket and no Engine.IO long-polling in it")
        yield from self._not_found(empty_sockets, empty_responses)

    def _not_found(self, empty_sockets: int, empty_responses: int) -> Iterator[Item]:
        """What the HAR should have and has not."""
        if empty_sockets:
            yield self._source.problem("the whole file", _NO_MESSAGES.format(count=_sockets(empty_sockets)))
        if self._not_there:
            names = ", ".join(self._not_there[:_SHOWN_NAMES]) + ", …" * (len(self._not_there) > _SHOWN_NAMES)
            reason = _NOT_THERE.format(count=_sockets(len(self._not_there)), names=names)
            yield self._source.problem("the whole file", reason)
        if empty_responses:
            reason = f"{empty_responses} long-polling responses are without content; export the HAR with content"
            yield self._source.problem("the whole file", reason)

    def _has_attached(self, entry: HarEntry, address: HarAddress) -> bool:
        """Whether a WebSocket's messages are in a file that is there."""
        name = entry.text("received_file")
        if not name or not address.url.startswith(("ws:", "wss:")):
            return False
        if self._source.attached(name) is None:
            self._not_there.append(name[:100])
            return False
        self._attached_entries.add(entry.number)
        return True

    def _attached(self, entry: HarEntry) -> Iterator[HarMessage]:
        path = self._source.attached(entry.text("received_file"))
        return iter(()) if path is None else attached_messages(path, entry.number)

    def _survey_websocket(self, entry: HarEntry, address: HarAddress, first: HarMessage | None) -> None:
        connection = self._place(entry, address)
        connection.is_websocket = True
        connection.extensions = entry.extensions
        first_ms = None if first is None else connection.clock.ms(first.fields.get("time"))
        self._begins[connection.number] = started_ms(entry), first_ms

    def _set_clocks(self, connections: list[HarConnection]) -> Iterator[Item]:
        """One clock for messages and entries, and the moment at which all begins."""
        offsets_ms = align(self._begins)
        if offsets_ms:
            reason = (
                f"the messages of {_sockets(len(offsets_ms))} are timed by a clock that is none of dates; the first "
                "stands where its entry began"
            )
            yield self._source.assumed("the whole file", reason)
        for connection in connections:
            connection.offset_ms = offsets_ms.get(connection.number, 0.0)
            if connection.clock.guess and "milliseconds" not in connection.clock.guess:
                yield self._source.assumed(f"connection {connection.number}", connection.clock.guess)
            _, first_ms = self._begins.get(connection.number, (None, None))
            if first_ms is not None:
                self._began(first_ms + connection.offset_ms)
        if self._first_ms is not None:
            self._source.capture.since_first(self._first_ms)

    def _began(self, at_ms: float | None) -> None:
        if at_ms is not None:
            self._first_ms = at_ms if self._first_ms is None else min(self._first_ms, at_ms)

    def _place(self, entry: HarEntry, address: HarAddress, session: str | None = None) -> HarConnection:
        """The connection of an entry. Raises: TooManyConnections."""
        session = session or address.session
        connection = None if session is None else self._by_session.get(session)
        if connection is None:
            number, decoder = self._source.connect(address.engineio)
            connection = HarConnection(number, address.url, address.engineio, decoder)
            if session is not None:
                self._by_session[session] = connection
        elif not address.is_polling:
            connection.url = address.url
        self._by_entry[entry.number] = connection
        return connection

    def _survey_polling(self, entry: HarEntry, address: HarAddress) -> bool:
        """Take an entry's bodies into order; whether it has what an entry like it should have."""
        if entry.number_of("status") != 200:
            return True
        session, content = address.session, received(entry, self._source)
        if session is None and content:
            session = session_of(content, address.engineio or 4)
        if session is None:
            return bool(content) or entry.text("method") != "GET"
        connection = self._place(entry, address, session)
        self._began(started_ms(entry))
        bodies = bodies_of(entry, self._source)
        characters = sum(len(body.content) for body in bodies)
        if self._first_not_held is None and self._held_characters + characters > MAX_HELD_CHARACTERS:
            self._first_not_held = entry.number
        if self._first_not_held is None:
            self._held_characters += characters
            connection.bodies.extend(bodies)
        return bool(bodies) or entry.text("method") != "GET"

    def _second_pass(self) -> Iterator[Item]:
        for thing in self._walk():
            if not isinstance(thing, (HarMessage, HarEntry)):
                continue
            number = thing.entry if isinstance(thing, HarMessage) else thing.number
            connection = self._by_entry.get(number)
            if connection is None:
                continue
            if isinstance(thing, HarMessage):
                yield from self._message(connection, thing)
            elif number in self._attached_entries:
                for message in self._attached(thing):
                    yield from self._message(connection, message)
            elif self._first_not_held is not None and number >= self._first_not_held and not thing.has_messages:
                for body in bodies_of(thing, self._source):
                    yield from self._body(connection, body)

    def _message(self, connection: HarConnection, message: HarMessage) -> Iterator[Item]:
        position = f"entry {message.entry}, message {message.number}"
        if message.repeats_a_key:
            yield self._source.problem(position, "a key comes twice; the last counts")
        try:
            frame = frame_of(message)
        except BadMessage as error:
            yield self._source.problem(position, str(error))
            return
        if frame is None:
            return
        direction: Direction = direction_of(message)
        moment = connection.clock.ms(message.fields.get("time"))
        at_ms = None if moment is None or moment < 0 else moment + connection.offset_ms
        yield from self._held_bodies(connection, at_ms)
        moment_ms = self._source.capture.since_first(at_ms)
        for found in connection.decoder.frame(direction, frame, moment_ms):
            yield from self._opened(connection, position, found)

    def _held_bodies(self, connection: HarConnection, until_ms: float | None = None) -> Iterator[Item]:
        """Those that came before a moment, or all."""
        taken = 0
        for body in connection.bodies:
            if until_ms is not None and body.at_ms is not None and body.at_ms > until_ms:
                break
            taken += 1
            yield from self._body(connection, body)
        del connection.bodies[:taken]

    def _body(self, connection: HarConnection, body: PollingBody) -> Iterator[Item]:
        at_ms = self._source.capture.since_first(body.at_ms)
        for found in connection.decoder.body(body.direction, body.content, at_ms):
            yield from self._opened(connection, f"entry {body.entry}", found)

    def _opened(
        self, connection: HarConnection, position: str = "", found: Record | Fault | None = None
    ) -> Iterator[Item]:
        """What was found, and before the first of a connection that it was opened."""
        if not connection.is_opened:
            connection.is_opened = True
            engineio, extensions = connection.decoder.engineio, connection.extensions
            yield self._source.opened(connection.number, connection.url, engineio, extensions)
        if isinstance(found, Record):
            yield found
        elif found is not None:
            yield self._source.problem(position, found.reason)


def _sockets(count: int) -> str:
    return f"{count} WebSocket{'' if count == 1 else 's'}"
