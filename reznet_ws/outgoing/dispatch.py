"""One Socket.IO packet on its way to any number of clients.

In: the parts of a packet, and the shares of the messages in it. Out: its WebSocket frames, each made once, and the
tally of its copies.
Never: sends.
"""

from __future__ import annotations

from collections.abc import Sequence

from reznet_ws.deflate.frame import BINARY, TEXT, Frame
from reznet_ws.ledger import Ledger, Share, Tally
from reznet_ws.outgoing.queued import Held

# Engine.IO's packet type for what Socket.IO sends (engine.io-protocol 4, "message").
_MESSAGE = "4"


class Dispatch:
    """A packet with its frames and its tally."""

    __slots__ = ("_frames", "held", "is_secret", "parts", "queued", "tally")

    def __init__(
        self, parts: Sequence[str | bytes], ledger: Ledger, shares: Sequence[Share], *, is_secret: bool = False
    ) -> None:
        """`parts`: what the packet begins with, text unless the application's own packets are binary; then bytes."""
        self.parts = parts
        self.tally = Tally(ledger, shares)
        self.is_secret = is_secret
        # The Engine.IO packets for those with a queue, made by the first that needs them.
        self.queued: Sequence[object] | None = None
        self.held: Held | None = None
        self._frames: list[Frame] | None = None

    @property
    def messages(self) -> int:
        """How many messages it holds."""
        return len(self.tally.shares)

    @property
    def frames(self) -> list[Frame]:
        """Its WebSocket frames, one for each part."""
        if self._frames is None:
            secret = self.is_secret
            self._frames = []
            for part in self.parts:
                opcode, data = (TEXT, f"{_MESSAGE}{part}".encode()) if isinstance(part, str) else (BINARY, part)
                self._frames.append(Frame(opcode, data, is_secret=secret))
        return self._frames
