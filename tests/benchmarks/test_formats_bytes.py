"""What formats leave, computed: exact bytes; and a reload, at a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.emissions import RecordedEvent
from benchmarks.formats_bytes import compute_first, compute_formats
from benchmarks.reload import visit_twice
from benchmarks.rows_bytes import lab_mixes
from reznet_ws.ledger import header_bytes


def test_bytes_are_exact() -> None:
    same = compute_formats([RecordedEvent("e", {"a": 1, "b": "x"})] * 3)
    # 42["e",{"a":1,"b":"x"}] against 92 a1 65 82 a1 61 01 a1 62 a1 78.
    assert same.bare["format m"] == (2 + 11) / (2 + 23)
    assert same.packed_messages == same.messages == 3


def test_messagepack_saves_without_deflate_and_less_than_rows_with_and_without() -> None:
    for emissions in lab_mixes(200).values():
        one = compute_formats(emissions)
        assert one.bare["format m"] < min(1, one.bare["socket.io-msgpack-parser"])
        assert one.deflated["rows"] < one.deflated["format m"] < 1.02


def test_shapes_that_are_known_save_most_at_the_beginning() -> None:
    shares = compute_first("status")
    assert shares[1] < shares[5] < shares[20] < shares[100] < (1, 1)


async def test_a_reload_takes_a_few_bytes_for_each_snapshot() -> None:
    snapshots = {f"page {number}": ["x" * 5000, number] for number in range(3)}
    visits = await visit_twice(snapshots, deflate=False)
    unchanged = len('42["=","0123456789abcdef"]')
    assert visits.second_bytes == 3 * (unchanged + header_bytes(unchanged))
    assert visits.first_bytes > 15_000
    assert visits.said_bytes == len('{"reznet_held":["0123456789abcdef","0123456789abcdef","0123456789abcdef"]}')


def test_the_command_writes_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text("".join(f'{{"event":"price","data":{{"value":{value}}}}}\n' for value in range(60)))
    assert main(["formats", str(path), "--messages", "40"]) == 0
    written = capsys.readouterr().out
    assert written.count("| prices.jsonl") == 3
    assert main(["formats", "--messages", "0"]) == 2
