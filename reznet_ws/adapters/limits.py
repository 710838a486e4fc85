"""How much a client may ask of a server: connections, joins, events, and the time it takes to join.

In: who comes, joins and sends, and when. Out: what is refused or closed, counted.
Never: touches a socket.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from reznet_ws.adapters.inbound import TooFrequent
from reznet_ws.settings import Settings
from reznet_ws.stats import LimitFigures


class Rate:
    """So many in each second, and as many at once: a bucket of tokens."""

    __slots__ = ("_at_s", "_left")

    def __init__(self, now_s: float, per_s: int) -> None:
        self._at_s, self._left = now_s, float(per_s)

    def allows(self, now_s: float, per_s: int) -> bool:
        """Whether one more is within the rate; it counts then."""
        self._left = min(per_s, self._left + (now_s - self._at_s) * per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Limits:
    """Those of one server. `close`: told of sessions that have joined no namespace in time."""

    def __init__(self, settings: Callable[[], Settings], close: Callable[[str], object]) -> None:
        self.counts = LimitFigures()
        self._settings, self._close = settings, close
        self._addresses: Counter[str] = Counter()
        # Session -> its address, and until when it has to join, in that order.
        self._address_of: dict[str, str] = {}
        self._unjoined: dict[str, float] = {}
        # How often a session has joined and sent of late, where somebody asks.
        self._joins: dict[str, Rate] = {}
        self._events: dict[str, Rate] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    # Connections

    def refusal(self, address: str, open_connections: Callable[[], int]) -> str | None:
        """Why another connection is refused, if it is; counts it then."""
        settings = self._settings()
        if settings.max_connections and open_connections() >= settings.max_connections:
            self.counts.refused_connections += 1
            return "too many connections"
        most = settings.max_connections_per_address
        if most and self._addresses[address] >= most:
            self.counts.refused_addresses += 1
            return "too many connections from this address"
        return None

    def came(self, sid: str, address: str) -> None:
        """A session begins."""
        self._address_of[sid] = address
        self._addresses[address] += 1
        self.await_join(sid)

    def went(self, sid: str) -> None:
        """A session is over."""
        for known in (self._unjoined, self._joins, self._events):
            known.pop(sid, None)
        address = self._address_of.pop(sid, None)
        if address is not None:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    # Joins

    def await_join(self, sid: str) -> None:
        """A session that has joined no namespace is given the time to."""
        timeout_s = self._settings().join_timeout_s
        if timeout_s and sid in self._address_of:
            self._unjoined[sid] = asyncio.get_running_loop().time() + timeout_s
            self._set_timer()

    def joins(self, sid: str) -> None:
        """A session asks to join; until that is decided its time does not count. Raises: TooFrequent."""
        most = self._settings().max_joins_per_s
        if most and not _allows(self._joins, sid, most):
            self.counts.closed_joins += 1
            raise TooFrequent(f"more than {most} joins a second (max_joins_per_s)")
        self._unjoined.pop(sid, None)

    def sends(self, sid: str) -> None:
        """A session sends an event. Raises: TooFrequent."""
        most = self._settings().max_events_per_s
        if not _allows(self._events, sid, most):
            self.counts.closed_events += 1
            raise TooFrequent(f"more than {most} events a second (max_events_per_s)")

    def _set_timer(self) -> None:
        if self._unjoined and (self._timer is None or self._loop.is_closed()):
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_at(next(iter(self._unjoined.values())), self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        for sid in [sid for sid, due_s in self._unjoined.items() if due_s <= now_s]:
            del self._unjoined[sid]
            self.counts.closed_unjoined += 1
            self._close(sid)
        self._set_timer()


def _allows(rates: dict[str, Rate], sid: str, per_s: int) -> bool:
    now_s = time.monotonic()
    rate = rates.get(sid)
    if rate is None:
        rate = rates[sid] = Rate(now_s, per_s)
    return rate.allows(now_s, per_s)
