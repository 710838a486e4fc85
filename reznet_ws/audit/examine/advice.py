"""The verdict: settings to paste, why, and what they save.

In: rows of the search and of everything. Out: a choice with our helper at the clients, one without, and the saving.
Never: recommends what was not computed on this capture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from reznet_ws.audit.examine.findings import Reach
from reznet_ws.audit.examine.replayed import Advice, Choice, ReplayRow, Saving, SharedWindow
from reznet_ws.audit.examine.rule import LEAST_FRAMES_SAVED, NEAR_BYTES, NEAR_SHARED, RULE, choose, choose_batching
from reznet_ws.audit.examine.sweep import Searched
from reznet_ws.settings import Settings

_MS_PER_DAY = 86_400_000
_BYTES_PER_GB = 1e9
# Shorter captures say nothing of a day.
_LEAST_CONNECTED_MS = 1000
# With fewer receivers for each message, one window for all of them is not worth its way out.
LEAST_AUDIENCE = 1.1
# The figures that a sample of short histories may choose too small.
_WHOLE_WINDOW = {name: getattr(Settings(), name) for name in ("deflate_window_bits", "deflate_mem_level")}


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """The settings that were chosen, and their rows; the three may be the same."""

    best: Settings
    best_row: ReplayRow
    stock_clients: Settings
    stock_clients_row: ReplayRow
    fewest: Settings
    fewest_row: ReplayRow


def shortlist(searched: Searched, audience: Reach) -> dict[str, Settings]:
    """What the rule takes from the sample, to be chosen from again on everything."""
    rows = searched.rows
    unbatched = [row for row in rows if "batch" not in row.layers]
    format_1 = [row for row in rows if row.format == 1]
    chosen = [choose(unbatched), choose(format_1), _fewest(rows), _fewest(unbatched), _fewest(format_1)]
    finalists = {row.label: searched.settings[row.label] for row in chosen}
    for label, settings in list(finalists.items()):
        if settings.deflate:
            finalists[f"{label}; whole window"] = settings.replace(**_WHOLE_WINDOW)
    batched = choose_batching(chosen[0], rows)
    if batched is not None:
        figures = {
            field.name: getattr(searched.settings[batched.label], field.name)
            for field in dataclasses.fields(Settings)
            if field.name.startswith("batch")
        }
        finalists |= {f"{label}; batched": settings.replace(**figures) for label, settings in finalists.items()}
    return {label: _share(settings, audience) for label, settings in finalists.items()}


def decide(finalists: Mapping[str, Settings], rows: Sequence[ReplayRow]) -> Decided:
    """Choose by the rule; the rows are the finalists', by label."""
    unbatched = [row for row in rows if "batch" not in row.layers]
    best = choose(unbatched)
    same = {"batch", *best.layers}
    best = choose_batching(best, [row for row in rows if {*row.layers} == same]) or best
    stock_clients = choose([row for row in rows if row.format == 1])
    fewest = _fewest(rows)
    return Decided(
        finalists[best.label], best, finalists[stock_clients.label], stock_clients, finalists[fewest.label], fewest
    )


def reconsider(decided: Decided, windows: Mapping[Settings, SharedWindow | None]) -> Decided:
    """Choose what needs no helper at the clients after all, where it sends no more with one window for all."""

    def sent_bytes(settings: Settings, row: ReplayRow) -> int:
        shared = windows.get(settings)
        return row.wire_bytes if shared is None else min(shared.shared_bytes, shared.own_bytes)

    best_bytes = sent_bytes(decided.best, decided.best_row)
    if sent_bytes(decided.stock_clients, decided.stock_clients_row) > best_bytes * (1 + NEAR_BYTES):
        return decided
    return dataclasses.replace(decided, best=decided.stock_clients, best_row=decided.stock_clients_row)


def settle_window(settings: Settings, shared: SharedWindow | None) -> Settings:
    """Give each connection its own window after all, where one for all of them costs bytes."""
    if shared is None or shared.shared_bytes <= shared.own_bytes * (1 + NEAR_SHARED):
        return settings
    return settings.replace(deflate_shared=False)


def make_choice(
    settings: Settings,
    row: ReplayRow,
    rows: dict[str, ReplayRow],
    audience: Reach,
    shared: SharedWindow | None,
    show: Callable[[str], str],
) -> Choice:
    """Settings to paste, what they take, and why. `rows` are of everything: "off", "stock", "best", "stock clients"."""
    wire_bytes = shared.shared_bytes if shared is not None and settings.deflate_shared else row.wire_bytes
    reasons = _reasons(settings, row, wire_bytes, rows, audience, shared)
    return Choice(source_of(settings, show), row, wire_bytes, reasons)


def advise(best: Choice, stock_clients: Choice, stock: ReplayRow) -> Advice:
    """The verdict; its saving is still to be computed. Whoever gains less than counts keeps what there is."""
    gains = best.wire_bytes <= stock.wire_bytes * (1 - NEAR_BYTES)
    nothing = Saving(stock.wire_bytes, best.wire_bytes, None, None, None, None, None)
    return Advice(RULE, best, stock_clients, nothing, gains)


