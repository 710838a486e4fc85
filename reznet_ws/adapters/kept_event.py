"""An event that is kept for clients that are away.

In: what was written for all. Out: the same again, as the road takes it.
Never: keeps frames, which would take as much memory again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reznet_ws.ledger import Share
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Outgoing


class KeptEvent(NamedTuple):
    """A packet in format 1, and what its bytes belong to."""

    event: str
    namespace: str
    parts: Sequence[str | bytes]
    shares: Sequence[Share]
    is_secret: bool

    def outgoing(self) -> Outgoing:
        """The event, in format 1."""
        plain = Dispatch(self.parts, self.shares, is_secret=self.is_secret)
        return Outgoing(self.event, self.namespace, plain, plain, None)
