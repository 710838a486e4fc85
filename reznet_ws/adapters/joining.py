"""A client between its CONNECT and the server's answer.

In: what it brought, and who it turns out to be. Out: the same, to whoever lets it in.
Never: decides.
"""

from __future__ import annotations

from reznet_ws.adapters.kept_event import KeptEvent
from reznet_ws.recovery.ring import Entry
from reznet_ws.recovery.visit import Visit


class Joining:
    """A client that asks to be let in."""

    __slots__ = ("after", "eio_sid", "entries", "is_settled", "namespace", "stale", "visit", "waiting_bytes")

    def __init__(self, eio_sid: str, namespace: str, stale: str | None) -> None:
        self.eio_sid, self.namespace, self.stale = eio_sid, namespace, stale
        # Who it is, once that is known; before the connect handler runs where it comes back.
        self.visit: Visit | None = None
        # The last event that it has had, where it comes back, and those since.
        self.after: int | None = None
        self.entries: list[Entry[KeptEvent]] = []
        self.waiting_bytes = 0
        self.is_settled = False

    @property
    def sid(self) -> str | None:
        """Its Socket.IO session."""
        return None if self.visit is None else self.visit.sid
