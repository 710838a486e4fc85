"""The lab with real clients in another process: what it measures is there, and nothing outlives it."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from reznet_ws.lab.clients.fleet import USERS_PER_PROCESS, Fleet
from reznet_ws.lab.comparison import LoadPlan, LoadRun, climb, compare, interleave, worst
from reznet_ws.lab.comparison_report import is_met, load_report
from reznet_ws.lab.lab import Lab, stop_all
from reznet_ws.lab.measurement import Latencies
from reznet_ws.replay.spread import Spread
from reznet_ws.settings import Settings

PARENT = """
import sys, time
from reznet_ws.lab.lab import Lab
lab = Lab(users=2).start()
print(*lab.fleet.process_ids, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, what: str, timeout_s: float = 15) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not in {timeout_s} s: {what}"
        time.sleep(0.02)


def test_a_lab_measures_what_its_clients_receive() -> None:
    shown: list[tuple[int, int]] = []
    lab = Lab(Settings.off(), name="measures", users=5, rate_per_s=100)
    lab.start(lambda connected, users: shown.append((connected, users)))
    try:
        wait_until(lambda: lab.measure().latency_n >= 100, "a hundred latencies")
        lab.silence()
        off = lab.measure()
        assert shown[-1] == (5, 5)
        assert off.counts.connected == 5
        assert off.wire_bytes == off.off_bytes > 0
        assert off.counts.received == off.deliveries
        assert off.p50_ms is not None
        assert off.p95_ms is not None
        assert 0 < off.p50_ms <= off.p95_ms
        assert not any(off.savings_bytes.values())

        lab.settings = Settings.recommended()
        lab.set_traffic(rate_per_s=100)
        lab.reset()
        wait_until(lambda: lab.measure().latency_n >= 100, "a hundred latencies")
        lab.silence()
        recommended = lab.measure()
        assert recommended.reduction_percent is not None
        assert recommended.reduction_percent > 40
        assert recommended.cpu_us_per_delivery is not None
        assert 0 < recommended.server_cpu_s < recommended.seconds
        assert sum(recommended.savings_bytes.values()) == recommended.off_bytes - recommended.wire_bytes
        for counts in (off.counts, recommended.counts):
            assert counts.drops == counts.wrong == 0
    finally:
        lab.stop()


def test_starting_twice_is_stopping_first_and_nothing_outlives_a_stop() -> None:
    first = Lab(name="twice", users=2).start()
    port = int(first.url.rpartition(":")[2])
    processes = first.fleet.process_ids
    second = Lab(name="twice", users=1).start()
    assert not first.is_running
    assert not any(map(is_alive, processes))
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again
    second.restart()
    assert second.is_running
    processes = second.fleet.process_ids
    stop_all()
    second.stop()
    assert not second.is_running
    assert not any(map(is_alive, processes))
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("reznet")]
    with pytest.raises(RuntimeError, match="'twice' is not running"):
        second.measure()


def test_clients_die_with_their_parent_however_it_dies() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert pids
        assert all(map(is_alive, pids))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(map(is_alive, pids)), "the clients' processes are gone")


def test_the_number_of_users_changes_while_it_runs_over_as_many_processes_as_it_takes() -> None:
    lab = Lab(name="grows", users=1, rate_per_s=0.1).start()
    try:
        lab.set_users(USERS_PER_PROCESS + 1)
        assert lab.measure().counts.connected == USERS_PER_PROCESS + 1
        assert len(lab.fleet.process_ids) == 2
        lab.set_users(3)
        measured = lab.measure()
        assert (measured.counts.connected, measured.counts.drops) == (3, 0)
    finally:
        lab.stop()


def test_figures_out_of_bounds_are_refused_and_nothing_is_left_running() -> None:
    with pytest.raises(ValueError, match="rate_per_s"):
        Lab(name="wrong", users=1, rate_per_s=1e9).start()
    with pytest.raises(ValueError, match="formats"):
        Lab(name="wrong", users=1, formats={"plain": 2}).start()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("reznet")]


def test_clients_that_find_no_server_are_an_error_and_not_a_wait() -> None:
    fleet = Fleet("http://127.0.0.1:9")
    try:
        fleet.resize(1)
        with pytest.raises(ConnectionError, match="0 of 1 clients connected, 1 were refused: Connection error"):
            fleet.wait()
        with pytest.raises(ValueError, match="users"):
            fleet.resize(-1)
    finally:
        fleet.stop()


def test_percentiles_are_those_of_what_was_counted() -> None:
    latencies = Latencies()
    assert latencies.percentile_ms(50) is None
    for ms in range(1, 101):
        latencies.add(ms)
    assert latencies.count == 100
    assert latencies.percentile_ms(50) == pytest.approx(50, rel=0.001)
    assert latencies.percentile_ms(95) == pytest.approx(95, rel=0.001)


def test_presets_are_compared_in_turn_and_the_report_says_what_they_did() -> None:
    load = LoadPlan(users=3, duration_s=0.3, rate_per_s=100)
    presets = {name: Settings.presets()[name] for name in ("off", "stock")}
    runs = list(interleave(presets, load, 2, time.sleep))
    assert [run.preset for run in runs] == ["off", "stock", "stock", "off"]
    ratio = compare(runs, lambda run: run.bytes_per_delivery, "off")
    assert ratio.low > 1
    assert ratio.verdict == "more"
    report = load_report(runs, load)
    assert "3 users, 100 messages a second" in report
    assert report.count("FAIL") >= 2  # too few users, and `off` saves nothing
    assert not is_met(runs, "off")


def test_a_ratio_whose_spread_holds_one_is_within_the_noise() -> None:
    assert Spread.of([0.9, 1.1, 1.0]).verdict == "within the noise"
    assert Spread.of([0.9, 0.95]).verdict == "less"
    assert f"{Spread.of([1, 2, 4]):.1f}" == "2.0 (1.0–4.0)"


def test_the_worst_run_decides() -> None:
    (run,) = interleave({"stock": Settings.stock()}, LoadPlan(users=2, duration_s=0.2, rate_per_s=50), 1, time.sleep)
    counts = dataclasses.replace(run.measured.counts, drops=3)
    bad = LoadRun("stock", dataclasses.replace(run.measured, counts=counts))
    board = {item.name: item for item in worst([run, bad], "stock")}
    assert board["connections dropped"].measured == 3
    assert not board["connections dropped"].passed


def test_climbing_ends_where_the_latencies_leave_the_requirements() -> None:
    short = LoadPlan(duration_s=0.2, rate_per_s=20)
    steps = [users for users, _ in climb(Settings.off(), short, [1, 2], time.sleep)]
    assert steps[0] == 1
    assert steps in ([1], [1, 2])
