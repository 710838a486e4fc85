"""An audit for the terminal: the verdict, then tables; and one row for each of several audits.

In: findings. Out: text, without a character that would steer a terminal.
Never: prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reznet_ws.audit.examine.findings import Findings, ProblemNote
from reznet_ws.audit.examine.replayed import ReplayRow
from reznet_ws.audit.show.format_text import format_label, format_notes
from reznet_ws.audit.show.verdict_text import verdict_lines
from reznet_ws.audit.show.wording import (
    file_name,
    printable,
    say_bytes,
    say_count,
    say_kb,
    say_parts,
    say_topology,
    say_us,
    share_percent,
)
from reznet_ws.draw.tables import align

_SHOWN_EVENTS = 10
_TABLE_NOTE = """CPU: for each message and receiver, on this machine; memory: windows, for each connection.
off and stock have a window for each connection, as python-socketio on uvicorn has it; the others one for all who are
sent the same, but where the choice says deflate_shared=False. seed: what is usually advised, taken literally (deflate
above 1 KB, gzip above 10 KB); recommended: our defaults."""
_SHOWN_PROBLEMS = 20


def audit_text(findings: Findings) -> str:
    """The whole of it, the verdict first."""
    findings = printable(findings)
    parts = ["\n".join(verdict_lines(findings)), _what_was_read(findings)]
    if findings.whole:
        parts += [_choices(findings), *_formats(findings), _events(findings), _floor(findings)]
    return "\n\n".join(parts)


def assumptions_text(assumptions: Sequence[ProblemNote]) -> str:
    """What the captures do not say and was supplied."""
    lines = [f"{file_name(note.file)}: {note.position}: {note.reason}" for note in printable(tuple(assumptions))]
    return "\n".join(["What was assumed:", *lines[:_SHOWN_PROBLEMS]])


def problems_text(problems: Sequence[ProblemNote]) -> str:
    """What could not be read, with file and position."""
    lines = [f"{note.file}: {note.position}: {note.reason}" for note in printable(tuple(problems[:_SHOWN_PROBLEMS]))]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"... and {len(problems) - _SHOWN_PROBLEMS:,} more lines like these")
    return "\n".join(["What could not be read:", *lines])


@dataclass(frozen=True, slots=True)
class Audited:
    """One file's audit, and how long it took by the clock."""

    file: str
    findings: Findings
    took_s: float


def summary_text(audits: Sequence[Audited]) -> str:
    """A row for each file; below, the settings of each."""
    rows = [
        ["file", "messages", "no layer", "stock", "best", "best/stock", "xz", "zstd", "s/10,000", "CPU s/10,000"],
        [],
    ]
    settings = []
    for number, audited in enumerate(audits, 1):
        findings = printable(audited.findings)
        name = printable(f"file {number}" if findings.is_anonymous else file_name(audited.file))
        per_10_000 = 10_000 / max(1, findings.totals.messages)
        times = [f"{seconds * per_10_000:.1f}" for seconds in (audited.took_s, findings.cpu_s)]
        rows.append([name, f"{findings.totals.messages:,}", *_summary_bytes(findings), *times])
        source = _recommended(findings)
        settings.append(f"{name}: {source}")
    head = "Bytes on the wire from the server; xz and zstd: all payloads as one stream. Seconds for 10,000 messages."
    return "\n".join([head, "", align(rows), "", "Recommended:", *settings])


def _recommended(findings: Findings) -> str:
    if findings.verdict is None:
        return findings.obstacle or "no verdict"
    return findings.verdict.best.source if findings.verdict.gains else "nothing to gain in bytes"


def _summary_bytes(findings: Findings) -> list[str]:
    whole, floor = {row.label: row for row in findings.whole}, findings.floor
    if not whole or floor is None:
        return ["-"] * 6
    off, stock, best = whole["off"].wire_bytes, whole["stock"].wire_bytes, floor.best_bytes
    floors = [f"{floor.xz_bytes:,}", "-" if floor.zstd_bytes is None else f"{floor.zstd_bytes:,}"]
    return [f"{off:,}", f"{stock:,}", f"{best:,}", f"{share_percent(best, stock):.1f} %", *floors]


