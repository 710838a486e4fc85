"""Formats at the client: a Python decoder for each, and `js` with those for browsers and Node."""

from reznet_ws.client.decoder import attach
from reznet_ws.client.recovery_client import attach_recovery
from reznet_ws.client.rows_client import attach_rows

__all__ = ["attach", "attach_recovery", "attach_rows"]
