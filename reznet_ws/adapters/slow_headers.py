"""Connections on which a request begins and does not come to its end of headers.

In: all connections that uvicorn serves, as it keeps them. Out: those that take too long are closed, and counted.
Never: costs anything for a request; uvicorn by itself waits for ever. Private names are listed in `adapters/compat.py`.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from reznet_ws.adapters.compat import HTTP_NAMES
from reznet_ws.settings import Settings
from reznet_ws.stats import LimitFigures

# How often one looks in the time that a connection has: it may take so much longer.
_LOOKS = 4


class HeaderPatrol:
    """Looks after the connections of one server, from the first that we serve on."""

    def __init__(self, settings: Callable[[], Settings], counts: LimitFigures) -> None:
        self._settings, self._counts = settings, counts
        self._since: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def watch(self, connections: set[Any]) -> None:
        """Begin, unless that is so already."""
        timeout_s = self._settings().header_timeout_s
        if timeout_s and (self._timer is None or self._loop.is_closed()):
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(timeout_s / _LOOKS, self._look, connections)

    def _look(self, connections: set[Any]) -> None:
        self._timer = None
        timeout_s, now_s = self._settings().header_timeout_s, self._loop.time()
        for connection in list(connections):
            if not _waits(connection):
                self._since.pop(connection, None)
            elif now_s - self._since.setdefault(connection, now_s) >= timeout_s > 0:
                self._since.pop(connection, None)
                self._counts.closed_slow_headers += 1
                connection.transport.close()
        if connections:
            self.watch(connections)


def _waits(connection: Any) -> bool:
    """Whether uvicorn waits for the rest of a request's headers, without an end."""
    if not all(hasattr(connection, name) for name in HTTP_NAMES) or connection.transport.is_closing():
        return False
    cycle = connection.cycle
    return cycle is None or (cycle.response_complete and connection.timeout_keep_alive_task is None)
