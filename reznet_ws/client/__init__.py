"""Formats at the client: a Python decoder, and `js` with the one for browsers and Node."""

from reznet_ws.client.decoder import attach

__all__ = ["attach"]