def _what_was_read(findings: Findings) -> str:
    totals = findings.totals
    text = f"Read: {say_count(totals.messages, 'message')} of {say_count(totals.connections, 'connection')}"
    text += f" in {say_count(totals.files, 'file')}; replayed: "
    text += f"{say_count(totals.replayed_messages, 'message')} from the server over WebSocket, "
    text += f"{say_bytes(totals.replayed_payload_bytes)}"
    if totals.connected_ms is not None:
        text += f" in {totals.connected_ms / 1000:,.1f} s of connections"
    text = " ".join(filter(None, [f"{text}.", say_parts(findings), say_topology(findings)]))
    if findings.assumptions:
        text += "\n" + assumptions_text(findings.assumptions)
    return text


def _choices(findings: Findings) -> str:
    stock = next(row for row in findings.whole if row.label == "stock")
    rows = [["settings", "bytes", "of stock", "frames", "CPU", "memory", "p95 delay ms", "format"], []]
    rows += [_choice(row, stock) for row in findings.whole]
    note = _TABLE_NOTE
    verdict = findings.verdict
    choices = {} if verdict is None else {"best": verdict.best, "stock clients": verdict.stock_clients}
    simulated = [
        f"{label} {choice.wire_bytes:,} instead of {choice.row.wire_bytes:,} bytes"
        for label, choice in choices.items()
        if choice.wire_bytes != choice.row.wire_bytes
    ]
    if simulated:
        note += f"\nWith one window for all connections, simulated: {'; '.join(simulated)}."
    elif findings.shared is not None:
        note += f"\nOne window for all connections, simulated, takes {findings.shared.shared_bytes:,} bytes; best has"
        note += f" one for each: {findings.shared.own_bytes:,}."
    return f"{align(rows)}\n{note}"


def _choice(row: ReplayRow, stock: ReplayRow) -> list[str]:
    return [
        row.label,
        f"{row.wire_bytes:,}",
        f"{share_percent(row.wire_bytes, stock.wire_bytes):.1f} %",
        f"{row.frames:,}",
        say_us(row.taken_us),
        say_kb(row.held_bytes),
        "" if row.delay_p95_ms is None else f"{row.delay_p95_ms:.0f}",
        str(row.format),
    ]


def _formats(findings: Findings) -> Iterator[str]:
    """What clients with our parser would be sent; nothing where nothing can be set."""
    if not findings.formats:
        return
    rows = [["format", "bare", "of text", "deflated", "of text"], []]
    text = findings.formats[0]
    for row in findings.formats:
        bare, deflated = f"{row.bare_bytes:,}", f"{row.deflated_bytes:,}"
        shares = (
            share_percent(row.bare_bytes, text.bare_bytes),
            share_percent(row.deflated_bytes, text.deflated_bytes),
        )
        rows.append([format_label(row), bare, f"{shares[0]:.1f} %", deflated, f"{shares[1]:.1f} %"])
    yield "\n".join([align(rows), *format_notes(findings)])


def _events(findings: Findings) -> str:
    rows = [["event", "messages", "no layer", "stock", "best"], []]
    rows += _event_rows(findings)
    return f"{align(rows)}\nBytes on the wire; '>': from a client, with permessage-deflate offered by it."


def _event_rows(findings: Findings) -> Iterator[list[str]]:
    for cost in findings.events[:_SHOWN_EVENTS]:
        name = f"> {cost.event}" if cost.direction == "sent" else cost.event
        yield [name, f"{cost.messages:,}", f"{cost.off_bytes:,}", f"{cost.stock_bytes:,}", f"{cost.best_bytes:,}"]


def _floor(findings: Findings) -> str:
    floor = findings.floor
    if floor is None:
        return ""
    text = f"Floor: xz makes {floor.xz_bytes:,} bytes of all payloads at once"
    if floor.zstd_bytes is not None:
        text += f", zstd {floor.zstd_bytes:,}"
    return f"{text}; best sends {floor.best_bytes:,}. No server can wait for the end."
