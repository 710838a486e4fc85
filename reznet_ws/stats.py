"""The seed's six figures, and the ledger beside them.

In: what was emitted, and the ledger. Out: one JSON object.
Never: guesses: a figure is a sum of sizes, or was counted at a transport.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from reznet_ws.ledger import Ledger, Row
from reznet_ws.message.payload import Payload


class Stats:
    """Counts each emitted message once, however many receive it; the ledger beside it counts deliveries."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self._ledger.reset()
        self._messages = self._original_bytes = self._optimized_bytes = self._compressed = 0

    def add(self, plain: Sequence[Payload], sent: Sequence[Payload]) -> None:
        """One emitted message: its payloads as the application gave them, and as format 2, if anybody takes that."""
        self._messages += 1
        for payload in plain:
            self._original_bytes += payload.plain_bytes
        is_gzipped = False
        for payload in sent:
            self._optimized_bytes += payload.gzipped_bytes
            is_gzipped |= payload.gzipped
        self._compressed += is_gzipped

    def report(
        self,
        *,
        active_connections: int,
        uncounted_connections: int,
        slow_readers: dict[str, int],
        windows: dict[str, int],
    ) -> dict[str, Any]:
        """The seed's six fields, the connections, the wire, slow readers, windows, and the ledger's rows by event name.

        Units: bytes; `reduction_percentage` is of payloads, `wire.reduction_percentage` of what left at the socket
        against what `Settings.off()` would have sent for the same deliveries. `overhead_bytes` is all that left and
        belongs to no event: handshakes, acks, pings. `slow_readers.queued_bytes` is about what all queues take in
        memory now. `windows.in_step` of the `windows.connections` with permessage-deflate are at the same window.
        """
        rows = self._ledger.rows()
        total = Row()
        for row in rows.values():
            total.add(row)
        return {
            "total_messages": self._messages,
            "total_bytes_original": self._original_bytes,
            "total_bytes_optimized": self._optimized_bytes,
            "reduction_percentage": _reduction(self._optimized_bytes, self._original_bytes),
            "compressed_messages": self._compressed,
            "avg_message_size": round(self._optimized_bytes / self._messages) if self._messages else 0,
            "active_connections": active_connections,
            "wire": {
                "sent_bytes": self._ledger.sent_bytes,
                "event_bytes": total.wire_bytes,
                "off_event_bytes": total.off_wire_bytes,
                "overhead_bytes": self._ledger.sent_bytes - total.wire_bytes,
                "reduction_percentage": _reduction(total.wire_bytes, total.off_wire_bytes),
                "uncounted_connections": uncounted_connections,
            },
            "slow_readers": slow_readers,
            "windows": windows,
            "events": {event: dataclasses.asdict(row) for event, row in rows.items()},
        }


def _reduction(after: int, before: int) -> float:
    return round(100 * (1 - after / before), 1) if before else 0.0
