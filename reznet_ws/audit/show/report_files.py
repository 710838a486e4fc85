"""The report as files: a page for people, a picture to pass on, JSON for machines.

In: findings, a folder. Out: `report.html`, `report.png` and `report.json` in it.
Never: holds what a message said, since findings do not; fails for the lack of a browser, which only the picture needs.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.show.pictures import draw_overview
from reznet_ws.audit.show.report_page import make_page
from reznet_ws.audit.show.verdict_text import verdict_lines
from reznet_ws.audit.show.wording import printable, without_folders
from reznet_ws.draw.picture import render, repack

# Raised when a field is renamed, is gone or has another meaning; not for one more.
SCHEMA_VERSION = 1


def write_report(findings: Findings, folder: Path) -> tuple[Path, ...]:
    """Write the files into a folder, which is made if it is not there; the picture only where a browser draws it.

    Captures are named without their folders, which may tell of whose they are.
    Returns what was written. Raises: OSError.
    """
    findings = without_folders(findings)
    folder.mkdir(parents=True, exist_ok=True)
    page, picture, machines = folder / "report.html", folder / "report.png", folder / "report.json"
    page.write_text(make_page(findings), encoding="utf-8")
    machines.write_text(report_json(findings), encoding="utf-8")
    png = report_png(findings)
    if png is None:
        picture.unlink(missing_ok=True)  # one of an earlier report would be of other figures
        return page, machines
    picture.write_bytes(png)
    return page, picture, machines


def report_json(findings: Findings) -> str:
    """Every record of `findings.py`, and the version of their form.

    Shape: ASCII, so lone surrogates in names are escapes.
    """
    return json.dumps({"schema_version": SCHEMA_VERSION, **dataclasses.asdict(findings)}, indent=1, allow_nan=False)


def report_png(findings: Findings) -> bytes | None:
    """The main pictures in one; None where no browser draws it or there is nothing to draw."""
    if findings.verdict is None:
        return None
    png = render(draw_overview(findings, verdict_lines(printable(findings))[1]))
    return None if png is None else repack(png)
