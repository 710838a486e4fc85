"""What uvicorn's `--ws` may name: `uvicorn main:app --ws reznet_ws.wire:WebSocketProtocol`.

In: nothing. Out: the protocol class.
Never needed where uvicorn picks its own: a connection is taken over all the same.
"""

from reznet_ws.adapters.uvicorn import WebSocketProtocol

__all__ = ["WebSocketProtocol"]
