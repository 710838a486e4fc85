"""What format 3 saves, computed from few messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.emissions import RecordedEvent
from benchmarks.rows_bytes import compute_rows, growing_texts, lab_mixes, time_codec
from reznet_ws.message.rows_state import Bounds


def test_bytes_are_exact() -> None:
    same = compute_rows([RecordedEvent("e", {"a": 1, "b": "x"})] * 3)
    # 42["e",{"a":1,"b":"x"}], then the same with `"`, a line's end and `!%` before it; #%%; %.
    assert same.plain_bytes == 3 * (2 + 23)
    assert same.without["rows"] == (2 + 23 + 4 + 2 + 4 + 2 + 2) / same.plain_bytes


def test_rows_save_in_every_mix_and_more_in_batches() -> None:
    for emissions in lab_mixes(300).values():
        result = compute_rows(emissions)
        shares = [result.behind_window["rows", size] for size in (1, 5, 10)]
        assert 1 > shares[0] > shares[1] > shares[2]
        assert result.without["rows + far"] <= result.without["rows"] < 1


def test_a_growing_text_costs_what_is_new() -> None:
    emissions = growing_texts(4, 100)
    assert len(emissions) == 400
    result = compute_rows(emissions)
    assert result.without["rows"] < 0.1
    assert result.behind_window["rows", 1] < 0.7


def test_times_are_more_than_nothing() -> None:
    times = time_codec(lab_mixes(200)["demo, chat"], Bounds())
    least, median, most = times.encode_ratio
    assert 0 < least <= median <= most
    assert times.encode_us > 0 < times.decode_us


def test_the_command_writes_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text("".join(f'{{"event":"price","data":{{"value":{value}}}}}\n' for value in range(60)))
    assert main(["rows", str(path), "--messages", "40"]) == 0
    written = capsys.readouterr().out
    assert "| prices.jsonl" in written
    assert written.count("| geometric mean") == 2
    assert main(["rows", "--messages", "0"]) == 2
