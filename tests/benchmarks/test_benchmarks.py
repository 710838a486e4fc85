"""Benchmarks: real servers with few clients, whose bytes are known exactly; what the load refuses; what is computed."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from benchmarks.__main__ import main
from benchmarks.contestants import CONTESTANTS, WAYS, Contestant, way_settings
from benchmarks.driver import WARM_UP_MESSAGES
from benchmarks.emissions import RecordedEvent, TrafficError, in_batches, lab_traffic, read_traffic
from benchmarks.machine import lacks
from benchmarks.raw_client import ProtocolError, RawClient
from benchmarks.results_picture import draw
from benchmarks.results_report import judge, write_report
from benchmarks.rounds import Plan, Run, interleave
from benchmarks.sequence import Expected, LoadError, Play
from benchmarks.window_bytes import (
    JOINS,
    STOCK_FIGURES,
    WIDE_FIGURES,
    Audience,
    compute,
    event_text,
    shared_bytes,
)
from reznet_ws.deflate.window import build_frame
from reznet_ws.lab.explain.windows import framed_bytes, own_bytes, roll_call

PLAN = Plan(clients=(24,), rounds=1, seconds=0.5, churn_share=0.2, phases=("joined", "churn", "full"))
PLAIN_HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
DEFLATE_HANDSHAKE = PLAIN_HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
MACHINE: dict[str, Any] = {
    "processor": "a processor",
    "cores": 2,
    "is_pinned": False,
    "versions": "Python",
    "traffic": "some traffic",
}


def _measure(name: str) -> Run:
    (run,) = interleave([CONTESTANTS[name]], PLAN, lab_traffic(), lambda said: None)
    assert run.error is None
    return run


def _joined_messages() -> slice:
    return slice(WARM_UP_MESSAGES, WARM_UP_MESSAGES + round(PLAN.seconds * PLAN.rate_per_s))


def _check_counts(run: Run) -> None:
    clients = PLAN.clients[0]
    joined, churn, full = (run.phases[name] for name in PLAN.phases)
    assert joined["deliveries"] == clients * joined["messages"] == clients * 10
    assert churn["joined"] == 2
    assert clients * 8 <= churn["deliveries"] <= clients * 10
    assert full["deliveries"] > 0  # a busy machine does not get far in half a second
    assert all(phase["server_cpu_s"] > 0 and phase["load_share"] > 0 for phase in run.phases.values())
    assert 0 < joined["p50_ms"] <= joined["p95_ms"] <= joined["p99_ms"]


def test_the_floor_sends_what_can_be_computed() -> None:
    run = _measure("floor")
    _check_counts(run)
    texts = [event_text(one, utf8=False) for one in lab_traffic()[_joined_messages()]]
    assert run.phases["joined"]["wire_bytes"] == 24 * sum(framed_bytes(len(text)) for text in texts)


def test_the_shared_window_sends_what_can_be_computed() -> None:
    run = _measure("reznet-recommended")
    _check_counts(run)
    texts = [event_text(one, utf8=True) for one in lab_traffic()[: _joined_messages().stop]]
    nobody = [0] * len(texts)
    sizes, _ = shared_bytes(texts, nobody, 24, own_bytes(texts, nobody, 24, WIDE_FIGURES))
    assert run.phases["joined"]["wire_bytes"] == 24 * sum(sizes[_joined_messages()])


def test_uvicorns_default_sends_nearly_what_can_be_computed() -> None:
    run = _measure("uvicorn")
    _check_counts(run)
    texts = [event_text(one, utf8=False) for one in lab_traffic()[: _joined_messages().stop]]
    sizes = own_bytes(texts, [0] * len(texts), 24, STOCK_FIGURES)
    # Its compressor has seen the greeting, with an id that nobody knows before.
    assert run.phases["joined"]["wire_bytes"] == pytest.approx(24 * sum(sizes[_joined_messages()]), rel=0.01)


@pytest.mark.parametrize("name", ["node", "node-uws"])
def test_nodes_servers_deliver_the_same(name: str) -> None:
    reason = lacks(CONTESTANTS[name])
    if reason:
        pytest.skip(reason)
    _check_counts(_measure(name))


def _broken(name: str) -> Contestant:
    return Contestant(name, "floor", "", ("python", "-c", "raise SystemExit('no luck')"))


def test_a_server_that_does_not_start_is_told_and_not_fatal() -> None:
    (run,) = interleave([_broken("broken")], PLAN, lab_traffic(count=10), lambda said: None)
    assert run.error == "broken did not start: no luck"
    assert "broken: broken did not start" in write_report([run], PLAN, MACHINE)


def test_every_round_begins_with_another_server() -> None:
    plan = Plan(clients=(1,), rounds=3)
    runs = interleave([_broken("a"), _broken("b")], plan, lab_traffic(count=10), lambda said: None)
    assert [(run.round, run.name) for run in runs] == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_many_clients_are_sent_fewer_messages_and_only_one_number_of_clients_batches() -> None:
    plan = Plan(clients=(100, 300, 1000))
    assert [plan.rate_for(clients) for clients in plan.clients] == [20, 5000 / 300, 5]
    assert ["batches" in plan.phases_for(clients) for clients in plan.clients] == [False, True, False]


# The client


def _stream(texts: Sequence[bytes], *, compressed: bool) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    frames = []
    for text in texts:
        body = (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] if compressed else text
        frames.append(build_frame(Opcode.TEXT, body, compressed=compressed))
    return b"".join(frames)


def _pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


events = st.lists(
    st.sampled_from([1, 100, 117, 200, 65_600]).map(lambda size: b'42["e","' + b"x" * size + b'"]'),
    min_size=1,
    max_size=4,
)
cuts = st.lists(st.integers(0, 300_000), max_size=5)


@given(events, cuts, st.booleans())
def test_a_client_reads_the_same_however_the_bytes_are_cut(
    texts: list[bytes], places: list[int], compressed: bool
) -> None:
    client = RawClient()
    greeting = _stream([b"0{}", b'40{"sid":"a"}'], compressed=False)
    stream = (DEFLATE_HANDSHAKE if compressed else PLAIN_HANDSHAKE) + greeting + _stream(texts, compressed=compressed)
    got = [text for piece in _pieces(stream, places) for text in client.receive(piece)]
    assert got == texts
    assert client.is_joined
    assert client.handshake_bytes + client.join_bytes + client.event_bytes + client.control_bytes == len(stream)


@given(events, cuts, st.booleans())
def test_a_client_counts_the_same_by_headers_alone(texts: list[bytes], places: list[int], compressed: bool) -> None:
    client = RawClient()
    client.receive(PLAIN_HANDSHAKE)
    stream = _stream([*texts, b"2", *texts], compressed=compressed)
    assert sum(map(client.skim, _pieces(stream, places))) == 2 * len(texts)


def test_a_client_answers_what_a_browsers_does() -> None:
    client = RawClient()
    client.receive(PLAIN_HANDSHAKE + _stream([b"0{}", b"2"], compressed=False) + build_frame(Opcode.PING, b"p"))
    key = b"\0" * 4
    assert bytes(client.answer) == b"\x81\x82" + key + b"40" + b"\x81\x81" + key + b"3" + b"\x8a\x81" + key + b"p"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "the handshake was answered with b'HTTP/1.1 404"),
        (b"HTTP/1.1 101 " + b"x" * 20_000, "no end of headers"),
        (PLAIN_HANDSHAKE + build_frame(Opcode.TEXT, b"x", compressed=True), "no compression was granted"),
        (PLAIN_HANDSHAKE + build_frame(Opcode.TEXT, b"nonsense"), "a packet that begins with b'nonsense'"),
        (PLAIN_HANDSHAKE + b"\x81\x7f" + (1 << 40).to_bytes(8), "a frame of 1099511627776 bytes"),
        (PLAIN_HANDSHAKE + b"\x01\x01x", "a frame that begins with 0x1"),
        (DEFLATE_HANDSHAKE + _stream([b"x" * 40_000_000], compressed=True), "a message of more than 33554432 bytes"),
    ],
)
def test_a_client_refuses_what_no_server_says(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        RawClient().receive(data)


# The sequence


def _sequence() -> tuple[Expected, Play]:
    return Expected({"singles": [["e", {"n": 1, "m": 2**60}], ["e", 2.0]]}), Play("singles", 0, 100, 20)


def test_what_is_due_passes_again_and_again_and_in_javascripts_numbers() -> None:
    sequence, play = _sequence()
    for number in (100, 100, 102):
        sequence.check(play, number, b'42["e",{"m":1152921504606847000,"n":1}]')
    sequence.check(play, 101, b'42["e",2]')


@pytest.mark.parametrize("text", [b'42["e",2]', b'42["e",{"n":1}]', b'42["f",{"n":1,"m":1152921504606846976}]'])
def test_what_is_not_due_ends_the_run(text: bytes) -> None:
    sequence, play = _sequence()
    with pytest.raises(LoadError, match="emission 100 was due and this came"):
        sequence.check(play, 100, text)


def test_who_joins_on_the_way_gets_all_that_is_due_from_then_on() -> None:
    _, play = _sequence()  # emission 100 is due at the beginning, then one every 50 ms
    began_ns, ms = 7_000_000_000, 1_000_000
    for got, joined_ms in ((3, 110), (3, 149), (5, 0), (5, -10)):
        assert play.first_of(got, 105, began_ns + joined_ms * ms, began_ns) == 105 - got
    with pytest.raises(LoadError, match="had joined before emission 101 was due"):
        play.first_of(3, 105, began_ns + 49 * ms, began_ns)


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


# The command line and the report


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


@pytest.mark.parametrize("arguments", [["--clients", "0"], ["--seconds", "100"], ["--rounds", "0"]])
def test_figures_out_of_bounds_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "must be" in capsys.readouterr().err


def test_a_reader_that_stalls_is_told_of_and_the_others_receive_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stall", "--minutes", "0.03", "--clients", "2", "--rate", "100"]) == 0
    said = capsys.readouterr().out
    *_, last = (line.split("|") for line in said.splitlines() if line.startswith("|"))
    assert int(last[2]) > 0  # messages
    least, most = map(int, re.findall(r"(\d+) to (\d+) bytes each", said)[0])
    assert 0 < least <= most


def test_every_way_has_settings_and_a_server() -> None:
    for way in WAYS:
        assert way_settings(way)
        assert f"reznet-{way}" in CONTESTANTS


def _made_up(number: int, name: str, cpu_s: float) -> Run:
    phase = {
        "messages": 10,
        "deliveries": 1000,
        "wire_bytes": 100_000,
        "seconds": 1.0,
        "server_cpu_s": cpu_s,
        "load_share": 0.9,
        "p50_ms": 1.0,
        "p95_ms": 2.0,
        "p99_ms": 3.0,
    }
    return Run(number, name, 100, 20, 0.1, 30_000.0, {"joined": phase})


def test_targets_are_ratios_within_a_round_and_said_to_be_reached_or_missed_by_how_much() -> None:
    plan = Plan(clients=(100,), rounds=2, phases=("joined",))
    # Round by round CPU is a tenth, though the rounds differ by more.
    runs = [_made_up(0, "uvicorn", 0.1), _made_up(0, "reznet-recommended", 0.01), _made_up(0, "floor", 0.005)]
    runs += [_made_up(1, "uvicorn", 0.4), _made_up(1, "reznet-recommended", 0.04), _made_up(1, "floor", 0.02)]
    said = {(one.figure, one.to): one.said for one in judge(runs, plan)}
    assert said == {
        ("wire bytes, all joined first", "uvicorn"): "missed by 33 %",
        ("CPU", "uvicorn"): "reached",
        ("CPU", "floor"): "missed by 33 %",
        ("memory per connection", "uvicorn"): "missed by 82 %",
        ("p95", "uvicorn"): "reached",
    }
    report = write_report(runs, plan, MACHINE)
    assert "25.0 (10.0–40.0)" in report
    assert "90% !" in report
    assert {trace.name for trace in draw(runs, plan).data} == {"uvicorn", "reznet-recommended", "floor"}
