"""The conformance tests over the ranges in pyproject: `./run versions [NAME ...]`.

In: names of rows, or parts of names; none for all. Out: a table, and 1 where a row fails.
Never: decides what a range is; pyproject does.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from versions.environments import CannotInstall, Outcome, environment, installed, lowest, ranges, run_tests

# All that meets another library; run_tests leaves out what needs a browser, Node or Redis.
SELECTION = ("tests/conformance", "tests/deflate", "tests/outgoing")
LOGS = Path(__file__).parents[2] / "test-results/versions"

# Where a library changed something that the adapters touch, one version before and one after. What is not named in a
# row is as the lock file has it.
CHANGES = {
    "python-socketio": ("5.16.2", "5.16.4", "5.17.0", "5.17.1", "5.18.0"),
    "python-engineio": ("4.13.2", "4.13.5", "4.14.0", "4.15.0"),
    "uvicorn": ("0.42.0", "0.44.0", "0.46.0", "0.49.0", "0.50.2", "0.52.0", "0.52.1", "0.53.0"),
    "websockets": ("13.0", "13.1", "14.2", "15.0.1", "16.0", "16.1.1", "17.0.1", "17.1"),
}
# The last python-socketio that takes an older python-engineio.
PARTNERS = {"python-engineio": {"python-socketio": "5.17.0"}}


@dataclass(frozen=True)
class Row:
    """One environment: a name, and the versions that differ from the lock file; no version is the newest."""

    name: str
    pins: dict[str, str] = field(default_factory=dict)


def rows() -> list[Row]:
    """Both ends of all ranges at once, each change of one library, and what applications pin."""
    by_change = [
        Row(f"{package} {version}", {package: version, **PARTNERS.get(package, {})})
        for package, versions in CHANGES.items()
        for version in versions
    ]
    open_webui = {"aiohttp": "3.14.5", "fastapi": "0.136.3", "python-socketio": "5.16.2", "uvicorn": "0.54.0"}
    return [LOWEST, NEWEST, Row("locked"), *by_change, Row("as Open WebUI 0.12.4", open_webui)]


LOWEST = Row("lowest", {**lowest(), "python-engineio": CHANGES["python-engineio"][0]})
# What an application would be given today, whatever the lock file says.
NEWEST = Row("newest", dict.fromkeys((*ranges(), "python-engineio"), ""))


def choose(asked: list[str]) -> list[Row]:
    """The rows that are asked for by a part of their names; all for none."""
    return [row for row in rows() if not asked or any(part in row.name for part in asked)]


def judge(row: Row) -> tuple[Outcome, dict[str, str]]:
    """Make a row's environment and run the tests there; also the versions that it has."""
    try:
        with environment(row.pins) as python:
            return run_tests(python, SELECTION), installed(python)
    except CannotInstall as error:
        return Outcome(0, ("cannot be installed",), str(error)), row.pins


def main(asked: list[str]) -> int:
    """Judge row after row and say each at once."""
    chosen = choose(asked)
    if not chosen:
        print("No such row. There are:", ", ".join(row.name for row in rows()))
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    libraries = [name for name in (*CHANGES, "aiohttp", "fastapi") if name in {*ranges(), *CHANGES}]
    print("|".join(["", "row", *libraries, "passed", "failed", "s", ""]))
    print("|---" * (len(libraries) + 4) + "|")
    bad = 0
    for row in chosen:
        began_s = time.monotonic()
        outcome, versions = judge(row)
        (LOGS / f"{row.name.replace(' ', '-')}.log").write_text(outcome.log)
        took_s = f"{time.monotonic() - began_s:.0f}"
        had = [versions.get(name, "") for name in libraries]
        cells = ["", row.name, *had, str(outcome.passed), str(len(outcome.failed)), took_s, ""]
        print("|".join(cells), flush=True)
        bad += not outcome.is_good
        for failed in outcome.failed[:8]:
            print(f"    {failed}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} rows pass; logs in {LOGS}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
