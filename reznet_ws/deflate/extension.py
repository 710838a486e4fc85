"""Layer 2: permessage-deflate whose figures follow the settings, frame by frame.

In: WebSocket frames, and whoever holds the current settings. Out: frames, compressed or not (RSV1 tells).
Never: touches a socket. Receiving is websockets' own code, bounded while it inflates.

Leans on websockets 17.4: `Extension.encode(frame)`, `ServerPerMessageDeflateFactory.process_request_params` and the
attributes that `PerMessageDeflate.__init__` sets.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

from websockets.exceptions import NegotiationError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import CTRL_OPCODES, Frame
from websockets.typing import ExtensionParameter

from reznet_ws.deflate.window import Figures, Inflater
from reznet_ws.settings import Settings

# What a sync flush ends with and RFC 7692 section 7.2.1 cuts off.
_TAIL_BYTES = 4
_MAX_WINDOW_BITS = 15


class HasSettings(Protocol):
    """Whoever holds the settings in force; they may be swapped at any time."""

    @property
    def settings(self) -> Settings: ...


class AdjustableDeflate(PerMessageDeflate):
    """The server's side of one connection.

    A new compressor is always in step with the client's inflater, whatever came before: it refers to nothing. So the
    window (up to the one negotiated), the memory level, takeover and the layer itself can change between two frames.
    Source: RFC 7692 sections 7.2.1 and 7.2.3.
    """

    def __init__(self, negotiated: PerMessageDeflate, holder: HasSettings) -> None:
        super().__init__(
            negotiated.remote_no_context_takeover,
            local_no_context_takeover=True,  # keeps the base class from making a compressor, which may never be used
            remote_max_window_bits=negotiated.remote_max_window_bits,
            local_max_window_bits=negotiated.local_max_window_bits,
        )
        self.local_no_context_takeover = negotiated.local_no_context_takeover
        self._holder = holder
        self._kept: tuple[Figures, zlib._Compress] | None = None
        self.inflater = Inflater(negotiated.local_max_window_bits)
        self._seen: Settings | None = None
        self._shared: Figures | None = None

    def shared_figures(self, settings: Settings) -> Figures | None:
        """The figures of the window that this connection can share under these settings, None if none."""
        if settings is not self._seen:  # asked for each message, and the settings hardly ever change
            self._seen = settings
            figures = shared_figures(settings)
            can_share = figures is not None and (
                not self.local_no_context_takeover and figures.bits <= self.local_max_window_bits
            )
            if can_share:
                self._kept = None  # what others compress will pass it by
            self._shared = figures if can_share else None
        return self._shared

    def encode(self, frame: Frame) -> Frame:
        """Compress a data frame for this connection alone, or leave it as it is (RSV1 clear), as the settings say."""
        settings = self._holder.settings
        if frame.opcode in CTRL_OPCODES or not settings.deflate:
            return frame
        if self.shared_figures(settings) is not None:
            return frame  # `SharedFrame` compresses, if at all
        takeover = settings.deflate_takeover and not self.local_no_context_takeover
        if not takeover and len(frame.data) < settings.deflate_threshold_bytes:
            return frame
        figures = Figures(min(settings.deflate_window_bits, self.local_max_window_bits), settings.deflate_mem_level)
        if takeover and self._kept is not None and self._kept[0] == figures:
            deflater = self._kept[1]
        else:
            deflater = figures.deflater()
        self._kept = (figures, deflater) if takeover else None
        self.inflater.window = None
        data = deflater.compress(frame.data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return Frame(frame.opcode, data[:-_TAIL_BYTES], frame.fin, rsv1=True)


def shared_figures(settings: Settings) -> Figures | None:
    """The figures of the windows that connections share, None where the settings let them share none."""
    if settings.deflate and settings.deflate_shared and settings.deflate_takeover:
        return Figures(settings.deflate_window_bits, settings.deflate_mem_level)
    return None


class AdjustableDeflateFactory(ServerPerMessageDeflateFactory):
    """Answers a client's offer by the settings in force. Source: RFC 7692 section 7.1."""

    def __init__(self, holder: HasSettings) -> None:
        self._holder = holder
        settings = holder.settings
        bits = _MAX_WINDOW_BITS if settings.deflate_adjustable else settings.deflate_window_bits
        super().__init__(
            server_no_context_takeover=not (settings.deflate_takeover or settings.deflate_adjustable),
            # None grants whatever the client allows, without a parameter in the answer.
            server_max_window_bits=None if bits == _MAX_WINDOW_BITS else bits,
            client_max_window_bits=settings.deflate_window_bits,
        )

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Grant an offer. Raises: NegotiationError where the layer is off for good."""
        settings = self._holder.settings
        if not (settings.deflate or settings.deflate_adjustable):
            raise NegotiationError("permessage-deflate is off")
        answer, negotiated = super().process_request_params(params, accepted_extensions)
        return answer, AdjustableDeflate(negotiated, self._holder)
