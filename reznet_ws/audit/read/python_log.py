"""Lines of python-engineio's logger, of a server or a client.

In: what a line says. Out: records, as the client sees it. Never: looks at what stands in front of a message.

    QVEjgc8MbXpdVTMwAAAA: Sending packet MESSAGE data 2["hello",{"a":1}]       a server's; a client's have no session

Source: python-engineio 4.15 (async_socket.py, async_client.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reznet_ws.audit.read.capture import Direction, Item, Transport
from reznet_ws.audit.read.log_connections import LogConnections
from reznet_ws.audit.read.packet_end import shown_object, socketio_end

TYPES = {"open": "0", "close": "1", "ping": "2", "pong": "3", "message": "4", "upgrade": "5", "noop": "6"}
# A session has 20 characters unless the application makes its own.
PACKET = re.compile(
    r"(?:(?P<session>[A-Za-z0-9_-]{16,64}): )?(?P<way>Sending|Received) packet "
    r"(?P<type>OPEN|CLOSE|PING|PONG|MESSAGE|UPGRADE|NOOP) data(?: |\Z)"
)
UPGRADED = re.compile(r"([A-Za-z0-9_-]{16,64}): Upgrade to websocket successful(?![A-Za-z])")
ATTEMPT = re.compile(r"Attempting (?:polling|WebSocket) connection to (\S+)")
_REQUESTED = re.compile(r"([A-Za-z0-9_-]{16,64}): Received request to upgrade to websocket")
_ACCEPTED = re.compile(r"(Polling|WebSocket) connection accepted with (?=\{)")
_BINARY = "<binary>"
_NO_DATA = ("None", "")
_CLIENT = "client"


class PythonLog:
    """One log. `upgrading`: the sessions that become WebSockets while it lasts."""

    def __init__(self, connections: LogConnections, upgrading: frozenset[str]) -> None:
        self._connections = connections
        self._upgrading = upgrading
        self._url = ""

    def packet(self, said: re.Match[str], at_ms: float | None) -> Iterator[Item]:
        """A line that `PACKET` found. Raises: CutOff, before anything else happens; TooManyConnections."""
        session, name = said["session"], said["type"]
        is_sending = said["way"] == "Sending"
        data = _data(name, said.string[said.end() :])
        if session is None:
            # A client's log names no session; it has one connection at a time.
            known = self._connections.get(_CLIENT)
            connection = known or self._connections.open(_CLIENT, self._url, 4, None)
            direction = Direction.SENT if is_sending else Direction.RECEIVED
        else:
            begins = name == "OPEN" or session in self._upgrading
            connection = self._connections.open(session, "", 4, Transport.POLLING if begins else None)
            direction = Direction.RECEIVED if is_sending else Direction.SENT
        if data is None:
            connection.decoder.leave_out(direction)
            return
        packet = TYPES[name.lower()] + data
        if name == "OPEN" and '"upgrades":[]' in data and connection.held_open is None:
            # A WebSocket from the beginning, or long-polling that may not become one: the next line tells.
            connection.held_open = (direction, packet, at_ms)
            return
        yield from self._connections.packet(connection, direction, packet, at_ms)

    def other(self, text: str, at_ms: float | None) -> Iterator[Item]:
        """A line that tells of no packet. Raises: CutOff, TooManyConnections."""
        if requested := _REQUESTED.search(text):
            connection = self._connections.get(requested[1])
            if connection is not None and connection.held_open is not None:
                connection.transport = Transport.WEBSOCKET
                yield from self._connections.release(connection)
        elif upgraded := UPGRADED.search(text):
            if connection := self._connections.get(upgraded[1]):
                connection.transport = Transport.WEBSOCKET
        elif "WebSocket upgrade was successful" in text:
            if connection := self._connections.get(_CLIENT):
                connection.transport = Transport.WEBSOCKET
        elif attempt := ATTEMPT.search(text):
            self._url = attempt[1]
        elif accepted := _ACCEPTED.search(text):
            opened = shown_object(text[accepted.end() :])
            yield from self._connections.leave(_CLIENT)
            transport = Transport.POLLING if accepted[1] == "Polling" else Transport.WEBSOCKET
            connection = self._connections.open(_CLIENT, self._url, 4, transport)
            yield from self._connections.packet(connection, Direction.RECEIVED, "0" + opened, at_ms)


def _data(name: str, text: str) -> str | None:
    """What a packet holds, without what a formatter put behind it; None for binary data. Raises: CutOff."""
    if text.startswith(_BINARY):
        return None
    if name == "OPEN":
        return shown_object(text)
    if name == "MESSAGE":
        return text[: socketio_end(text)]
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return "" if first in _NO_DATA else "probe" if first == "probe" else first
