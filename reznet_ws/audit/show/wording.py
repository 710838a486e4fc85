"""An audit in words: figures with their units, and the verdict in three lines.

In: findings. Out: plain text. Never: escapes for a page or a terminal, which is for who shows it; measures.
"""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import Any, TypeVar

from reznet_ws.audit.examine.findings import Advice, Alternative, Findings, ReplayRow, Saving
from reznet_ws.draw.course_charts import counted

_STEPS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_DAYS = "a day"
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


def verdict_lines(findings: Findings) -> tuple[str, ...]:
    """What to set, what it saves, and what to do where clients or the server cannot change.

    Where the server sent nothing over WebSocket, the one line that says so.
    """
    verdict = findings.verdict
    if verdict is None:
        return ("There is no verdict: the server sent no message over WebSocket in this capture.",)
    return (
        f"Set {verdict.best.source}{_who(findings)}. {say_whether_few(findings)}".strip(),
        f"{say_saving(verdict.saving)} {say_per_day(verdict.saving)}",
        f"{_stock_clients(findings)} {_other_servers(findings)}".strip(),
    )


def say_saving(saving: Saving) -> str:
    """The bytes, against the stock server."""
    return (
        f"It sends {say_change(saving.best_bytes, saving.stock_bytes)} than stock python-socketio on uvicorn: "
        f"{say_bytes(saving.best_bytes)} instead of {say_bytes(saving.stock_bytes)}."
    ).replace("as many bytes than", "as many bytes as")


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
