"""Lines that the package debug writes for engine.io, engine.io-client and socket.io-parser.

In: a namespace and what it says. Out: records, as the client sees it.
Never: looks at what stands in front; tells the clients of a server apart, since its lines do not.

    engine:ws received "420["up",{"x":1}]"                              a server's transport
    engine.io-client:socket socket receive: type "message", data "2["a"]" +3ms
    ... the same, as Firefox saves its console:                          +3ms socket.io.esm.min.js:7:102

Source: engine.io 3.6 and 6.6, engine.io-client 3.5 and 6.6, socket.io-parser 4.2, debug 4.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reznet_ws.audit.read.capture import Direction, Item, Transport
from reznet_ws.audit.read.log_connections import LogConnections, LoggedConnection
from reznet_ws.audit.read.packet_end import CutOff, socketio_end
from reznet_ws.audit.read.python_log import TYPES

NAMESPACE = re.compile(r"(?:^|\s)((?:engine|socket\.io)(?:[.:-][a-z.:-]+)?) (?=\S)")
REQUEST = re.compile(r'handling "[A-Z]+" http request "(\S+)"')
# Of the lines with such a namespace, those that only these libraries write.
NAMESPACES = frozenset(
    {
        "engine:ws",
        "engine:polling",
        "engine:socket",
        "engine.io-client:socket",
        "engine.io-client:polling",
        "engine.io-client:polling-xhr",
        "socket.io-client:manager",
        "socket.io-parser",
    }
)
# "+5ms" ends a line of debug's, but for the file and the line that a console puts behind it.
_SINCE = re.compile(r" \+([0-9]{1,12})(ms|s|m|h|d)(?:\s+\S{1,300}:[0-9]{1,9}(?::[0-9]{1,9})?)?\Z")
_PLACE = re.compile(r"""(?<=[")'\]}])\s+\S{1,300}:[0-9]{1,9}(?::[0-9]{1,9})?\Z""")
_TAIL_CHARACTERS = 360
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_OPENING = re.compile(r"(?:xhr open [A-Z]+:|opening) (\S+)\Z")
_TRANSFER = re.compile(r'(received|writing|sending) "')
_SENDING = re.compile(r'sending packet "([a-z]+)" \(')
_RECEIVE = re.compile(r'socket receive: type "([a-z]+)", data "')
_ENCODED = re.compile(r"encoded (?=\{)")
# How engine.io 3 logs the packets that it sends with the open packet.
_INITIAL = re.compile(r"\[ '(.*)' \]\Z")
_REVISION = re.compile(r"[?&]EIO=([34])(?:&|\Z)")
_ALL = "node"


@dataclass(slots=True)
class _Said:
    """What the log has said so far; `transport` is None before it says one."""

    url: str = ""
    engineio: int | None = None
    transport: Transport | None = None
    is_client: bool = False
    # Whether the packets that a server sends are logged by its sockets, and not only by their transports.
    has_sockets: bool = False
    handshakes: int = 0
    is_requested: bool = False
    clock_ms: float = 0
    clocks_ms: dict[str, float] = field(default_factory=dict)


class NodeLog:
    """One log."""

    def __init__(self, connections: LogConnections) -> None:
        self._connections = connections
        self._said = _Said()

    @property
    def mixed_clients(self) -> int:
        """How many clients count as one connection."""
        return 0 if self._said.is_client or self._said.handshakes < 2 else self._said.handshakes

    def line(self, namespace: str, message: str, at_ms: float | None) -> Iterator[Item]:
        """What a namespace says; `at_ms` is None where only the line's end tells the time.

        Raises: CutOff, before anything else happens; TooManyConnections.
        """
        tail = message[-_TAIL_CHARACTERS:]
        if since := _SINCE.search(tail):
            message = message[: len(message) - len(tail) + since.start()]
            passed_ms = int(since[1]) * _MS[since[2]]
            at_ms = self._since_ms(namespace, passed_ms) if at_ms is None else at_ms
        elif place := _PLACE.search(tail):
            message = message[: len(message) - len(tail) + place.start()]
        if namespace.startswith("engine.io-client") or namespace == "socket.io-client:manager":
            self._said.is_client = True
        yield from self._message(namespace, message, at_ms)

    def _since_ms(self, namespace: str, passed_ms: int) -> float:
        """The moment on one clock for all namespaces, which begins at 0."""
        said = self._said
        said.clocks_ms[namespace] = said.clocks_ms.get(namespace, said.clock_ms - passed_ms) + passed_ms
        said.clock_ms = max(said.clock_ms, said.clocks_ms[namespace])
        return said.clock_ms

    def _message(self, namespace: str, message: str, at_ms: float | None) -> Iterator[Item]:
        said = self._said
        if namespace == "engine":
            if request := REQUEST.match(message):
                self._address(request[1])
            elif message.startswith("handshaking client "):
                # A WebSocket that is opened at once is no request that would be logged.
                said.transport = Transport.POLLING if said.is_requested else Transport.WEBSOCKET
                said.handshakes, said.is_requested = said.handshakes + 1, False
        elif namespace in ("engine:ws", "engine:polling"):
            if transfer := _TRANSFER.match(message):
                is_received = transfer[1] == "received"
                if is_received or not said.has_sockets:
                    transport = Transport.WEBSOCKET if namespace == "engine:ws" else Transport.POLLING
                    direction = Direction.SENT if is_received else Direction.RECEIVED
                    yield from self._transfer(direction, message[transfer.end() :], at_ms, transport)
        elif namespace == "engine:socket":
            said.has_sockets = True
            if message == "got upgrade packet - upgrading":
                said.transport = Transport.WEBSOCKET
            elif sending := _SENDING.match(message):
                yield from self._packet(Direction.RECEIVED, sending[1], message[sending.end() :], ")", at_ms)
        elif namespace == "engine.io-client:socket":
            yield from self._client(message, at_ms)
        elif namespace == "socket.io-parser":
            # A server's are logged by its sockets as well, for each client.
            if said.is_client and (encoded := _ENCODED.match(message)):
                yield from self._encoded(message[encoded.end() :], at_ms)
        elif opening := _OPENING.search(message):
            self._address(opening[1])

    def _address(self, url: str) -> None:
        said = self._said
        revision = _REVISION.search(url)
        if revision:
            said.engineio = int(revision[1])
        if revision or not said.url:
            said.url = url
        said.is_requested = True

    def _client(self, message: str, at_ms: float | None) -> Iterator[Item]:
        if message.startswith("setting transport "):
            is_websocket = message == "setting transport websocket"
            self._said.transport = Transport.WEBSOCKET if is_websocket else Transport.POLLING
        elif message.startswith("writing ping packet"):
            yield from self._packet(Direction.SENT, "ping", "", "", at_ms)
        elif receive := _RECEIVE.match(message):
            if receive[1] == "open":
                yield from self._connections.leave(_ALL)
            yield from self._packet(Direction.RECEIVED, receive[1], message[receive.end() :], '"', at_ms)

    def _encoded(self, rest: str, at_ms: float | None) -> Iterator[Item]:
        """A client's packet: behind its JSON and " as " stands how it is sent."""
        try:
            _, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            end = len(rest)
        if rest.startswith(" as ", end):
            yield from self._packet(Direction.SENT, "message", rest[end + 4 :], "", at_ms)
            decoder = self._connection(None).decoder
            while decoder.owes(Direction.SENT):  # a client does not log what it attaches
                decoder.leave_out(Direction.SENT)
        else:
            yield self._connections.problem("the packet cannot be read; left out")

    def _connection(self, transport: Transport | None) -> LoggedConnection:
        said = self._said
        connection = self._connections.open(_ALL, said.url, said.engineio, transport or said.transport)
        if said.transport is not None:
            connection.transport = said.transport
        return connection

    def _packet(self, direction: Direction, name: str, text: str, closing: str, at_ms: float | None) -> Iterator[Item]:
        if name not in TYPES:
            return
        data = self._closed(text, closing, direction) if closing else text[: socketio_end(text)]
        connection = self._connection(None)
        if data is None:
            connection.decoder.leave_out(direction)
            return
        if data == "undefined" and name != "message":
            data = ""
        if initial := _INITIAL.match(data):
            data = initial[1]
        yield from self._connections.packet(connection, direction, TYPES[name] + data, at_ms)

    def _transfer(self, direction: Direction, text: str, at_ms: float | None, transport: Transport) -> Iterator[Item]:
        data = self._closed(text, '"', direction)
        connection = self._connection(transport)
        if data is None:
            connection.decoder.leave_out(direction)
        elif transport is Transport.WEBSOCKET:
            yield from self._connections.packet(connection, direction, data, at_ms, transport)
        else:
            moment_ms = self._connections.source.capture.since_first(at_ms)
            yield from self._connections.found(connection, connection.decoder.body(direction, data, moment_ms))

    def _closed(self, text: str, closing: str, direction: Direction) -> str | None:
        """What stands before the closing quote; None for bytes, which look like text. Raises: CutOff."""
        if text.startswith("\ufffd"):
            return None
        if text.endswith(closing):
            return text[: len(text) - len(closing)]
        known = self._connections.get(_ALL)
        if known is not None and known.decoder.owes(direction):
            return None  # text never goes on in the next line, bytes may
        # What a console or a formatter puts behind it has no such quote.
        packet = text[:1] == "4"
        end = packet + socketio_end(text[packet:])
        if text.startswith(closing, end):
            return text[:end]
        raise CutOff
