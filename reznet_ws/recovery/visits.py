"""Who is here and who is away, by the secret that a client comes back with.

In: visits that begin, break and end. Out: the one that a client comes back to, and from which event on it goes on.
Never: reads a clock, sends, or hands the same visit out twice.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Hashable, Iterator
from typing import Any

from reznet_ws.recovery import offsets
from reznet_ws.recovery.policy import Recovery
from reznet_ws.recovery.ring import Ring
from reznet_ws.recovery.visit import Visit

# 96 random bits, behind a sign that no application's own `pid` is likely to begin with.
_PID = re.compile(r"~[A-Za-z0-9_-]{16}", re.ASCII)
_PID_BYTES = 12


def new_pid() -> str:
    """A secret for one client."""
    return "~" + secrets.token_urlsafe(_PID_BYTES)


def take_credentials(auth: Any) -> tuple[Any, str | None, str | None]:
    """A client's `auth` without what belongs to recovery, and that: pid and offset.

    An application's own `pid` or `offset` stays where it is: only a pid of ours is one.
    """
    pid = auth.get("pid") if isinstance(auth, dict) else None
    if not isinstance(pid, str) or not _PID.fullmatch(pid):
        return auth, None, None
    rest = {key: value for key, value in auth.items() if key not in ("pid", "offset")}
    offset = auth.get("offset")
    return rest, pid, offset if isinstance(offset, str) else None


class Visits:
    """Those of one server."""

    def __init__(self, policy: Recovery) -> None:
        self.policy = policy
        self._by_pid: dict[str, Visit] = {}
        self._by_sid: dict[tuple[str, str], Visit] = {}
        # pid -> the same visits, those who went first first.
        self._away: dict[str, Visit] = {}

    def __len__(self) -> int:
        return len(self._by_pid)

    @property
    def away(self) -> int:
        """How many clients are away and may come back."""
        return len(self._away)

    def add(self, visit: Visit) -> None:
        """A client is here."""
        self._by_pid[visit.pid] = self._by_sid[visit.namespace, visit.sid] = visit

    def get(self, namespace: str, sid: str) -> Visit | None:
        """The visit of a client, be it here or away."""
        return self._by_sid.get((namespace, sid))

    def find(self, pid: str) -> Visit | None:
        """The visit that a secret belongs to."""
        return self._by_pid.get(pid)

    def leave(self, visit: Visit, now_s: float) -> None:
        """A client is away from now on, and may come back."""
        if visit.pid in self._by_pid:
            visit.away_s = now_s
            self._away[visit.pid] = visit
            self.expire(now_s)

    def forget(self, visit: Visit | None) -> None:
        """A visit is over."""
        if visit is not None and self._by_pid.get(visit.pid) is visit:
            del self._by_pid[visit.pid]
            del self._by_sid[visit.namespace, visit.sid]
            self._away.pop(visit.pid, None)

    def expire(self, now_s: float) -> None:
        """Forget who has been away for too long, and the first of too many."""
        while self._away:
            first = next(iter(self._away.values()))
            assert first.away_s is not None
            if len(self._away) <= self.policy.max_away and first.away_s >= now_s - self.policy.seconds:
                return
            self.forget(first)

    def all(self) -> list[Visit]:
        """Whoever is here or away."""
        return list(self._by_pid.values())

    def of_room(self, namespace: str, room: Hashable) -> Iterator[Visit]:
        """Who is in a room, the absent among them."""
        for visit in self.all():
            if visit.namespace == namespace and room in visit.rooms:
                yield visit


def resume_after(visit: Visit, offset: str | None, ring: Ring[Any], newest: int) -> int | None:
    """The number of the last event that a client has had; None where that cannot be told, or is no longer kept.

    `newest`: the last number that was given.
    """
    number = visit.began  # where it has had nothing that carries one
    if offset is not None:
        last = offsets.read(offset)
        if last is None or last > newest:
            return None
        if offset == visit.stale and last > visit.began:
            return None  # of a server before, or one of ours: nobody can tell
        number = max(number, last)
    return number if ring.covers(number) else None
