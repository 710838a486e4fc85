r"""Debug logs of engine.io and socket.io, of a server or a client, in Python or JavaScript.

In: a file with lines like these, whatever a logger or a terminal puts in front. Out: records, as the client sees it.
Never: ends at a line that it does not know.

    QVEjgc8MbXpdVTMwAAAA: Sending packet MESSAGE data 2["hello",{"a":1}]       python-engineio, engineio_logger=True
    2026-11-25T03:09:05.083Z engine:ws received "420["up",{"x":1}]"            Node, DEBUG=engine*,socket.io*
    engine.io-client:socket socket receive: type "message", data "2["a"]" +3ms

What such logs lack: binary data (python-engineio writes `<binary>`, Node's its bytes as if they were text), and when a
packet left: they say when it was queued. Python's say whose a packet is (a server's, by session); Node's do not, so all
clients in a log of Node's server count as one connection. A client in JavaScript logs neither its pongs nor its probes.
Times are the logger's. Without, those that `debug` puts at the end ("+3ms") are added up: each namespace has its own,
rounded above a second, so they drift.

Source: python-engineio 4.15 (async_socket.py, async_client.py), engine.io 3.6 and 6.6, engine.io-client 3.5 and 6.6,
socket.io-parser 4.2, debug 4.4.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reznet_ws.audit.read.capture import Direction, Item, Record, Transport
from reznet_ws.audit.read.protocol import Fault, ProtocolDecoder
from reznet_ws.audit.read.source import Source, TooManyConnections

_TYPES = {"open": "0", "close": "1", "ping": "2", "pong": "3", "message": "4", "upgrade": "5", "noop": "6"}
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# What stands in front of a message is not longer than this.
_PREFIX_CHARACTERS = 200

# A session has 20 characters unless the application makes its own.
_PYTHON = re.compile(
    r"(?:(?P<session>[A-Za-z0-9_-]{16,64}): )?(?P<way>Sending|Received) packet "
    r"(?P<type>OPEN|CLOSE|PING|PONG|MESSAGE|UPGRADE|NOOP) data(?: |\Z)"
)
_PYTHON_UPGRADED = re.compile(r"([A-Za-z0-9_-]{16,64}): Upgrade to websocket successful\Z")
_PYTHON_ATTEMPT = re.compile(r"Attempting (?:polling|WebSocket) connection to (\S+)\Z")
_PYTHON_ACCEPTED = re.compile(r"(Polling|WebSocket) connection accepted with (\{.*\})\Z")
_BINARY = "<binary>"

_NODE = re.compile(r"(?:^|\s)((?:engine|socket\.io)(?:[.:-][a-z.:-]+)?) (?=\S)")
# Of the lines with such a namespace, those that only these libraries write.
_NODE_NAMESPACES = {
    "engine:ws",
    "engine:polling",
    "engine:socket",
    "engine.io-client:socket",
    "engine.io-client:polling",
    "engine.io-client:polling-xhr",
    "socket.io-client:manager",
    "socket.io-parser",
}
_NODE_SINCE = re.compile(r" \+([0-9]{1,12})(ms|s|m|h|d)\Z")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NODE_REQUEST = re.compile(r'handling "[A-Z]+" http request "(\S+)"')
_NODE_OPENING = re.compile(r"(?:xhr open [A-Z]+:|opening) (\S+)\Z")
_NODE_TRANSFER = re.compile(r'(received|writing|sending) "')
_NODE_SENDING = re.compile(r'sending packet "([a-z]+)" \(')
_NODE_RECEIVE = re.compile(r'socket receive: type "([a-z]+)", data "')
_NODE_ENCODED = re.compile(r"encoded (?=\{)")
# How engine.io 3 logs the packets that it sends with the open packet.
_NODE_INITIAL = re.compile(r"\[ '(.*)' \]\Z")
_REVISION = re.compile(r"[?&]EIO=([34])(?:&|\Z)")


@dataclass(slots=True)
class _LoggedConnection:
    """One connection, as far as the log tells them apart."""

    number: int
    decoder: ProtocolDecoder
    url: str
    transport: Transport
    is_opened: bool = False


@dataclass(slots=True)
class _NodeLog:
    """What a log of Node's has said so far."""

    url: str = ""
    engineio: int | None = None
    transport: Transport = Transport.POLLING
    is_client: bool = False
    # Whether the packets that a server sends are logged by its sockets, and not only by their transports.
    has_sockets: bool = False
    handshakes: int = 0
    is_requested: bool = False
    clock_ms: float = 0
    clocks_ms: dict[str, float] = field(default_factory=dict)


