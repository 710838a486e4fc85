"""Formats 3 and m in words: what they would send, whether one pays, and what no capture can tell.

In: findings. Out: plain text. Never: escapes for a page or a terminal, which is for who shows it; measures.
"""

from __future__ import annotations

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import FormatRow
from reznet_ws.audit.examine.rule import NEAR_BYTES
from reznet_ws.audit.show.wording import say_both, say_change
from reznet_ws.replay.formats import FAR, PACKED

_SHOWN_EVENTS = 3
_BYTES = "Bytes on the wire, one message at a time, a window for each connection; formats 3 and m need our parser."
_NOT_TOLD = (
    "A capture cannot tell what snapshots, latest= and join= would save: the application says what they are about."
)
_NO_LIBRARY = "Format m was not tried: msgpack is not installed."


def format_label(row: FormatRow) -> str:
    """A format's name in tables and charts."""
    return f"{row.way} (format {row.format})"


def say_format(findings: Findings) -> str:
    """The format that pays, and what a client asks for; nothing where none does.

    Where today's server does not compress, what they take without compression, too.
    """
    if findings.verdict is None or not findings.formats:
        return ""
    text, *others = findings.formats
    said = []
    # Far references take up to 4 MB for each history: they have to pay beside rows.
    fewest = others[0]
    for row in others[1:]:
        if row.deflated_bytes < fewest.deflated_bytes * (1 - NEAR_BYTES):
            fewest = row
    # A smaller window than these have may have been chosen: what it costs is no merit of a format's.
    most_bytes = min(text.deflated_bytes, findings.verdict.best.wire_bytes) * (1 - NEAR_BYTES)
    if fewest.deflated_bytes <= most_bytes:
        sizes = say_both(fewest.deflated_bytes, text.deflated_bytes)
        said.append(
            f"Clients with our parser ({_asked(fewest)}) would be sent {sizes[0]}, "
            f"{say_change(fewest.deflated_bytes, text.deflated_bytes)} than as text behind the same window "
            f"({sizes[1]})."
        )
    if findings.today is not None and not findings.today.is_deflated:
        shares = [
            f"{row.way} {say_change(row.bare_bytes, text.bare_bytes)} than text"
            for row in others
            if row.bare_bytes <= text.bare_bytes * (1 - NEAR_BYTES)
        ]
        if shares:
            said.append(f"If frames stay uncompressed, as today: {'; '.join(shares)}.")
    return " ".join(said)


def format_notes(findings: Findings) -> tuple[str, ...]:
    """What the figures are of, and what cannot be judged; nothing where no format was tried."""
    if not findings.formats:
        return ()
    notes = [_BYTES]
    if all(row.way != PACKED for row in findings.formats):
        notes.append(_NO_LIBRARY)
    notes.append(_NOT_TOLD)
    if findings.superseded:
        window_ms = findings.superseded[0].window_ms
        events = ", ".join(
            f"{row.superseded:,} of {row.messages:,} {row.event}" for row in findings.superseded[:_SHOWN_EVENTS]
        )
        notes.append(
            f"Followed by another of the same event within {window_ms:g} ms, so latest= drops no more: {events}."
        )
    return tuple(notes)


def _asked(row: FormatRow) -> str:
    far = ", far_references=True" if row.way == FAR else ""
    return f"{row.way}: ?reznet={row.format}{far}"
