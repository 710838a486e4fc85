"""No test is lost between `pytest` alone and `./run test`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
from repo_files import ROOT

MARKERS = ("browser", "network", "node", "redis", "slow")


def collect(*options: str) -> tuple[set[str], int]:
    """The names of the tests that pytest would run, and how many it finds in all."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    found = re.search(r"(?:/(\d+) tests|(\d+) tests) collected", done.stdout)
    assert found is not None, done.stdout
    return {line for line in done.stdout.splitlines() if "::" in line}, int(found[1] or found[2])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_pytest_leaves_out_and_what_it_runs_make_the_whole() -> None:
    by_itself, whole = collect()
    left_out, whole_again = collect("-m", " or ".join(MARKERS))
    assert not by_itself & left_out
    assert len(by_itself) + len(left_out) == whole == whole_again
    assert len(by_itself) > 1000
    assert left_out, "the markers mark nothing"


def test_what_pytest_leaves_out_are_the_markers_that_there_are() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert sorted(MARKERS) == [line.partition(":")[0] for line in options["markers"]]
    assert options["addopts"][-2:] == ["-m", " and ".join(f"not {marker}" for marker in MARKERS)]


def test_the_run_script_takes_pytests_own_choice_back_wherever_it_calls_it() -> None:
    calls = re.findall(r"-m pytest (.*)", (ROOT / "run").read_text())
    assert len(calls) == 4  # all, what the caller names, the notebooks, coverage
    assert all(call.startswith("-m '' ") for call in calls)
