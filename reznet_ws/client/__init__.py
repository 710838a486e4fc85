"""Formats at the client: a Python decoder for each, and `js` with those for browsers and Node."""

from reznet_ws.client.decoder import attach
from reznet_ws.client.message_pack_client import attach_message_pack
from reznet_ws.client.recovery_client import attach_recovery
from reznet_ws.client.rows_client import attach_rows
from reznet_ws.client.snapshots_client import Snapshots, attach_snapshots

__all__ = ["Snapshots", "attach", "attach_message_pack", "attach_recovery", "attach_rows", "attach_snapshots"]
