"""Wire bytes by computation, and the traffic that they are computed for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.emissions import RecordedEvent, TrafficError, in_batches, lab_traffic, read_traffic
from benchmarks.window_bytes import JOINS, Audience, compute
from reznet_ws.lab.explain.windows import roll_call

# What is computed


def test_without_newcomers_churn_costs_nothing() -> None:
    result = compute(lab_traffic(count=60), Audience(clients=8, share=0))
    assert (result.stock_churn, result.own_churn, result.shared_churn) == (result.stock, result.own, result.shared)
    assert (result.epochs.in_step, result.epochs.begun_bytes, result.epochs.outside_bytes) == (1, 0, 0)


def test_newcomers_cost_bytes_and_all_of_them_are_told_apart() -> None:
    result = compute(lab_traffic(count=200), Audience(clients=20, share=0.05))
    late = result.epochs
    assert result.stock_churn > result.stock
    assert 0.5 < late.in_step < 1
    lost = late.begun_bytes + late.outside_bytes
    ideal = compute(lab_traffic(count=200), Audience(clients=20, share=0)).shared
    assert result.shared_churn == pytest.approx(ideal + lost)


def test_primers_stand_beside_what_newcomers_cost_without() -> None:
    clients, messages = 20, 200
    result = compute(lab_traffic(count=messages), Audience(clients=clients, share=0.05))
    priming, came = result.priming, 9  # one a second, and not before the first message
    assert priming.lost_bytes is not None
    assert priming.primer_bytes is not None
    lost = (result.shared_churn - result.shared) * clients * messages
    assert priming.lost_bytes * came == pytest.approx(lost)
    assert (priming.churn[15] - result.shared) * clients * messages == pytest.approx(priming.primer_bytes * came)
    assert list(priming.churn.values()) == sorted(priming.churn.values())
    assert len(priming.joins) == JOINS
    assert all(join.most_lost_bytes < join.primer_bytes for join in priming.joins)


def test_where_nobody_comes_there_is_nobody_to_prime() -> None:
    result = compute(lab_traffic(count=60), Audience(clients=8, share=0))
    assert (result.priming.lost_bytes, result.priming.primer_bytes) == (None, None)
    assert result.priming.churn[15] == result.shared


def test_the_report_says_where_a_primer_is_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ids.jsonl"
    path.write_bytes(b"".join(b'{"event":"user_status","data":%s}\n' % text[17:-1] for text in roll_call(350, 1400)))
    assert main(["bytes", str(path), "--messages", "1400", "--clients", "4", "--churn", "0"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if " of 20 " in line]
    lab, ids = said[:2]
    assert "at 0 of 20" in lab
    assert "at 20 of 20" in ids


def test_clients_are_replaced_at_their_rate_and_never_more_than_there_are() -> None:
    audience = Audience(clients=100, share=0.01)
    assert audience.newcomers([0, 500, 1000, 3500, 1_000_000_000]) == [0, 0, 1, 2, 100]


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
    assert main(["bytes", str(path), "--messages", "40", "--clients", "10"]) == 0
    said = capsys.readouterr().out
    assert said.count("capture.jsonl") == 4
    assert said.count("geometric mean") == 4
    assert "target ≤ 0.75" in said


def test_too_few_messages_for_a_batch_are_refused_and_five_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bytes", "--messages", "4"]) == 2
    assert "4 messages make no batch of 5" in capsys.readouterr().err
    assert main(["bytes", "--messages", "5"]) == 0