def save(
    stock_bytes: int,
    best_bytes: int,
    connected_ms: float | None,
    users: int | None,
    price_per_gb: float | None,
) -> Saving:
    """What is saved in a day at the capture's rate. Units: ms that the capture's connections were open in all."""
    stock_per_day = best_per_day = saved_price = None
    if connected_ms is not None and connected_ms >= _LEAST_CONNECTED_MS:
        stock_per_day = stock_bytes * _MS_PER_DAY / connected_ms
        best_per_day = best_bytes * _MS_PER_DAY / connected_ms
        if price_per_gb is not None:
            saved_price = (stock_per_day - best_per_day) * (users or 1) / _BYTES_PER_GB * price_per_gb
    return Saving(stock_bytes, best_bytes, stock_per_day, best_per_day, users, price_per_gb, saved_price)


def source_of(settings: Settings, show: Callable[[str], str] = str) -> str:
    """Python source that evaluates to the settings; only what differs from the defaults."""
    default = Settings()
    arguments = []
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if value == getattr(default, field.name):
            continue
        if isinstance(value, frozenset):
            names = ", ".join(repr(name) for name in sorted(map(show, value)))
            arguments.append(f"{field.name}=frozenset({{{names}}})" if names else f"{field.name}=frozenset()")
        else:
            arguments.append(f"{field.name}={value!r}")
    return f"Settings({', '.join(arguments)})"


def _fewest(rows: Sequence[ReplayRow]) -> ReplayRow:
    return min(rows, key=lambda row: (row.wire_bytes, len(row.layers), row.shared_cpu_us, row.label))


def _share(settings: Settings, audience: Reach) -> Settings:
    """One window for all where messages have several receivers, or where one connection cannot tell."""
    has_company = not audience.is_counted or audience.per_message >= LEAST_AUDIENCE
    return settings.replace(deflate_shared=settings.deflate and settings.deflate_takeover and has_company)


def _reasons(
    settings: Settings,
    row: ReplayRow,
    wire_bytes: int,
    rows: dict[str, ReplayRow],
    audience: Reach,
    shared: SharedWindow | None,
) -> tuple[str, ...]:
    off, stock = rows["off"], rows["stock"]
    reasons = [
        f"It takes {_share_of(wire_bytes, off)} of what no layer would, and {_share_of(wire_bytes, stock)} of what a "
        "stock server (uvicorn's default) takes.",
        _window_reason(settings, audience, shared),
    ]
    if settings.abbreviate or settings.gzip:
        without = rows["stock clients"].wire_bytes
        own = ", with a window for each connection" if wire_bytes != row.wire_bytes else ""
        reasons.append(
            f"Abbreviations and what else needs format 2 take off {_percent(1 - row.wire_bytes / without)} of what is "
            f"left without them{own}; they reach clients with our helper only."
        )
    if settings.batch:
        reasons.append(
            f"Batching saves {100 * (1 - row.frames / stock.frames):.0f} % of the frames for "
            f"{row.delay_p95_ms or 0:.0f} ms at the 95th percentile; it reaches clients with our helper only. Take out "
            "of batch_events what must not wait."
        )
    if row.format == 1 and rows["best"].format == 1:
        reasons.append(
            f"No client has to change: abbreviations and gzip gain less than {100 * NEAR_BYTES:.0f} % beside the best "
            f"of the other layers, and batching does not save {100 * LEAST_FRAMES_SAVED:.0f} % of the frames within "
            "its bounds, or no clock tells."
        )
    elif row.format == 1:
        reasons.append("No client has to change.")
    return tuple(reasons)


def _window_reason(settings: Settings, audience: Reach, shared: SharedWindow | None) -> str:
    if not settings.deflate:
        return f"permessage-deflate is off: it takes off less than {100 * NEAR_BYTES:.0f} % of this traffic's bytes."
    if not settings.deflate_takeover:
        return (
            f"Each message is compressed by itself: what came before takes off less than {100 * NEAR_BYTES:.0f} % of "
            "this traffic's bytes."
        )
    count = f"a message goes to {audience.per_message:.2f} connections here"
    if shared is not None:
        would = "takes" if settings.deflate_shared else "would take"
        figures = (
            f"One window for all {would} {shared.shared_bytes:,} bytes, one for each {shared.own_bytes:,}; {count}"
        )
        once = f", so compressing once does the work of {audience.per_message:.2f}" if settings.deflate_shared else ""
        return f"{figures}{once}."
    if not settings.deflate_shared:
        return f"Each connection keeps a window of its own: {count}."
    if audience.is_counted:
        return (
            f"One window for all who are sent the same: {count}, and compressing once divides the CPU time by as much."
        )
    own = "the bytes are those of a window of one's own, and the CPU time is divided by"
    if audience.source == "users":
        return (
            f"One window for all who are sent the same: {own} {audience.per_message:.0f}, if all users are sent what "
            "this connection was."
        )
    return f"One window for all who are sent the same, if any are: {own} their number."


def _share_of(wire_bytes: int, other: ReplayRow) -> str:
    return _percent(wire_bytes / other.wire_bytes) if other.wire_bytes else "none"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
