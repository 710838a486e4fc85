"""Trials: real servers with few clients, whose bytes are known exactly, in every topology."""

from __future__ import annotations

import dataclasses
import json
import sys
import zlib
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.contestants import BASELINE, CANDIDATE, CONTESTANTS, MAIN, WAYS, Contestant
from benchmarks.emissions import TRAFFICS
from benchmarks.machine import lacks
from benchmarks.plan import FILLING_MESSAGES, OPENING_MESSAGES, PHASES, Cell, Plan
from benchmarks.results_report import write_report
from benchmarks.rounds import Trial, interleave
from reznet_ws.demo.topologies import TOPOLOGIES
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.script import Script, write_script

# Servers and clients are processes of their own, which take seconds to start on a busy machine.
pytestmark = pytest.mark.timeout(300)
CLIENTS = 20
MACHINE: dict[str, Any] = {
    "processor": "a processor",
    "cores": 2,
    "is_pinned": False,
    "versions": "Python",
    "traffic": "Seed 1",
}


def _plan(
    topology: str, traffic: str = "chat", phases: tuple[str, ...] = PHASES, servers: tuple[str, ...] = ("floor",)
) -> Plan:
    cell = Cell(topology, CLIENTS, servers, traffic, phases)
    return Plan(cells=(cell,), rounds=1, seconds=0.5, per_client_s=40, churn_share=0.2, churn_seconds=0.5)


@cache
def _script(plan: Plan) -> Script:
    (cell,) = plan.cells
    conversations = TRAFFICS[cell.traffic](8, 1)
    return write_script(TOPOLOGIES[cell.topology], cell.clients, conversations, plan.deliveries(cell), seed=1)


def _measure(name: str, plan: Plan) -> Trial:
    plan = dataclasses.replace(plan, cells=(dataclasses.replace(plan.cells[0], servers=(name,)),))
    (trial,) = interleave(plan, CONTESTANTS, lambda cell: _script(plan), lambda said: None)
    assert trial.error is None
    return trial


def _steady(plan: Plan) -> slice:
    """The emissions of the steady phase."""
    parts, _ = plan.parts(plan.cells[0], [len(slots) for slots in _script(plan).receivers()])
    (steady,) = (part for part in parts if part.name == "steady")
    return slice(steady.first, steady.first + steady.count)


def _frame_bytes(payload_bytes: int) -> int:
    return payload_bytes + header_bytes(payload_bytes)


def _texts(script: Script) -> list[bytes]:
    return [b"42" + json.dumps(message, separators=(",", ":")).encode() for message in script.messages]


@pytest.mark.parametrize("topology", ["private + all", "but the sender"])
def test_the_floor_sends_what_can_be_computed(topology: str) -> None:
    plan = _plan(topology)
    script, texts = _script(plan), _texts(_script(plan))
    trial = _measure("floor", plan)
    steady = trial.phases["steady"]
    sent = list(zip(script.sendings, script.receivers(), strict=True))[_steady(plan)]
    assert steady["deliveries"] == sum(len(slots) for _, slots in sent)
    assert steady["wire_bytes"] == sum(_frame_bytes(len(texts[one.message])) * len(slots) for one, slots in sent)
    _check_counts(trial)


def _check_counts(trial: Trial) -> None:
    opening, steady, churn, full = (trial.phases[name] for name in PHASES)
    assert OPENING_MESSAGES * CLIENTS <= opening["deliveries"] < (OPENING_MESSAGES + 1) * CLIENTS
    assert (steady["joins"], churn["joins"]) == (0, 2)
    assert full["deliveries"] > 0  # a busy machine does not get far in half a second
    assert all(phase["server_cpu_s"] > 0 and phase["load_share"] > 0 for phase in trial.phases.values())
    assert 0 < steady["p50_ms"] <= steady["p95_ms"] <= steady["p99_ms"]


