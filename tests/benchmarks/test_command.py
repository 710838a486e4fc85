"""The command line: what it refuses, and commands that run to their end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize(
    "arguments", [["--clients", "0"], ["--churn", "2"], ["--rounds", "0"], ["latency", "--seconds", "0"]]
)
def test_figures_out_of_bounds_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "must be" in capsys.readouterr().err


def test_a_capture_is_measured_at_sockets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "capture.jsonl"
    rows = [{"event": "tick", "data": {"number": number, "text": "again"}} for number in range(200)]
    capture.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = ["--quick", "--topologies", "private", "--clients", "4", "--seconds", "0.5", "--traffic", str(capture)]
    assert main([*command, "--phases", "opening", "steady", "--out", str(tmp_path / "out")]) == 0
    assert "capture.jsonl" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [trial["name"] for trial in record["trials"]] == ["uvicorn", "reznet recommended"]
    assert (tmp_path / "out" / "results.md").exists()


def test_delays_are_compared_with_clients_of_both_formats(capsys: pytest.CaptureFixture[str]) -> None:
    servers = ["uvicorn", "reznet format 2", "reznet unbatched"]
    assert main(["latency", "--clients", "6", "--rounds", "1", "--seconds", "0.5", "--servers", *servers]) == 0
    said = capsys.readouterr().out
    assert all(f"| {name} " in said for name in servers)
    assert "count for nothing" not in said


def test_a_reader_that_stalls_is_told_of_and_the_others_receive_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stall", "--minutes", "0.03", "--clients", "2", "--rate", "100"]) == 0
    said = capsys.readouterr().out
    *_, last = (line.split("|") for line in said.splitlines() if line.startswith("|"))
    assert int(last[2]) > 0  # messages
    least, most = map(int, re.findall(r"(\d+) to (\d+) bytes each", said)[0])
    assert 0 < least <= most
