"""What the lab measured, as plain figures: rates, latencies, savings and the requirements.

In: counts from the server's ledger and from the clients. Out: frozen records.
Never: measures by itself.
Never: rounds, or drops what is bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from reznet_ws.lab.clients.seen import Counts

# 1 us to 60 s, three significant digits.
_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 60_000_000, 3
# The requirements: latencies are to stay below. 100 ms is what feels instantaneous (Nielsen, docs/usual-advice.md).
P50_LIMIT_MS, P95_LIMIT_MS = 50, 100


class Latencies:
    """Latencies in ms, from when a message was due to be emitted to the client's handler."""

    def __init__(self) -> None:
        from hdrh.histogram import HdrHistogram  # a measurement can be read where none is made

        self._histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)

    def add(self, latency_ms: float) -> None:
        """Count one."""
        self._histogram.record_value(min(max(round(latency_ms * 1000), _LOWEST_US), _HIGHEST_US))

    @property
    def count(self) -> int:
        """How many."""
        return int(self._histogram.get_total_count())

    def percentile_ms(self, percent: float) -> float | None:
        """The value that `percent` of them do not exceed; None without any."""
        return self._histogram.get_value_at_percentile(percent) / 1000 if self.count else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of the requirements, with what was measured."""

    name: str
    target: str
    measured: float | None
    unit: str
    passed: bool | None


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """Everything since the last reset, and the rates since the last measurement.

    `stats` is what `get_stats` gives, counted at the server's sockets; `counts` what the clients saw, less what they
    had seen at the reset. `server_cpu_s` is what the server's thread took of a processor, whatever for. Latencies are
    from when a message was due to the client's handler; `recent_*` covers the last two seconds, `answers_*` the users'
    own calls, from the call to the answer.
    """

    seconds: float
    users: int
    stats: Mapping[str, Any]
    counts: Counts
    wire_bytes_per_s: float
    off_bytes_per_s: float
    server_cpu_s: float
    latency_n: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    recent_p50_ms: float | None
    recent_p95_ms: float | None
    answers_n: int = 0
    answers_p95_ms: float | None = None

    @classmethod
    def nothing(cls) -> Self:
        """Before anything was measured."""
        stats: dict[str, Any] = {"wire": {"event_bytes": 0, "off_event_bytes": 0}, "events": {}}
        return cls(0, 0, stats, Counts(), 0, 0, 0, 0, None, None, None, None, None)

    @property
    def wire_bytes(self) -> int:
        """Bytes at the sockets that belong to events."""
        return int(self.stats["wire"]["event_bytes"])

    @property
    def off_bytes(self) -> int:
        """What no layer at all would have sent for the same deliveries."""
        return int(self.stats["wire"]["off_event_bytes"])

    @property
    def deliveries(self) -> int:
        """Messages times receivers, counted as they left."""
        return sum(row["deliveries"] for row in self.stats["events"].values())

    @property
    def frames(self) -> int:
        """WebSocket frames that carried them; a batch shares one."""
        return sum(row["frames"] for row in self.stats["events"].values())

    @property
    def bytes_per_delivery(self) -> float | None:
        """At the server's sockets, frame headers included; None before anything was sent."""
        return self.wire_bytes / self.deliveries if self.deliveries else None

    @property
    def cpu_us_per_delivery(self) -> float | None:
        """CPU time of the server's thread for each delivery, whatever it was for; None before anything was sent."""
        return 1e6 * self.server_cpu_s / self.deliveries if self.deliveries else None

    @property
    def reduction_percent(self) -> float | None:
        """Fewer bytes on the wire than `off`, in percent; None before anything was sent."""
        return 100 * (1 - self.wire_bytes / self.off_bytes) if self.off_bytes else None

    def __repr__(self) -> str:
        saved = "" if self.reduction_percent is None else f", {self.reduction_percent:.1f} % fewer than with no layer"
        p95 = "" if self.p95_ms is None else f", p95 {self.p95_ms:.1f} ms (n = {self.latency_n:,})"
        what = f"{self.counts.received:,} deliveries to {self.users} users in {self.seconds:.1f} s"
        return f"<{what}: {self.wire_bytes:,} bytes{saved}{p95}; {self.counts.wrong:,} wrong>"

    @property
    def by_event(self) -> list[tuple[str, int, int, int]]:
        """Event, deliveries, bytes on the wire, and what no layer would have put there; most bytes first."""
        rows = [
            (name, row["deliveries"], row["wire_bytes"], row["off_wire_bytes"])
            for name, row in self.stats["events"].items()
        ]
        return sorted(rows, key=lambda row: -row[2])

    @property
    def savings_bytes(self) -> dict[str, int]:
        """Layer -> bytes that it took off, in the order in which they are applied; they add up to the whole saving."""
        total = {
            name: sum(row[name] for row in self.stats["events"].values())
            for name in (
                "plain_bytes",
                "abbreviated_bytes",
                "encoded_bytes",
                "gzipped_bytes",
                "packed_saved_bytes",
                "held_saved_bytes",
                "rows_saved_bytes",
                "frame_bytes",
                "deflated_bytes",
                "wire_bytes",
                "off_wire_bytes",
            )
        }
        envelopes_off = total["off_wire_bytes"] - total["plain_bytes"]
        instead = {
            "rows": total["rows_saved_bytes"],
            "MessagePack": total["packed_saved_bytes"],
            "snapshots": total["held_saved_bytes"],
        }
        # Of the frames as they would be with none of these.
        framed_bytes = total["frame_bytes"] + sum(instead.values())
        envelopes = framed_bytes - total["gzipped_bytes"] + total["wire_bytes"] - total["deflated_bytes"]
        return {
            "abbreviate": total["plain_bytes"] - total["abbreviated_bytes"],
            "utf8": total["abbreviated_bytes"] - total["encoded_bytes"],
            "gzip": total["encoded_bytes"] - total["gzipped_bytes"],
            "batch": envelopes_off - envelopes,
            **instead,
            "deflate": total["frame_bytes"] - total["deflated_bytes"],
        }

    def requirements(self) -> list[Requirement]:
        """The scoreboard; `passed` is None while nothing was measured yet."""
        return [
            _below("latency p50", P50_LIMIT_MS, self.p50_ms),
            _below("latency p95", P95_LIMIT_MS, self.p95_ms),
            _at_least("fewer bytes on the wire", 40, self.reduction_percent, "%"),
            _at_least("users connected", 100, self.counts.connected, ""),
            Requirement("connections dropped", "0", self.counts.drops, "", self.counts.drops == 0),
            Requirement("messages lost or doubled", "0", self.counts.wrong, "", self.counts.wrong == 0),
        ]


def _below(name: str, most_ms: float, measured_ms: float | None) -> Requirement:
    passed = None if measured_ms is None else measured_ms < most_ms
    return Requirement(name, f"< {most_ms:g} ms", measured_ms, "ms", passed)


def _at_least(name: str, least: float, measured: float | None, unit: str) -> Requirement:
    passed = None if measured is None else measured >= least
    return Requirement(name, f"≥ {least:g} {unit}".rstrip(), measured, unit, passed)
