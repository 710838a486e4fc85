"""An audit in words: figures with their units, and the verdict in three lines.

In: findings. Out: plain text. Never: escapes for a page or a terminal, which is for who shows it; measures.
"""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import Any, TypeVar

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.replayed import ReplayRow
from reznet_ws.draw.course_charts import counted

_STEPS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_DAYS = "a day"
_NO_VERDICT = "There is no verdict: the server sent no message over WebSocket in this capture."
_WHERE = "bytes at the socket, computed by the server's own code"
_FEW_MESSAGES = 100
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# Whose own settings the verdict names.
_OTHER_SERVERS = ("uvicorn", "Node's ws")

Record = TypeVar("Record")


def say_bytes(size: float) -> str:
    """Units: kB is 1000 bytes, as the price of traffic has it."""
    for step, unit in _STEPS:
        if abs(size) >= step:
            return f"{size / step:,.1f} {unit}"
    return f"{size:,.0f} bytes"


def say_count(count: int, what: str) -> str:
    """So many of something that takes an s."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def share_percent(part: float, whole: float) -> float:
    """`part` in percent of `whole`; 100 of nothing."""
    return 100 * part / whole if whole else 100.0


def say_change(after: float, before: float) -> str:
    """How much less it is, or more."""
    percent = 100 - share_percent(after, before)
    if abs(percent) < 0.05:
        return "as many bytes"
    return f"{abs(percent):.1f} % {'fewer' if percent > 0 else 'more'} bytes"


def file_name(path: str) -> str:
    """A file without its folders."""
    return PurePath(path).name or path


def without_folders(findings: Findings) -> Findings:
    """The same findings; captures are named by their files' names only."""
    return dataclasses.replace(
        findings,
        connections=tuple(dataclasses.replace(one, file=file_name(one.file)) for one in findings.connections),
        problems=tuple(dataclasses.replace(one, file=file_name(one.file)) for one in findings.problems),
    )


def printable(record: Record) -> Record:
    """The same record; characters that would steer a terminal or turn a line round are replaced in all its texts."""
    return _clean(record)  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else "".join(c if c.isprintable() else _UNKNOWN for c in value)
    if isinstance(value, tuple):
        return tuple(map(_clean, value))
    if isinstance(value, list):
        return list(map(_clean, value))
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{field.name: _clean(getattr(value, field.name)) for field in dataclasses.fields(value)}
        )
    return value


def say_whether_few(findings: Findings) -> str:
    """A word of caution where a capture is too short to go by; else nothing."""
    if 0 < findings.totals.replayed_messages < _FEW_MESSAGES:
        return "That is little to go by; a capture of some minutes says more."
    return ""


def find_row(findings: Findings, label: str) -> ReplayRow:
    """A preset's or a choice's row on everything. Raises: KeyError where nothing was replayed."""
    return {row.label: row for row in findings.whole}[label]


def counted_whole(findings: Findings) -> str:
    """The line under a chart of everything: n, and where it was counted."""
    return counted(findings.totals.replayed_messages, "messages from the server", where=_WHERE, seed=None)


def counted_sample(findings: Findings) -> str:
    """The line under a chart of what the settings were tried on."""
    sample = findings.sample
    if sample.is_everything:
        return counted_whole(findings)
    what = f"of {findings.totals.replayed_messages:,} messages from the server (the leading part of each connection)"
    return counted(sample.messages, what, where=_WHERE, seed=None)


def say_both(first: float, second: float) -> tuple[str, str]:
    """Two sizes, so that they read differently if they differ."""
    said = say_bytes(first), say_bytes(second)
    return said if said[0] != said[1] or first == second else (f"{first:,.0f} bytes", f"{second:,.0f} bytes")


def say_us(microseconds: float) -> str:
    """CPU time with the digits that tell something."""
    digits = 0 if microseconds >= 100 else 1 if microseconds >= 10 else 2
    return f"{microseconds:,.{digits}f} µs"


def say_kb(size: float) -> str:
    """Memory, in the unit of everything else."""
    return f"{size / 1000:,.1f} kB"


def say_binary(findings: Findings) -> str:
    """How much of the payloads is binary, and whether it was looked into; nothing where none is."""
    found = findings.repeats
    if not found.binary_bytes:
        return ""
    binary = share_percent(found.binary_bytes, found.json_bytes)
    held = share_percent(found.binary_json_bytes, found.binary_bytes)
    if not found.binary_json_bytes:
        return f"{binary:.0f} % of the bytes are binary and were not looked into."
    rest = "" if held > 99.5 else "; the rest was not looked into"
    return f"{binary:.0f} % of the bytes are binary; {held:.0f} % of these hold JSON and were looked into{rest}."


def say_topology(findings: Findings) -> str:
    """Whom messages go to, as far as copies in the capture show it."""
    audience = findings.audience
    if not audience.is_counted:
        return ""
    near = f"within {audience.near_ms:.0f} ms" if audience.source == "capture" else "side by side, without a clock"
    how = f"the same payload {near}"
    shares = ", ".join(
        f"{share_percent(shape.deliveries, audience.deliveries):.0f} % {shape.shape}" for shape in audience.shapes
    )
    return f"A message goes to {audience.per_message:.1f} connections ({how}); of what is delivered: {shares}."


def say_parts(findings: Findings) -> str:
    """What of the capture is not replayed, if anything."""
    totals, said = findings.totals, []
    if totals.replayed_messages < totals.received_messages:
        said.append(
            f"Replayed: {totals.replayed_messages:,} of {totals.received_messages:,} messages from the server "
            f"({say_bytes(totals.replayed_payload_bytes)} of {say_bytes(totals.received_payload_bytes)}), the leading "
            "part of each connection; all figures of bytes and time are of these."
        )
    if totals.foreign_connections:
        said.append(
            f"{say_count(totals.foreign_connections, 'WebSocket')} with {say_bytes(totals.foreign_payload_bytes)} from "
            "the server are no Socket.IO: our settings do not reach them, and they are not replayed."
        )
    sample = findings.sample
    if sample.messages and not sample.is_everything and findings.verdict is not None:
        said.append(f"Settings were tried on a sample of {sample.messages:,} messages.")
    return " ".join(said)
