"""The verdict of an audit in words: what to set, what it saves, what it costs, and what there is instead.

In: findings. Out: plain text. Never: escapes for a page or a terminal, which is for who shows it; measures.
"""

from __future__ import annotations

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import Advice, Alternative, Saving
from reznet_ws.audit.examine.rule import cpu_noise
from reznet_ws.audit.show.format_text import say_format
from reznet_ws.audit.show.wording import (
    find_row,
    say_both,
    say_bytes,
    say_change,
    say_count,
    say_kb,
    say_us,
    say_whether_few,
)

_DAYS = "a day"
_NO_VERDICT = "There is no verdict: the server sent no message over WebSocket in this capture."
# Whose own settings the verdict names.
_OTHER_SERVERS = ("uvicorn", "Node's ws")


def verdict_lines(findings: Findings) -> tuple[str, ...]:
    """What to set, what it saves, and what to do where clients or the server cannot change.

    Where nothing can be set, why; where the server sent nothing over WebSocket, what to capture.
    """
    if findings.obstacle is not None:
        return (f"{findings.obstacle}.", _join(say_today(findings), _other_servers(findings)))
    verdict = findings.verdict
    if verdict is None:
        return (_join(_NO_VERDICT, next_step(findings)),)
    if not verdict.gains:
        return (
            _join(say_nothing_to_gain(findings), say_whether_few(findings)),
            _join(f"What attach() changes besides: {say_cost(findings)}", say_today(findings)),
            _join(say_format(findings), _other_servers(findings)),
        )
    return (
        _join(f"Set {verdict.best.source}{_who(findings)}.", say_whether_few(findings)),
        _join(
            say_saving(verdict.saving),
            f"It takes {say_cost(findings)}",
            say_today(findings),
            say_per_day(verdict.saving),
        ),
        _join(_stock_clients(findings), say_format(findings), _other_servers(findings)),
    )


def headline(findings: Findings) -> str:
    """The whole of it in a sentence or two: bytes, CPU and memory."""
    verdict = findings.verdict
    if verdict is None:
        return verdict_lines(findings)[0]
    if not verdict.gains:
        return say_nothing_to_gain(findings)
    return f"{say_saving(verdict.saving)} It takes {say_cost(findings)}"


def say_saving(saving: Saving) -> str:
    """The bytes, against the stock server."""
    sizes = say_both(saving.best_bytes, saving.stock_bytes)
    return (
        f"It sends {say_change(saving.best_bytes, saving.stock_bytes)} than stock python-socketio on uvicorn: "
        f"{sizes[0]} instead of {sizes[1]}."
    ).replace("as many bytes than", "as many bytes as")


def say_nothing_to_gain(findings: Findings) -> str:
    """That the best is no better than what a stock server does by itself."""
    verdict = findings.verdict
    assert verdict is not None
    fewest = find_row(findings, "fewest bytes")
    best, stock = verdict.saving.best_bytes, verdict.saving.stock_bytes
    # The best may take a few bytes more than the fewest, for less CPU or memory.
    best = best if "batch" in fewest.layers else min(best, fewest.wire_bytes)
    sizes = say_both(best, stock)
    keep = "keep the window that uvicorn has by itself"
    if findings.today is not None and not findings.today.is_deflated:
        keep = "but turn on permessage-deflate, which this server did not grant"
    compared = "as many" if best == stock else say_change(best, stock)
    if compared == "as many bytes":
        compared = f"{abs(best - stock):,} bytes {'fewer' if best < stock else 'more'}"
    return (
        f"Nothing to gain in bytes: the fewest that any choice sends are {sizes[0]}, stock python-socketio on uvicorn "
        f"{sizes[1]} ({compared}); {keep}."
    )


