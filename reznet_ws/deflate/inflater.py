"""What the server knows of one client's inflater.

In: what permessage-deflate was negotiated to. Out: what others may refer to when they compress for it.
Never: inflates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reznet_ws.deflate.compressor import Compressor
    from reznet_ws.deflate.history import History


class Inflater:
    """One client's, from its handshake to `Histories.leave`.

    `max_bits`: the window that the client promised, 9 to 15 bits; with any other figure it is sent nothing compressed.
    `takeover`: false where `server_no_context_takeover` was negotiated. Source: RFC 7692 section 7.1.
    """

    __slots__ = ("alone", "history", "max_bits", "takeover")

    def __init__(self, max_bits: int, *, takeover: bool = True) -> None:
        self.max_bits = max_bits
        self.takeover = takeover
        # None: empty, or unknown, which is the same to whoever refers to nothing.
        self.history: History | None = None
        # A compressor that serves nobody else, while connections share nothing.
        self.alone: Compressor | None = None
