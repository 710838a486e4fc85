"""The HTTP connections by which clients poll, when the server stops: they stay until what is queued has been fetched.

In: uvicorn's object for a connection, once a client polls by it. Out: the same, which then closes a little later.
Never: changes anything before the server stops.

uvicorn closes a connection on which no request is under way at once, and a client that polls is between two requests
most of the time. On one that is, it waits until the poll is answered, which may be at the next ping (25 s).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from reznet_ws.adapters.uvicorn import stop_times
from reznet_ws.outgoing.broadcast import Broadcast

_LOOK_EVERY_S = 0.02


class PolledH11Protocol(H11Protocol):
    """uvicorn's for h11."""

    # Of the server whose client polls by it.
    road: Broadcast

    def shutdown(self) -> None:
        """The server stops."""
        _begin(self, super().shutdown)


_KINDS: dict[type, type] = {H11Protocol: PolledH11Protocol}
try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # which uvicorn does without
    pass
else:

    class PolledHttpToolsProtocol(HttpToolsProtocol):
        """uvicorn's for httptools."""

        road: Broadcast

        def shutdown(self) -> None:
            """The server stops."""
            _begin(self, super().shutdown)

    _KINDS[HttpToolsProtocol] = PolledHttpToolsProtocol


def keep_for_polls(protocol: Any, road: Broadcast) -> None:
    """Let a connection outlive the server's wish to stop; one of a kind that is not known stays as it is."""
    kind = _KINDS.get(type(protocol))
    if kind is not None:
        protocol.__class__, protocol.road = kind, road


def _begin(protocol: Any, shut: Callable[[], None]) -> None:
    """The server stops: wait for clients to fetch what is queued, as long as they may take, and then shut."""
    road, loop = protocol.road, protocol.loop
    road.flush()
    deadline_s, drain_s = stop_times(road, protocol.config)
    due_s = random.random() * drain_s
    until_s = loop.time() + due_s + deadline_s

    def leave() -> None:
        waiting = [known for known in road.connections.values() if known.line is None and not known.is_over]
        if loop.time() < until_s and any(known.session.queued_bytes for known in waiting):
            loop.call_later(_LOOK_EVERY_S, leave)
            return
        shut()
        for known in waiting:
            known.session.end_poll()

    loop.call_later(due_s, leave)