def read_engineio_log(source: Source) -> Iterator[Item]:
    """The packets in a log, as far as it has them."""
    yield from _Log(source).read()


def is_log_line(content: bytes) -> bool:
    """Whether a line is one that such logs have."""
    text = _plain(content[:4096])
    said = _NODE.search(text[:_PREFIX_CHARACTERS])
    is_nodes = said is not None and (said[1] in _NODE_NAMESPACES or _NODE_REQUEST.match(text, said.end()) is not None)
    return is_nodes or bool(_PYTHON.search(text) or _PYTHON_ATTEMPT.search(text))


class _Log:
    """One log being read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._connections: dict[str, _LoggedConnection] = {}
        self._python_url = ""
        self._node = _NodeLog()
        self._line = 0

    def read(self) -> Iterator[Item]:
        """The file from its beginning."""
        for number, content in self._source.lines():
            self._line = number
            if content is None:
                yield self._problem("it is longer than 64 MB; left out")
                continue
            try:
                yield from self._python(content) if b" packet " in content else self._other(content)
            except TooManyConnections as error:
                yield self._problem(str(error))
                break
        for connection in self._connections.values():
            yield from self._close(connection)
        if self._node.handshakes > 1 and not self._node.is_client:
            reason = f"{self._node.handshakes} clients count as one connection: Node's log does not tell them apart"
            yield self._source.problem("the whole file", reason)

    def _problem(self, reason: str) -> Item:
        return self._source.problem(f"line {self._line}", reason)

    def _close(self, connection: _LoggedConnection) -> Iterator[Item]:
        for found in connection.decoder.close():
            if isinstance(found, Fault):
                yield self._source.problem(f"connection {connection.number}", found.reason)
            else:
                yield found

    def _connection(self, key: str, url: str, engineio: int | None, transport: Transport) -> _LoggedConnection:
        if key not in self._connections:
            number, decoder = self._source.connect(engineio, holds_binary=False)
            self._connections[key] = _LoggedConnection(number, decoder, url, transport)
        return self._connections[key]

    def _packet(
        self,
        connection: _LoggedConnection,
        direction: Direction,
        packet: str,
        at_ms: float | None,
        transport: Transport | None = None,
    ) -> Iterator[Item]:
        moment_ms = self._source.capture.since_first(at_ms)
        carrier = transport or connection.transport
        yield from self._found(connection, connection.decoder.packet(direction, packet, moment_ms, transport=carrier))

    def _found(self, connection: _LoggedConnection, found: Iterator[Record | Fault]) -> Iterator[Item]:
        for item in found:
            if not connection.is_opened:
                connection.is_opened = True
                yield self._source.opened(connection.number, connection.url, connection.decoder.engineio)
            yield item if isinstance(item, Record) else self._problem(item.reason)

    # Python

    def _python(self, content: bytes) -> Iterator[Item]:
        text = _plain(content)
        said = _PYTHON.search(text)
        if said is None:
            yield from self._other(content)
            return
        at_ms = _moment_ms(text[: said.start()])
        session, data = said["session"], text[said.end() :]
        if session is None:
            # A client's log names no session; it has one connection at a time.
            connection = self._connection("client", self._python_url, 4, Transport.POLLING)
            direction = Direction.SENT if said["way"] == "Sending" else Direction.RECEIVED
        else:
            connection = self._connection(session, "", 4, Transport.POLLING)
            direction = Direction.RECEIVED if said["way"] == "Sending" else Direction.SENT
        if data == _BINARY:
            connection.decoder.leave_out(direction)
            return
        if said["type"] == "OPEN":
            data = _json_of(data)
        elif said["type"] != "MESSAGE" and data == "None":
            data = ""
        yield from self._packet(connection, direction, _TYPES[said["type"].lower()] + data, at_ms)

    def _python_other(self, text: str) -> Iterator[Item]:
        if upgraded := _PYTHON_UPGRADED.search(text):
            if connection := self._connections.get(upgraded[1]):
                connection.transport = Transport.WEBSOCKET
        elif text.endswith("WebSocket upgrade was successful"):
            if connection := self._connections.get("client"):
                connection.transport = Transport.WEBSOCKET
        elif attempt := _PYTHON_ATTEMPT.search(text):
            self._python_url = attempt[1]
        elif accepted := _PYTHON_ACCEPTED.search(text):
            if before := self._connections.pop("client", None):
                yield from self._close(before)
            transport = Transport.POLLING if accepted[1] == "Polling" else Transport.WEBSOCKET
            connection = self._connection("client", self._python_url, 4, transport)
            at_ms = _moment_ms(text[: accepted.start()])
            yield from self._packet(connection, Direction.RECEIVED, "0" + _json_of(accepted[2]), at_ms)

    # Node

    def _other(self, content: bytes) -> Iterator[Item]:
        text = _plain(content)
        said = _NODE.search(text[:_PREFIX_CHARACTERS])
        if said is None:
            yield from self._python_other(text)
            return
        at_ms = _moment_ms(text[: said.start()])
        message = text[said.end() :]
        if at_ms is None and (since := _NODE_SINCE.search(message[-32:])):
            message = message[: -len(since[0])]
            at_ms = self._since_ms(said[1], int(since[1]) * _MS[since[2]])
        if said[1].startswith("engine.io-client") or said[1] == "socket.io-client:manager":
            self._node.is_client = True
        yield from self._node_message(said[1], message, at_ms)

    def _since_ms(self, namespace: str, passed_ms: int) -> float:
        """The moment on one clock for all namespaces, which begins at 0."""
        node = self._node
        node.clocks_ms[namespace] = node.clocks_ms.get(namespace, node.clock_ms - passed_ms) + passed_ms
        node.clock_ms = max(node.clock_ms, node.clocks_ms[namespace])
        return node.clock_ms

    def _node_message(self, namespace: str, message: str, at_ms: float | None) -> Iterator[Item]:
        node = self._node
        if namespace == "engine":
            if request := _NODE_REQUEST.match(message):
                self._node_address(request[1])
            elif message.startswith("handshaking client "):
                # A WebSocket that is opened at once is no request that would be logged.
                node.transport = Transport.POLLING if node.is_requested else Transport.WEBSOCKET
                node.handshakes, node.is_requested = node.handshakes + 1, False
        elif namespace in ("engine:ws", "engine:polling"):
            if transfer := _NODE_TRANSFER.match(message):
                is_received = transfer[1] == "received"
                if is_received or not node.has_sockets:
                    transport = Transport.WEBSOCKET if namespace == "engine:ws" else Transport.POLLING
                    direction = Direction.SENT if is_received else Direction.RECEIVED
                    yield from self._node_transfer(direction, message[transfer.end() :], at_ms, transport)
        elif namespace == "engine:socket":
            node.has_sockets = True
            if message == "got upgrade packet - upgrading":
                node.transport = Transport.WEBSOCKET
            elif sending := _NODE_SENDING.match(message):
                yield from self._node_packet(Direction.RECEIVED, sending[1], message[sending.end() :], ")", at_ms)
        elif namespace == "engine.io-client:socket":
            yield from self._node_client(message, at_ms)
        elif namespace == "socket.io-parser":
            # A server's are logged by its sockets as well, for each client.
            if node.is_client and (encoded := _NODE_ENCODED.match(message)):
                yield from self._node_encoded(message[encoded.end() :], at_ms)
        elif opening := _NODE_OPENING.search(message):
            self._node_address(opening[1])

    def _node_address(self, url: str) -> None:
        node = self._node
        revision = _REVISION.search(url)
        if revision:
            node.engineio = int(revision[1])
        if revision or not node.url:
            node.url = url
        node.is_requested = True

    def _node_client(self, message: str, at_ms: float | None) -> Iterator[Item]:
        if message.startswith("setting transport "):
            is_websocket = message == "setting transport websocket"
            self._node.transport = Transport.WEBSOCKET if is_websocket else Transport.POLLING
        elif message.startswith("writing ping packet"):
            yield from self._node_packet(Direction.SENT, "ping", "", "", at_ms)
        elif receive := _NODE_RECEIVE.match(message):
            if receive[1] == "open" and (before := self._connections.pop("node", None)):
                yield from self._close(before)
            yield from self._node_packet(Direction.RECEIVED, receive[1], message[receive.end() :], '"', at_ms)

    def _node_encoded(self, rest: str, at_ms: float | None) -> Iterator[Item]:
        """A client's packet: behind its JSON and " as " stands how it is sent."""
        try:
            _, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            end = len(rest)
        if rest.startswith(" as ", end):
            yield from self._node_packet(Direction.SENT, "message", rest[end + 4 :], "", at_ms)
            decoder = self._connections["node"].decoder
            while decoder.owes(Direction.SENT):  # a client does not log what it attaches
                decoder.leave_out(Direction.SENT)
        else:
            yield self._problem("the packet cannot be read; left out")

    def _node_packet(
        self, direction: Direction, name: str, data: str, closing: str, at_ms: float | None
    ) -> Iterator[Item]:
        node = self._node
        connection = self._connection("node", node.url, node.engineio, node.transport)
        connection.transport = node.transport
        if name not in _TYPES:
            return
        if not data.endswith(closing):
            yield from self._node_torn(connection, direction)
            return
        data = data[: len(data) - len(closing)]
        if data == "undefined" and name != "message":
            data = ""
        if initial := _NODE_INITIAL.match(data):
            data = initial[1]
        if data.startswith("\ufffd"):
            connection.decoder.leave_out(direction)
            return
        yield from self._packet(connection, direction, _TYPES[name] + data, at_ms)

    def _node_transfer(
        self, direction: Direction, data: str, at_ms: float | None, transport: Transport
    ) -> Iterator[Item]:
        node = self._node
        connection = self._connection("node", node.url, node.engineio, transport)
        if not data.endswith('"'):
            yield from self._node_torn(connection, direction)
        elif data.startswith("\ufffd"):
            connection.decoder.leave_out(direction)
        elif transport is Transport.WEBSOCKET:
            yield from self._packet(connection, direction, data[:-1], at_ms, transport)
        else:
            moment_ms = self._source.capture.since_first(at_ms)
            yield from self._found(connection, connection.decoder.body(direction, data[:-1], moment_ms))

    def _node_torn(self, connection: _LoggedConnection, direction: Direction) -> Iterator[Item]:
        """A message that goes on in the next line: text never does, bytes may."""
        if connection.decoder.owes(direction):
            connection.decoder.leave_out(direction)
        else:
            yield self._problem("the line ends in the middle; left out")


def _plain(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return _COLOR.sub("", text) if "\x1b" in text else text


def _moment_ms(prefix: str) -> float | None:
    """The time in front of a message; without a zone it counts as UTC."""
    found = _MOMENT.search(prefix[-_PREFIX_CHARACTERS:])
    if found is None:
        return None
    date, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}.{(fraction or '0')[:6]:0<6}{zone or ''}")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


def _json_of(shown: str) -> str:
    """JSON for an object that Python has shown in its own way."""
    try:
        return json.dumps(ast.literal_eval(shown[:4096]), separators=(",", ":"))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return shown
