"""Our protocol in place of uvicorn's other two, for one connection, before its handshake is answered.

In: a connection that uvicorn serves by `wsproto` or by `websockets`' older interface. Out: the same connection, served
by ours; the request goes on in the task that it runs in.
Never: answers a handshake that has been answered, or leaves one without an answer.

Neither of the two writes a byte before the application accepts. What is left of it, a coroutine that waits for the
application, finds a transport that is spent.
"""

from __future__ import annotations

import types
from typing import Any

from websockets.http11 import Request

from reznet_ws.adapters.uvicorn import DISPLACED, WebSocketProtocol

_WSPROTO, _WEBSOCKETS = DISPLACED


class _SpentTransport:
    """What uvicorn's own object is left with: it may close the connection at the end, if nobody else does."""

    def __init__(self, ours: WebSocketProtocol) -> None:
        self._ours = ours

    def write(self, data: bytes) -> None:
        """Nothing is left to say."""

    def close(self) -> None:
        """The application has ended; where it did so by an error, the handshake is still to be answered."""
        self._ours.send_500_response()
        if self._ours.close_timer is None:
            self._ours.transport.close()

    def is_closing(self) -> bool:
        """Whether the connection ends."""
        return bool(self._ours.transport.is_closing())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours.transport, name)


def displace(scope: dict[str, Any], owner: Any) -> WebSocketProtocol | None:
    """Put our protocol in the owner's place; None where the handshake is not one that it can answer."""
    ours = WebSocketProtocol(config=owner.config, server_state=_server_state(owner), app_state=owner.app_state)
    request = _request(ours, scope, owner)
    if request is None:
        return None
    response = ours.conn.accept(request)
    if response.status_code != 101:
        return None
    transport = owner.transport
    owner.connections.discard(owner)
    ours.connection_made(transport)
    ours.request, ours.response, ours.scope = request, response, scope  # type: ignore[assignment]
    ours.handshake_initiated = True
    ours.queue.put_nowait({"type": "websocket.connect"})
    transport.set_protocol(ours)
    owner.transport = _SpentTransport(ours)
    rest = b""
    if type(owner).__module__ == _WEBSOCKETS:
        rest = bytes(owner.reader._buffer)
        owner.handler_task.cancel()
        for event in (owner.handshake_started_event, owner.handshake_completed_event, owner.closed_event):
            event.set()
    else:
        owner.handshake_complete = True
        if hasattr(owner, "stop_keepalive"):
            owner.stop_keepalive()
    if rest:
        ours.data_received(rest)
    return ours


def _server_state(owner: Any) -> Any:
    headers = getattr(owner, "default_headers", None)
    if headers is None:  # as `websockets_impl` keeps them
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in owner.extra_headers]
    return types.SimpleNamespace(connections=owner.connections, tasks=owner.tasks, default_headers=headers)


def _request(ours: WebSocketProtocol, scope: dict[str, Any], owner: Any) -> Request | None:
    """The request that the owner has read, as ours reads it."""
    headers = list(scope["headers"])
    if type(owner).__module__ == _WSPROTO:  # it takes these two out
        said = owner.conn.handshake._initiating_request
        taken = ((b"sec-websocket-extensions", said.extensions), (b"sec-websocket-protocol", said.subprotocols))
        for name, values in taken:
            if values and not any(known == name for known, _ in headers):
                headers.append((name, ", ".join(values).encode("latin-1")))
    query = scope.get("query_string", b"")
    target = scope.get("raw_path", scope["path"].encode()) + (b"?" + query if query else b"")
    lines = [b"GET " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers), b"", b""]
    ours.conn.receive_data(b"\r\n".join(lines))
    events = ours.conn.events_received()
    return events[0] if len(events) == 1 and isinstance(events[0], Request) else None
