"""One Socket.IO packet on its way to any number of clients.

In: the parts of a packet, and the shares of the messages in it. Out: its WebSocket frames, each made once.
Never: sends.
"""

from __future__ import annotations

from collections.abc import Sequence

from reznet_ws.deflate.frame import BINARY, TEXT, Frame
from reznet_ws.ledger import Share
from reznet_ws.message.latest import Key
from reznet_ws.outgoing.queued import Held

# Engine.IO's packet type for what Socket.IO sends (engine.io-protocol 4, "message").
_MESSAGE = "4"


class Dispatch:
    """A packet, and what it is in WebSocket frames and in queues."""

    __slots__ = ("frames", "held", "is_secret", "latest", "parts", "queued", "shares")

    def __init__(self, parts: Sequence[str | bytes], shares: Sequence[Share], *, is_secret: bool = False) -> None:
        """`parts`: what the packet begins with, text unless the application's own packets are binary; then bytes."""
        self.parts = parts
        # Of the messages in it; a packet that is no event has none.
        self.shares = shares
        self.is_secret = is_secret
        # What it is about, where a newer one about the same makes it pointless.
        self.latest: Key | None = None
        # The Engine.IO packets for those with a queue, made by the first that needs them.
        self.queued: Sequence[object] | None = None
        self.held: Held | None = None
        # Its WebSocket frames, one for each part.
        self.frames: list[Frame] = []
        for part in parts:
            opcode, data = (TEXT, f"{_MESSAGE}{part}".encode()) if isinstance(part, str) else (BINARY, part)
            self.frames.append(Frame(opcode, data, is_secret=is_secret))
