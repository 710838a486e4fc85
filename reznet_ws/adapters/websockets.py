"""permessage-deflate as `websockets` negotiates and decodes it, compressed by histories.

In: WebSocket frames that the protocol sends by itself. Out: the same frames, compressed or not (RSV1 tells).
Never: touches a socket. Receiving is websockets' own code, bounded while it inflates.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from websockets.exceptions import NegotiationError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import CTRL_OPCODES, Frame
from websockets.typing import ExtensionParameter

from reznet_ws.deflate.inflater import Inflater
from reznet_ws.settings import Settings

MAX_WINDOW_BITS = 15

# Shape: opcode, plain data -> payload as it travels, whether it is compressed.
Compress = Callable[[int, bytes], "tuple[bytes, bool]"]


class SharedDeflate(PerMessageDeflate):
    """The server's side of one connection; what it compresses is left to whoever knows the histories."""

    def __init__(self, negotiated: PerMessageDeflate, compress: Compress) -> None:
        super().__init__(
            # Both keep the base class from making what may never be used: see `decoder`; nobody uses a compressor here.
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=negotiated.remote_max_window_bits,
            local_max_window_bits=negotiated.local_max_window_bits,
        )
        self.remote_no_context_takeover = negotiated.remote_no_context_takeover
        self._compress = compress
        self.inflater = Inflater(negotiated.local_max_window_bits, takeover=not negotiated.local_no_context_takeover)

    @cached_property
    def decoder(self) -> Any:  # type: ignore[override]
        """What inflates; it takes 7 KB, and 32 KB more in use, and many a client never sends what it is needed for."""
        return zlib.decompressobj(wbits=-self.remote_max_window_bits)

    def encode(self, frame: Frame) -> Frame:
        """Compress a data frame that did not come by the road."""
        if frame.opcode in CTRL_OPCODES:
            return frame
        data, is_compressed = self._compress(frame.opcode, bytes(frame.data))
        return Frame(frame.opcode, data, frame.fin, rsv1=is_compressed)


class SharedDeflateFactory(ServerPerMessageDeflateFactory):
    """Answers a client's offer by the settings in force. Source: RFC 7692 section 7.1."""

    def __init__(self, settings: Settings, compress: Compress) -> None:
        self._settings, self._compress = settings, compress
        bits = MAX_WINDOW_BITS if settings.deflate_adjustable else settings.deflate_window_bits
        super().__init__(
            server_no_context_takeover=not (settings.deflate_takeover or settings.deflate_adjustable),
            # None grants whatever the client allows, without a parameter in the answer.
            server_max_window_bits=None if bits == MAX_WINDOW_BITS else bits,
            client_max_window_bits=settings.deflate_window_bits,
        )

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Grant an offer. Raises: NegotiationError where the layer is off for good."""
        if not (self._settings.deflate or self._settings.deflate_adjustable):
            raise NegotiationError("permessage-deflate is off")
        answer, negotiated = super().process_request_params(params, accepted_extensions)
        return answer, SharedDeflate(negotiated, self._compress)