def say_cost(findings: Findings) -> str:
    """CPU and memory of the best, against the stock server's, which has a window for each connection."""
    verdict = findings.verdict
    assert verdict is not None
    stock, best = find_row(findings, "stock"), verdict.best.row
    noise = cpu_noise(stock, best)
    took = f"{say_us(best.taken_us)} of CPU for each message and receiver, stock {say_us(stock.taken_us)}"
    if abs(best.taken_us - stock.taken_us) <= noise * stock.taken_us:
        took += f" (within the noise of {100 * noise:.0f} %)"
    held = f"{say_kb(best.held_bytes)} of memory a connection for windows, stock {say_kb(stock.held_bytes)}"
    shared = ""
    if best.is_shared and findings.audience.per_message > 1:
        shared = f"; one window for the {findings.audience.per_message:.1f} connections that a message goes to"
    return f"{took}, and {held}{shared}."


def say_today(findings: Findings) -> str:
    """What the captured server sends by its own handshakes, and what would be otherwise; nothing if none is known."""
    today = findings.today
    if today is None:
        return ""
    stock_bytes = find_row(findings, "stock").wire_bytes
    sends, stock = say_both(today.wire_bytes, stock_bytes)
    text = f"Today you send {sends}, with {today.grant} by {say_count(today.handshakes, 'handshake')}"
    if today.measured_bytes is not None:
        text += f" ({today.measured_bytes:,} bytes were on the wire, {today.wire_bytes:,} are computed)"
    text += f"; {stock} with the default of uvicorn ({say_change(stock_bytes, today.wire_bytes)})"
    verdict = findings.verdict
    if verdict is not None:
        best_bytes = verdict.saving.best_bytes
        text += f", {say_both(best_bytes, stock_bytes)[0]} with the best ({say_change(best_bytes, today.wire_bytes)})"
    return f"{text}."


def say_per_day(saving: Saving) -> str:
    """The same at the capture's rate, and in money where a price was given."""
    stock, best = saving.stock_bytes_per_connection_day, saving.best_bytes_per_connection_day
    if stock is None or best is None:
        return "The capture has no clock, or lasts less than a second, so it says nothing of a day."
    saved = stock - best
    verb = "saves" if saved >= 0 else "costs"
    text = f"At the capture's rate that {verb} {say_bytes(abs(saved))} {_DAYS} for each connection"
    if saving.users is not None:
        text += f", {say_bytes(abs(saved) * saving.users)} {_DAYS} for {saving.users:,} users"
    if saving.saved_price_per_day is not None:
        price = f"{abs(saving.saved_price_per_day):,.2f}"
        text += f", which is {price} {_DAYS} at a price of {saving.price_per_gb:g} per GB"
    return f"{text}."


def say_stock_clients(verdict: Advice) -> str:
    """What is saved where clients cannot change."""
    return f"{say_change(verdict.stock_clients.wire_bytes, verdict.saving.stock_bytes)} than stock"


def best_alternatives(findings: Findings) -> tuple[Alternative, ...]:
    """Of each other server the setting that the audit prefers."""
    return tuple(option for option in findings.alternatives if option.is_best)


def next_step(findings: Findings) -> str:
    """What to capture instead."""
    polled = sum(
        kind.messages for kind in findings.totals.kinds if kind.transport == "polling" and kind.direction == "received"
    )
    if polled:
        return (
            f"{polled:,} went by long-polling: see why the client does not upgrade (a proxy without WebSockets, or "
            'transports: ["polling"]), then capture again.'
        )
    return (
        "Capture the page while it is in use: F12, Network, reload, wait some minutes, Export HAR. Or at the server: "
        "engineio_logger=True, or DEBUG=engine*."
    )


def _who(findings: Findings) -> str:
    row = find_row(findings, "best")
    return "; clients decode with our helper (format 2)" if row.format != 1 else "; no client has to change"


def _stock_clients(findings: Findings) -> str:
    verdict = findings.verdict
    if verdict is None or verdict.stock_clients.source == verdict.best.source:
        return ""
    return f"If clients cannot change: {verdict.stock_clients.source}, {say_stock_clients(verdict)}."


def _other_servers(findings: Findings) -> str:
    said = [
        f"{option.server}: {option.setting} ({say_bytes(option.wire_bytes)})"
        for option in best_alternatives(findings)
        if option.server in _OTHER_SERVERS
    ]
    return f"Without our server: {'; '.join(said)}." if said else ""


def _join(*sentences: str) -> str:
    return " ".join(filter(None, sentences))
