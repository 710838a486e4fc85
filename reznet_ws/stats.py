"""The figures of a server, in typed records: what `get_stats` gives, the API serves and metrics are made of.

In: what was emitted, and the ledger. Out: one record.
Never: guesses. A figure is a sum of sizes, or was counted at a transport.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reznet_ws.ledger import EventTotals, Ledger, Share
from reznet_ws.recovery.figures import RecoveryFigures


def _about(text: str) -> Any:
    return field(metadata={"description": text})


@dataclass(slots=True)
class SlowReaders:
    """Clients that read more slowly than they are sent."""

    closed_connections: int = field(default=0, metadata={"description": "whose queue was full"})
    skipped_messages: int = field(
        default=0, metadata={"description": "times receivers: not sent, where the settings prefer that"}
    )
    shed_connections: int = field(
        default=0, metadata={"description": "of the closed: held most when all queues together were full"}
    )
    queued_bytes: int = field(default=0, metadata={"description": "in all queues at this moment"})
    held_bytes: int = field(
        default=0, metadata={"description": "what that takes in memory; what several wait for counts once"}
    )


@dataclass(slots=True)
class LimitFigures:
    """Who asked for too much."""

    refused_connections: int = field(default=0, metadata={"description": "beyond max_connections"})
    refused_addresses: int = field(default=0, metadata={"description": "beyond max_connections_per_address"})
    closed_joins: int = field(default=0, metadata={"description": "connections beyond max_joins_per_s"})
    closed_events: int = field(default=0, metadata={"description": "connections beyond max_events_per_s"})
    closed_unjoined: int = field(default=0, metadata={"description": "connections that joined nothing in time"})
    closed_slow_headers: int = field(default=0, metadata={"description": "connections whose request did not come"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFigures:
    """What left at the sockets."""

    sent_bytes: int = _about("every byte, handshakes, acknowledgements and tls_bytes included")
    tls_bytes: int = _about(
        "what TLS adds: records, and handshakes where the kernel tells; 0 behind a proxy that has it"
    )
    event_bytes: int = _about("the part that belongs to events, before encryption")
    off_event_bytes: int = _about("what no layer at all would have sent for the same events")
    overhead_bytes: int = _about("the rest: handshakes, acknowledgements, pings, tls_bytes")
    reduction_percentage: float = _about("of event_bytes against off_event_bytes")
    uncounted_connections: int = _about("connections whose transport cannot be counted")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFigures:
    """The deflate windows at this moment."""

    connections: int = _about("with permessage-deflate")
    histories: int = _about("different ones: clients that were sent the same share one")
    in_step: int = _about("connections at the history that most share")
    text_bytes: int = _about("messages that the histories hold, each counted once")
    messages: int = _about("that were compressed, since the server began")
    compressions: int = _about("that they took, since the server began")
    kept_compressors: int = _about("kept ready for busy histories")
    kept_bytes: int = _about("what they take in memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures since the start or the last reset; a message is counted once, however many receive it.

    Units: bytes. `reduction_percentage` is of payloads, `wire.reduction_percentage` of what left at the sockets against
    what `Settings.off()` would have sent for the same deliveries.
    """

    total_messages: int
    total_bytes_original: int
    total_bytes_optimized: int
    reduction_percentage: float = _about("of payloads, before permessage-deflate")
    compressed_messages: int = _about("messages kept gzipped")
    avg_message_size: int = _about("optimized bytes for each message")
    active_connections: int
    conflated_messages: int = _about("times receivers: waited, and gave way to a newer one (`Settings.latest`)")
    wire: WireFigures
    slow_readers: SlowReaders
    limits: LimitFigures
    windows: WindowFigures
    events: dict[str, EventTotals]
    recovery: RecoveryFigures | None = field(
        default=None, metadata={"description": "of clients that come back, where that is on"}
    )


class MessageCounts:
    """Counts each emitted message once; the ledger counts deliveries."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self.messages = self.original_bytes = self.optimized_bytes = self.gzipped = 0

    def add(self, share: Share) -> None:
        """One emitted message: its sizes in the shortest format that somebody takes."""
        self.messages += 1
        self.original_bytes += share.plain_bytes
        self.optimized_bytes += share.gzipped_bytes
        self.gzipped += share.gzipped_bytes < share.encoded_bytes


def report(
    counts: MessageCounts,
    ledger: Ledger,
    *,
    active_connections: int,
    uncounted_connections: int,
    conflated_messages: int,
    slow_readers: SlowReaders,
    limits: LimitFigures,
    windows: WindowFigures,
    recovery: RecoveryFigures | None = None,
) -> Report:
    """All figures together."""
    rows = ledger.rows()
    total = EventTotals()
    for row in rows.values():
        total.add(row)
    sent_bytes = ledger.sent_bytes + ledger.tls_bytes
    return Report(
        total_messages=counts.messages,
        total_bytes_original=counts.original_bytes,
        total_bytes_optimized=counts.optimized_bytes,
        reduction_percentage=_reduction(counts.optimized_bytes, counts.original_bytes),
        compressed_messages=counts.gzipped,
        avg_message_size=round(counts.optimized_bytes / counts.messages) if counts.messages else 0,
        active_connections=active_connections,
        conflated_messages=conflated_messages,
        wire=WireFigures(
            sent_bytes=sent_bytes,
            tls_bytes=ledger.tls_bytes,
            event_bytes=total.wire_bytes,
            off_event_bytes=total.off_wire_bytes,
            overhead_bytes=sent_bytes - total.wire_bytes,
            reduction_percentage=_reduction(total.wire_bytes, total.off_wire_bytes),
            uncounted_connections=uncounted_connections,
        ),
        slow_readers=slow_readers,
        limits=limits,
        windows=windows,
        events=rows,
        recovery=recovery,
    )


def _reduction(after: int, before: int) -> float:
    return round(100 * (1 - after / before), 1) if before else 0.0
