"""Wire bytes by computation, and the traffic that they are computed for."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.emissions import RecordedEvent, TrafficError, chat_conversations, in_batches, read_traffic
from benchmarks.script import Script, write_script
from benchmarks.topologies import TOPOLOGIES
from benchmarks.window_bytes import OwnWindows, compute, event_text, worst_ratio
from reznet_ws.ledger import header_bytes
from reznet_ws.settings import Settings

# What is computed


def chat_script(topology: str, clients: int, messages: int = 60) -> Script:
    conversations = chat_conversations(TOPOLOGIES[topology].streams(clients))
    return write_script(TOPOLOGIES[topology], clients, conversations, messages * clients, seed=1)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_promise_is_kept_in_every_topology(topology: str) -> None:
    script = chat_script(topology, 20)
    result = compute(script, 0.05, 20, Settings())
    assert result.deliveries >= 1200
    assert 0 < result.worst <= 1.01
    assert result.ours < result.stock
    assert result.compressions <= result.receivers


def test_one_room_takes_one_compression_and_newcomers_a_few_more() -> None:
    script = chat_script("one room", 50)
    still, churned = compute(script, 0, 20, Settings()), compute(script, 0.05, 20, Settings())
    assert still.compressions == 1
    assert 1 < churned.compressions < 5
    assert still.ours < churned.ours < churned.stock


@pytest.mark.parametrize("topology", ["one room", "topics", "but the sender"])
def test_windows_computed_once_for_all_take_what_each_would(topology: str) -> None:
    script = chat_script(topology, 12, messages=20)
    each = [zlib.compressobj(wbits=-12, memLevel=5) for _ in range(12)]
    windows = OwnWindows(12, 5)
    for sending, slots in zip(script.sendings, script.receivers(), strict=True):
        text = event_text(script.messages[sending.message], utf8=False)
        sizes = {slot: len(each[slot].compress(text) + each[slot].flush(zlib.Z_SYNC_FLUSH)) - 4 for slot in slots}
        assert dict(windows.send(text, slots)) == {slot: size + header_bytes(size) for slot, size in sizes.items()}


def test_stock_settings_take_what_stock_takes() -> None:
    result = compute(chat_script("rooms of 5", 20), 0.05, 20, Settings.stock())
    assert (result.ours, result.worst) == (result.stock, 1)
    assert result.compressions == result.receivers


def test_the_worst_is_that_of_any_twenty_in_a_row() -> None:
    assert worst_ratio([9] * 19, [1] * 19) == 0
    assert worst_ratio([1] * 20 + [33] + [1] * 30, [1] * 51) == 42 / 20
    assert worst_ratio([1] * 20 + [9] + [1] * 30, [1] * 51) == 1
    assert worst_ratio([1] * 20, [2] * 20) == 0.5


# Traffic


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
