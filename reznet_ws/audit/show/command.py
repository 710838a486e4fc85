"""What the command `audit` does: files in, tables and a report out.

In: paths and options. Out: what is to be printed, and the status. The notebook uses `audit` alone.
Never: prints, but for how far it is; writes outside of the folder it is given.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from reznet_ws.audit.examine.examination import examine
from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.read.demo_trace import demo_items
from reznet_ws.audit.read.reading import read
from reznet_ws.audit.show.report_files import write_report
from reznet_ws.audit.show.stage_bar import StageBar
from reznet_ws.audit.show.terminal import Audited, audit_text, problems_text, summary_text
from reznet_ws.audit.show.verdict_text import next_step
from reznet_ws.audit.show.wording import file_name, printable

NOTHING_READ = 2
_NO_PICTURE = "report.png was not drawn: that takes Chrome or Chromium; BROWSER_PATH may name one"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say, and where."""

    status: int
    out: str
    err: str


def audit(
    paths: Iterable[str | Path],
    *,
    users: int | None = None,
    price_per_gb: float | None = None,
    anonymous: bool = False,
    demo_messages: int | None = None,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, of: None,
) -> Findings:
    """Read some files as one capture and audit them. `progress` gets bytes while it reads.

    `demo_messages`: so many of the demo's, in place of files.

    Raises: ValueError for figures that cannot be.
    """

    def examining(stage: str, done: int, of: int | None) -> None:
        if stage != "read":
            progress(stage, done, of)

    items = (
        demo_items(demo_messages)
        if demo_messages is not None
        else read(paths, lambda done, of: progress("read", done, of))
    )
    return examine(items, users=users, price_per_gb=price_per_gb, anonymous=anonymous, progress=examining)


def report_on(
    paths: Sequence[Path],
    out: Path | None,
    stream: TextIO,
    *,
    users: int | None = None,
    price_per_gb: float | None = None,
    anonymous: bool = False,
    demo_messages: int | None = None,
) -> Answer:
    """Audit files as one capture, and write the report if a folder is given.

    `stream` is told how far it is. Raises: ValueError, OSError where the folder cannot be written to.
    """
    if out is not None:
        # Before the long part.
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    with StageBar(stream) as progress:
        findings = audit(
            paths,
            users=users,
            price_per_gb=price_per_gb,
            anonymous=anonymous,
            demo_messages=demo_messages,
            progress=progress,
        )
    if not findings.totals.messages:
        said = [_problems(findings) or "Nothing could be read.", f"Next: {next_step(findings)}"]
        return Answer(NOTHING_READ, "", "\n".join(said))
    err = _problems(findings)
    said = [audit_text(findings)]
    if out is not None:
        written = write_report(findings, out)
        said.append(f"Written: {', '.join(str(printable(str(path))) for path in written)}")
        if findings.verdict is not None and out / "report.png" not in written:
            err = "\n".join(filter(None, [err, _NO_PICTURE]))
    return Answer(0, "\n\n".join(said), err)


def summarise(
    paths: Sequence[Path],
    stream: TextIO,
    *,
    users: int | None = None,
    price_per_gb: float | None = None,
    anonymous: bool = False,
) -> Answer:
    """Audit each file by itself: a row for each. Raises: ValueError."""
    audits: list[Audited] = []
    for path in paths:
        began_s = time.perf_counter()
        with StageBar(stream, printable(file_name(str(path)))) as progress:
            findings = audit([path], users=users, price_per_gb=price_per_gb, anonymous=anonymous, progress=progress)
        audits.append(Audited(str(path), findings, time.perf_counter() - began_s))
    err = "\n".join(filter(None, (_problems(audited.findings) for audited in audits)))
    if not any(audited.findings.totals.messages for audited in audits):
        return Answer(NOTHING_READ, "", err or "Nothing could be read.")
    return Answer(0, summary_text(audits), err)


def _problems(findings: Findings) -> str:
    return problems_text(findings.problems) if findings.problems else ""
