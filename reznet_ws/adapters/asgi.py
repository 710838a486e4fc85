"""How a request reaches its client: found from inside an ASGI application, behind any middleware.

In: the scope and the two callables of an ASGI request. Out: a `Takeover` that says what could be taken over.
Never: puts anything into the scope, which applications copy, pickle and keep.

uvicorn's own object for a connection is `self` in the coroutine that runs the application's task. Other servers
(hypercorn, daphne, granian) have nothing to take over: their connections are served by engineio's way.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from reznet_ws.adapters import compat
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.line import CountingTransport, Line

logger = logging.getLogger("reznet_ws")

# Wrappers of `send` that look at no message which is sent: by the module that makes them, the name that they know the
# next one by. starlette/_exception_handler.py `sender` and sentry_sdk/integrations/asgi.py `_sentry_wrapped_send` look
# at responses to HTTP requests; reflex/app.py `HeaderMiddleware` at the handshake.
_PASSING = {"starlette": "send", "sentry_sdk": "send", "reflex": "original_send"}
# Those that change the handshake, which therefore has to pass by them.
_CHANGING = frozenset({"reflex"})


class Takeover:
    """What was found behind a request."""

    def __init__(self, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[None]]) -> None:
        self.receive, self.send = receive, send
        # The way to a WebSocket client that was taken over.
        self.line: Line | None = None
        # Counts the response to an HTTP request.
        self.counter: CountingTransport | None = None
        # All connections of the server that it came by, as that keeps them.
        self.siblings: set[Any] | None = None
        # The session that it belongs to, once that is known.
        self.sid: str | None = None
        # Whether something in between looks at each message, which therefore has to pass by it.
        self.is_watched = False

    @property
    def is_counted(self) -> bool:
        """Whether every byte to the client is counted."""
        return self.line is not None or self.counter is not None

    def on_end(self, ended: Callable[[], object]) -> None:
        """Tell when nothing can be written any more, for whatever reason."""

    def on_stop(self, stopping: Callable[[], object]) -> None:
        """Ask for what is queued, and a goodbye behind it, when the server stops."""

    def on_frame(self, find: Callable[[str | bytes], Any]) -> None:
        """Ask which packet it is that comes by engineio's way."""

    def fail(self, code: int, reason: str) -> None:
        """Say goodbye, and cut the connection if that takes too long."""

    def end_session(self) -> None:
        """The session is over: cut the connection where the client does not take soon what it is still due."""

    def end(self) -> None:
        """The request is over."""


def find_takeover(
    scope: dict[str, Any], receive: Any, send: Any, broadcast: Broadcast, max_message_bytes: int
) -> Takeover:
    """Take over what is behind a request, as far as that can be had."""
    owner = _running_self()
    if owner is not None and type(owner).__module__.partition(".")[0] in ("uvicorn", "reznet_ws"):
        uvicorn = _uvicorn()
        if uvicorn is not None:
            found = uvicorn.take_over(scope, owner, receive, send, broadcast, max_message_bytes)
            if found is not None:
                _say_once(found)
                return found  # type: ignore[no-any-return]
    elif scope["type"] == "websocket":
        _say_once(None)
    return Takeover(receive, send)


_said: set[str] = set()


def _say_once(found: Takeover | None) -> None:
    """What an operator would want to know of the server that it runs under, in one line each."""
    if found is None:
        line = (
            "WebSocket connections cannot be taken over under this server: messages are encoded once, formats and "
            "batches work, and compression is the server's own; such connections count as uncounted"
        )
    elif found.is_watched:
        line = "A middleware looks at each message, so each takes its way, by engineio's writer"
    else:
        return
    if line not in _said:
        _said.add(line)
        logger.info(line)


def wrappers(send: Any, owner: object) -> frozenset[str] | None:
    """The packages whose wrappers stand between an application and the owner of a connection.

    None where one of them is not known to let messages pass, so that they have to go by it.
    """
    found = set()
    while getattr(send, "__self__", None) is not owner:
        package = (getattr(send, "__module__", None) or "").partition(".")[0]
        code = getattr(send, "__code__", None)
        if package not in _PASSING or code is None:
            return None
        cells = dict(zip(code.co_freevars, send.__closure__ or (), strict=True))
        if _PASSING[package] not in cells:
            return None
        found.add(package)
        send = cells[_PASSING[package]].cell_contents
    return frozenset(found)


def changes_handshake(between: frozenset[str]) -> bool:
    """Whether a wrapper says something of its own in the handshake."""
    return not between.isdisjoint(_CHANGING)


def _running_self() -> Any:
    task = asyncio.current_task()
    frame = None if task is None else getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


def _uvicorn() -> Any:
    """Our adapter, where the versions that are installed are known to fit."""
    if "uvicorn" not in sys.modules:
        return None
    if not (compat.fits("websockets") and compat.fits("uvicorn")):
        return None
    from reznet_ws.adapters import uvicorn_takeover

    return uvicorn_takeover
