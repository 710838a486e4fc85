"""What a test claims of an application, checked against what was measured.

In: a measurement and a bound. Out: nothing, or an AssertionError that says what was measured.
Never: passes where nothing was measured.
"""

from __future__ import annotations

from reznet_ws.lab.measurement import Measurement

# A scenario's traceback is shown up to here.
_MOST_CHARACTERS = 2000


def check_lossless(measured: Measurement, failures: list[str]) -> None:
    """Each message arrived once, in order and as it was emitted; nobody was dropped, every call was answered."""
    counts = measured.counts
    wrong = {
        f"{counts.lost:,} deliveries lost": counts.lost,
        f"{counts.doubled:,} doubled": counts.doubled,
        f"{counts.overtaken:,} out of order": counts.overtaken,
        f"{counts.altered:,} not as emitted": counts.altered,
        f"{counts.drops:,} connections dropped": counts.drops,
        f"{counts.refused:,} connections refused": counts.refused,
        f"{counts.unanswered:,} calls without an answer": counts.unanswered,
        f"{counts.failed:,} deeds of the scenario raised": counts.failed,
    }
    said = [text for text, count in wrong.items() if count]
    if said:
        cause = f"\n\n{failures[0][-_MOST_CHARACTERS:]}" if failures else ""
        raise AssertionError(f"not lossless: {', '.join(said)} ({_what(measured)}){cause}")
    _need(counts.received, "messages", measured)


def check_delivered(measured: Measurement) -> None:
    """Something was delivered, so that there is something to compare."""
    _need(measured.deliveries, "messages", measured)


def check_fewer_bytes(measured: Measurement, percent: float) -> None:
    """At least so many percent fewer bytes than with no layer at all, for the same deliveries."""
    reduction = measured.reduction_percent
    _need(measured.deliveries, "bytes", measured)
    if reduction is None or reduction < percent:
        rows = [
            f"  {name}: {wire:,} of {off:,} bytes, {deliveries:,} deliveries"
            for name, deliveries, wire, off in measured.by_event[:5]
        ]
        raise AssertionError(
            f"{reduction:.1f} % fewer bytes, {percent:g} % claimed: {measured.wire_bytes:,} bytes where no layer takes "
            f"{measured.off_bytes:,} ({_what(measured)}); most of them in\n" + "\n".join(rows)
        )


def check_latency(
    measured: Measurement, *, p50_ms: float | None = None, p95_ms: float | None = None, p99_ms: float | None = None
) -> None:
    """Each percentile is below its bound; where emissions are not seen, the 95th of the users' own calls."""
    bounds = {"p50": p50_ms, "p95": p95_ms, "p99": p99_ms}
    if all(bound is None for bound in bounds.values()):
        raise ValueError("no bound was given: p50_ms, p95_ms or p99_ms")
    found = {"p50": measured.p50_ms, "p95": measured.p95_ms, "p99": measured.p99_ms}
    n, where = measured.latency_n, "from emit to handler"
    if not n and measured.answers_n and p95_ms is not None and p50_ms is p99_ms is None:
        found["p95"], n, where = measured.answers_p95_ms, measured.answers_n, "from call to answer"
    _need(n, "latencies", measured)
    late = [
        f"{name} is {found[name]:.1f} ms, {bound:g} ms claimed"
        for name, bound in bounds.items()
        if bound is not None and (found[name] or 0.0) >= bound
    ]
    if late:
        raise AssertionError(f"{'; '.join(late)} ({where}, n = {n:,}; {_what(measured)})")


def _need(count: int, what: str, measured: Measurement) -> None:
    if not count:
        raise AssertionError(f"no {what}: nothing was delivered ({_what(measured)}); see what `join` and `act` do")


def _what(measured: Measurement) -> str:
    return f"{measured.counts.received:,} deliveries to {measured.users} users in {measured.seconds:.1f} s"
