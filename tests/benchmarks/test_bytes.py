"""The traffic that bytes are computed for, and the command that computes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.emissions import (
    RecordedEvent,
    TrafficError,
    chat_conversations,
    in_batches,
    read_traffic,
    small_conversations,
)


def test_a_capture_gives_what_the_client_received(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    rows = [{"event": "a", "data": 1, "dir": "in", "ts_ms": 5}, {"event": "b", "data": 2, "dir": "out"}]
    path.write_text("\n".join(map(json.dumps, [*rows, {"event": "c", "data": None}])) + "\n", encoding="utf-8")
    assert read_traffic(path) == [RecordedEvent("a", 1, 5), RecordedEvent("c", None)]
    assert read_traffic(path, most=1) == [RecordedEvent("a", 1, 5)]


@pytest.mark.parametrize("line", ["{", '{"event": 1, "data": 2}', '{"event": "a"}', "[]", "[" * 100_000])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text('{"event": "a", "data": 1}\n' + line, encoding="utf-8")
    with pytest.raises(TrafficError, match=r"capture\.jsonl:2"):
        read_traffic(path)
    assert main(["bytes", str(path)]) == 2
    assert "capture.jsonl:2" in capsys.readouterr().err


def test_batches_hold_the_same_messages() -> None:
    (batch,) = in_batches([RecordedEvent("e", number) for number in range(9)])
    assert batch.data == [{"event": "e", "data": number} for number in range(5)]


# The command line


def test_the_bytes_of_a_capture_are_reported_as_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "capture.jsonl"
    rows = [{"event": "tick", "data": {"number": number, "text": "again"}} for number in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert (
        main(
            [
                "bytes",
                str(path),
                "--messages",
                "20",
                "--clients",
                "5",
                "--topology",
                "private",
                "--topology",
                "one room",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert said.count("| capture") == 2
    assert said.count("- one room, chat: ") == 2
    assert "- geometric mean: " in said


@pytest.mark.parametrize(
    "arguments", [["--messages", "0"], ["--clients", "0"], ["--rate", "0"], ["--churn", "2"], ["--kept", "-1"]]
)
def test_figures_out_of_bounds_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bytes", *arguments]) == 2
    assert "benchmarks: " in capsys.readouterr().err


def test_conversations_differ_and_stay_the_same_from_run_to_run() -> None:
    for make in (chat_conversations, small_conversations):
        one, other = make(2, 1)
        assert one != other
        assert make(2, 1) == [one, other]
        assert make(1, 2) != [one]
