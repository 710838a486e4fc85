"""What of uvicorn's is behind a request, taken over.

In: uvicorn's own object for a request or a connection. Out: a `Takeover`: the line of a WebSocket, or a counter.
Never: keeps a connection that is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from reznet_ws.adapters.asgi import Takeover, changes_handshake, wrappers
from reznet_ws.adapters.compat import can_take_over
from reznet_ws.adapters.tls import counting_tls
from reznet_ws.adapters.uvicorn import DISPLACED, WebSocketProtocol
from reznet_ws.adapters.uvicorn_http import keep_for_polls
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.line import CountingTransport, Line


class WebSocketTakeover(Takeover):
    """A WebSocket connection."""

    def __init__(self, receive: Any, send: Any, protocol: WebSocketProtocol, line: Line) -> None:
        super().__init__(receive, send)
        self._protocol: WebSocketProtocol | None = protocol
        self.line = line
        self.siblings = protocol.connections
        protocol.takeover = self

    def on_end(self, ended: Callable[[], object]) -> None:
        if self._protocol is not None:
            self._protocol.on_end = ended

    def on_stop(self, stopping: Callable[[], object]) -> None:
        if self._protocol is not None:
            self._protocol.on_stop = stopping

    def on_frame(self, find: Callable[[str | bytes], Any]) -> None:
        if self._protocol is not None:
            self._protocol.find_packet = find

    def fail(self, code: int, reason: str) -> None:
        if self._protocol is not None:
            self._protocol.fail(code, reason)

    def end_session(self) -> None:
        if self._protocol is not None:
            self._protocol.end_session()

    def release(self) -> None:
        """The connection is lost, and nothing is left to take over."""
        self._protocol = self.line = None
        self.receive = self.send = _is_lost


async def _is_lost(*_: Any) -> Any:
    raise ConnectionError("the connection is lost")


class HttpTakeover(Takeover):
    """Counts one response."""

    def __init__(self, receive: Any, send: Any, cycle: Any, broadcast: Broadcast) -> None:
        super().__init__(receive, send)
        self._cycle, self._transport = cycle, cycle.transport
        protocol = getattr(cycle.on_response, "__self__", None)
        self.siblings = getattr(protocol, "connections", None)
        keep_for_polls(protocol, broadcast)
        self.counter = cycle.transport = CountingTransport(
            counting_tls(cycle.transport, broadcast.ledger), broadcast.ledger
        )

    def end(self) -> None:
        self._cycle.transport = self._transport


def take_over(
    scope: dict[str, Any], owner: Any, receive: Any, send: Any, broadcast: Broadcast, max_message_bytes: int
) -> Takeover | None:
    """What is behind a request, or None where uvicorn runs something that is not known."""
    if scope["type"] == "http":
        return HttpTakeover(receive, send, owner, broadcast) if hasattr(owner, "transport") else None
    between = wrappers(send, owner)
    if type(owner) is WebSocketsSansIOProtocol and can_take_over(owner):
        owner.__class__ = WebSocketProtocol
    elif type(owner).__module__ in DISPLACED and between is not None and not changes_handshake(between):
        if getattr(receive, "__self__", None) is not owner:
            return None
        from reznet_ws.adapters.displacing import displace

        owner = displace(scope, owner)
        if owner is None:
            return None
        receive = owner.receive
    if not isinstance(owner, WebSocketProtocol) or owner.handshake_complete:
        return None
    line = owner.take_over(broadcast, max_message_bytes)
    goes_by_them = between is None or changes_handshake(between)
    found = WebSocketTakeover(receive, send if goes_by_them else owner.send, owner, line)
    found.is_watched = between is None
    return found