def test_uvicorns_default_sends_nearly_what_can_be_computed() -> None:
    plan = _plan("rooms of 5")
    script, texts = _script(plan), _texts(_script(plan))
    trial = _measure(BASELINE, plan)
    _check_counts(trial)
    expected, steady = 0, _steady(plan)
    deflaters = [zlib.compressobj(wbits=-12, memLevel=5) for _ in range(CLIENTS)]
    for number, (sending, slots) in enumerate(zip(script.sendings, script.receivers(), strict=True)):
        for slot in slots:
            frame = deflaters[slot].compress(texts[sending.message]) + deflaters[slot].flush(zlib.Z_SYNC_FLUSH)
            if steady.start <= number < steady.stop:
                expected += _frame_bytes(len(frame) - 4)
    # Its compressor has seen the greeting, with an id that nobody knows before.
    assert trial.phases["steady"]["wire_bytes"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", [name for name in MAIN if name != BASELINE])
def test_every_main_server_delivers(name: str) -> None:
    reason = lacks(CONTESTANTS[name])
    if reason:
        pytest.skip(reason)
    _check_counts(_measure(name, _plan("private + all")))


def test_clients_of_format_2_get_each_message_once_and_unaltered() -> None:
    trial = _measure("reznet format 2", _plan("one room", phases=("opening", "steady", "churn")))
    assert trial.phases["steady"]["deliveries"] == trial.phases["steady"]["emissions"] * CLIENTS


@pytest.mark.parametrize(
    ("topology", "traffic"),
    [("private + all", "small"), ("rooms of 5 + all", "chat"), ("but the sender", "small"), ("topics", "chat")],
)
def test_no_topology_costs_more_bytes_than_stock(topology: str, traffic: str) -> None:
    plan = _plan(topology, traffic, ("opening", "steady", "churn"))
    stock, ours = (_measure(name, plan) for name in (BASELINE, CANDIDATE))
    # The promise leaves out a connection's first message: stock's compressor has seen the greeting before it.
    first_bytes = {"opening": 8 * CLIENTS, "steady": 0, "churn": 0}
    for phase, more_bytes in first_bytes.items():
        assert ours.phases[phase]["deliveries"] == stock.phases[phase]["deliveries"]
        assert ours.phases[phase]["wire_bytes"] <= 1.01 * stock.phases[phase]["wire_bytes"] + more_bytes, phase


# Turns


def _broken(name: str) -> Contestant:
    return Contestant(name, "floor", "", (sys.executable, "-c", "raise SystemExit('no luck')"))


def _tried(plan: Plan) -> list[Trial]:
    broken = {name: _broken(name) for cell in plan.cells for name in cell.servers}
    return list(
        interleave(plan, broken, lambda cell: _script(dataclasses.replace(plan, cells=(cell,))), lambda said: None)
    )


def test_a_server_that_does_not_start_is_told_and_not_fatal() -> None:
    plan = _plan("one room", servers=("broken",))
    (trial,) = _tried(plan)
    assert trial.error == "broken did not start: no luck"
    assert "broken: broken did not start" in write_report([trial], plan, MACHINE)


def test_every_round_begins_with_another_server() -> None:
    trials = _tried(Plan(cells=(Cell("one room", 1, ("a", "b"), phases=("opening",)),), rounds=3))
    assert [(one.round, one.name) for one in trials] == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_what_is_measured_once_is_left_out_of_the_other_rounds() -> None:
    cells = Cell("one room", 1, ("a",), phases=("opening",)), Cell("private", 1, ("a",), is_once=True)
    trials = _tried(Plan(cells=cells, rounds=2))
    assert [(one.round, one.topology) for one in trials] == [(0, "one room"), (0, "private"), (1, "one room")]


def test_parts_follow_one_another_and_memory_is_read_when_windows_are_full() -> None:
    plan = _plan("rooms of 5")
    parts, memory_after = plan.parts(plan.cells[0], [len(slots) for slots in _script(plan).receivers()])
    assert [part.name for part in parts] == ["opening", "", "steady", "", "churn", "full"]
    assert all(one.first + one.count == other.first for one, other in pairwise(parts))
    assert memory_after == 1
    assert sum(part.count for part in parts[:2]) * 5 >= (OPENING_MESSAGES + FILLING_MESSAGES) * CLIENTS
    assert [part.replaced for part in parts] == [0, 0, 0, 2, 2, 0]


def test_many_clients_are_sent_fewer_messages() -> None:
    plan = Plan(cells=())
    assert [plan.deliveries_per_s(clients) for clients in (60, 100, 1000)] == [1200, 2000, 5000]


def test_every_way_has_settings_and_a_server() -> None:
    for name, way in WAYS.items():
        assert way.settings()
        assert CONTESTANTS[f"reznet {name}"].query == ("" if way.format == 1 else f"&reznet={way.format}")
