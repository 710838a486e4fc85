"""The connections that a log tells of, while it is read.

In: packets, as a line says them. Out: records, what could not be read, and what was assumed.
Never: knows how a line is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reznet_ws.audit.read.capture import Direction, Item, Record, Transport
from reznet_ws.audit.read.protocol import Fault, ProtocolDecoder
from reznet_ws.audit.read.source import Source


@dataclass(slots=True)
class LoggedConnection:
    """One connection, as far as the log tells them apart.

    `held_open`: an open packet, until the next line tells what carried it; `is_assumed`: nothing tells.
    """

    number: int
    decoder: ProtocolDecoder
    url: str
    transport: Transport
    is_assumed: bool = False
    is_opened: bool = False
    held_open: tuple[Direction, str, float | None] | None = None


class LogConnections:
    """All of them, by what a log calls them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.line = 0
        self.records = 0
        self._by_key: dict[str, LoggedConnection] = {}
        self._assumed = 0

    def get(self, key: str) -> LoggedConnection | None:
        """The connection of that key, if there was one."""
        return self._by_key.get(key)

    def open(self, key: str, url: str, engineio: int | None, transport: Transport | None) -> LoggedConnection:
        """The connection of that key, made where there is none; without a transport WebSocket is assumed.

        Raises: TooManyConnections.
        """
        if key not in self._by_key:
            number, decoder = self.source.connect(engineio, holds_binary=False)
            connection = LoggedConnection(number, decoder, url, transport or Transport.WEBSOCKET, transport is None)
            self._by_key[key] = connection
            self._assumed += transport is None
        return self._by_key[key]

    def packet(
        self,
        connection: LoggedConnection,
        direction: Direction,
        packet: str,
        at_ms: float | None,
        transport: Transport | None = None,
    ) -> Iterator[Item]:
        """What one packet means."""
        yield from self.release(connection)
        moment_ms = self.source.capture.since_first(at_ms)
        carrier = transport or connection.transport
        yield from self.found(connection, connection.decoder.packet(direction, packet, moment_ms, transport=carrier))

    def release(self, connection: LoggedConnection) -> Iterator[Item]:
        """What was held back until its transport is known."""
        held, connection.held_open = connection.held_open, None
        if held is not None:
            yield from self.packet(connection, *held)

    def found(self, connection: LoggedConnection, found: Iterator[Record | Fault]) -> Iterator[Item]:
        """Records and faults, and before the first that the connection was opened."""
        for item in found:
            if not connection.is_opened:
                connection.is_opened = True
                yield self.source.opened(connection.number, connection.url, connection.decoder.engineio)
            if isinstance(item, Record):
                self.records += 1
                yield item
            else:
                yield self.problem(item.reason)

    def leave(self, key: str) -> Iterator[Item]:
        """The connection of that key is over; another may take the key."""
        if connection := self._by_key.pop(key, None):
            yield from self._close(connection)

    def close(self) -> Iterator[Item]:
        """The log is over."""
        for connection in self._by_key.values():
            yield from self._close(connection)
        if self._assumed:
            count = "1 connection is" if self._assumed == 1 else f"{self._assumed} connections are"
            reason = f"{count} older than the log, which does not say what carries them; they count as WebSockets"
            yield self.source.assumed("the whole file", reason)

    def problem(self, reason: str) -> Item:
        """What could not be read on this line."""
        return self.source.problem(f"line {self.line}", reason)

    def _close(self, connection: LoggedConnection) -> Iterator[Item]:
        yield from self.release(connection)
        for found in connection.decoder.close():
            if isinstance(found, Fault):
                yield self.source.problem(f"connection {connection.number}", found.reason)
            else:
                yield found
