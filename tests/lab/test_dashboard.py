"""The dashboard without a browser: assigning to a widget's value does what a click does."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import pytest

from reznet_ws.demo.topologies import ONE_ROOM, Topology
from reznet_ws.draw.look import LAYER_COLOURS
from reznet_ws.draw.picture import find_browser
from reznet_ws.lab import lab as lab_module
from reznet_ws.lab.dashboard.controls import HIDDEN, SettingsControls, label, say_change, source_of, stops
from reznet_ws.lab.dashboard.dashboard import Dashboard
from reznet_ws.lab.dashboard.header import Header
from reznet_ws.lab.dashboard.load_controls import PRIVATE, ROOMS, SENDER, kind_of, topology_of
from reznet_ws.lab.dashboard.series import MAX_POINTS, SPEC, Series
from reznet_ws.lab.dashboard.tour import STEP_S, STEPS, Tour
from reznet_ws.lab.dashboard.worker import Worker
from reznet_ws.lab.lab import Lab
from reznet_ws.lab.measurement import Measurement
from reznet_ws.replay.ablation import LAYERS
from reznet_ws.settings import Settings

WAIT_S = 20
USERS = 4


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    """One small lab for all tests that only switch it."""
    lab = Lab(name="panel", users=USERS, rate_per_s=100).start()
    yield lab
    lab.stop()


@pytest.fixture
def dashboard(running: Lab) -> Iterator[Dashboard]:
    """A dashboard of the running lab, which ends as it began."""
    running.settings = Settings.recommended()
    made = Dashboard(running)
    yield made
    made.close()


def wait_for(condition: Callable[[], Any]) -> None:
    """Until it is true."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "nothing came"
        time.sleep(0.01)


def threads(name: str = "reznet-dashboard") -> list[threading.Thread]:
    """Those of that name that live."""
    return [thread for thread in threading.enumerate() if thread.name == name]


# Built from the settings' metadata


def test_every_field_has_a_widget_with_its_label_and_bounds(dashboard: Dashboard) -> None:
    for item in dataclasses.fields(Settings):
        if item.name in (*HIDDEN, "batch_events"):
            continue
        widget = (dashboard.toggles | dashboard.figures)[item.name]
        if "low" not in item.metadata:
            assert isinstance(widget, widgets.Checkbox)
            assert widget.description == item.metadata["label"]
        else:
            slider_bounds = _bounds(widget)
            assert slider_bounds == (item.metadata["low"], item.metadata["high"]), item.name
    assert list(dashboard.toggles) == list(LAYERS) == list(LAYER_COLOURS)


def test_labels_carry_their_units(dashboard: Dashboard) -> None:
    text = " ".join(widget.value for widget in _all_widgets(dashboard.box) if isinstance(widget, widgets.HTML))
    for item in dataclasses.fields(Settings):
        if item.metadata.get("unit") and item.name not in HIDDEN:
            assert f"{item.metadata['label']}, {item.metadata['unit']}" in text


def test_a_wide_range_has_stops_that_hold_its_bounds_and_every_presets_value() -> None:
    assert stops(0, 100, "bytes", [10]) == [0, 10, 16, 32, 64, 100]
    assert stops(1, 20, "ms", [7]) == [1, 2, 5, 7, 10, 20]


def test_a_figure_between_the_stops_can_be_shown(dashboard: Dashboard) -> None:
    dashboard.lab.settings = Settings(batch=True, batch_window_ms=37, gzip_threshold_bytes=777)
    wait_for(lambda: dashboard.figures["batch_window_ms"].value == 37)
    assert dashboard.figures["gzip_threshold_bytes"].value == 777


# What a change does


@pytest.mark.parametrize("name", list(Settings.presets()))
def test_a_preset_sets_every_toggle_and_figure(dashboard: Dashboard, name: str) -> None:
    dashboard.preset.value = name
    dashboard.settle()
    wanted = Settings.presets()[name]
    assert dashboard.lab.settings == wanted
    for field, widget in (dashboard.toggles | dashboard.figures).items():
        assert widget.value == getattr(wanted, field), field
    assert {event for event, box in dashboard.events.items() if box.value} == wanted.batch_events


@pytest.mark.parametrize("layer", LAYERS)
def test_every_toggle_reaches_the_lab_and_leaves_the_preset(dashboard: Dashboard, layer: str) -> None:
    toggle = dashboard.toggles[layer]
    before = dashboard.lab.settings
    toggle.value = not toggle.value
    dashboard.settle()
    assert dashboard.lab.settings == before.replace(**{layer: toggle.value})
    assert dashboard.preset.value is None
    toggle.value = not toggle.value
    dashboard.settle()
    assert dashboard.lab.settings == before
    assert dashboard.preset.value == "recommended"


def test_every_figure_reaches_the_lab(dashboard: Dashboard) -> None:
    for name, widget in dashboard.figures.items():
        value = _another_value(widget)
        widget.value = value
        dashboard.settle()
        assert getattr(dashboard.lab.settings, name) == value


def test_an_event_may_be_let_wait(dashboard: Dashboard) -> None:
    dashboard.events["error"].value = True
    dashboard.settle()
    assert "error" in dashboard.lab.settings.batch_events


def test_what_has_no_effect_is_greyed_out(dashboard: Dashboard) -> None:
    assert dashboard.figures["gzip_level"].disabled
    assert dashboard.figures["deflate_threshold_bytes"].disabled
    dashboard.toggles["gzip"].value = True
    dashboard.figures["deflate_takeover"].value = False
    assert not dashboard.figures["gzip_level"].disabled
    assert not dashboard.figures["deflate_threshold_bytes"].disabled


def test_the_figures_move_when_deflate_is_switched(dashboard: Dashboard) -> None:
    on = dashboard.measure(0.5)
    dashboard.toggles["deflate"].value = False
    off = dashboard.measure(0.5)
    assert on.reduction_percent is not None
    assert off.reduction_percent is not None
    assert on.savings_bytes["deflate"] > 0 == off.savings_bytes["deflate"]
    assert off.reduction_percent < on.reduction_percent - 30
    wait_for(lambda: _reduction_shown(dashboard) < 40)


def test_traffic_and_clients_follow_their_sliders(dashboard: Dashboard) -> None:
    dashboard.users.value, dashboard.rate.value, dashboard.mix.value = USERS + 2, 50, "status"
    dashboard.settle()
    lab = dashboard.lab
    assert (lab.users, lab.rate_per_s, lab.mix) == (USERS + 2, 50, "status")
    assert lab.measure().counts.connected == USERS + 2
    dashboard.users.value, dashboard.rate.value, dashboard.mix.value = USERS, 100, "chat"
    dashboard.settle()
    assert lab.measure().counts.connected == USERS


def test_topology_formats_and_habits_follow_their_controls_while_it_runs(dashboard: Dashboard) -> None:
    lab = dashboard.lab
    dashboard.topology.value, dashboard.to_all.value = "private streams", 0.2
    dashboard.settle()
    assert lab.topology == Topology(name="private streams", room_size=1, to_all_share=0.2)
    assert dashboard.room_size.disabled
    assert not dashboard.to_all.disabled
    wait_for(lambda: (dashboard.view.state["lines"]["receivers"][-1] or USERS) < USERS / 2)
    dashboard.shares["plain"].value = 0.5
    dashboard.shares["rows"].value = 0.75
    assert dashboard.shares["plain"].value == 0.25
    dashboard.settle()
    assert lab.formats == {"plain": 0.25, "rows": 0.75, "packed": 0}
    connections = lab.site.manager.road.connections
    assert sorted(bool(one.granted_rows) for one in connections.values()) == [False, True, True, True]
    assert lab.measure().counts.connected == USERS
    dashboard.churn.value, dashboard.slow.value = 10, 0.5
    dashboard.settle()
    assert (lab.scenario.churn, lab.scenario.slow_readers) == (USERS / 10, 0.5)
    before = {*connections}
    wait_for(lambda: {*connections} - before)
    measured = lab.measure()
    assert (measured.counts.drops, measured.counts.wrong) == (0, 0)
    said = ", ".join(mark["text"] for mark in dashboard.view.state["marks"])
    for text in ("private streams, 20% to all", "25% plain, 75% rows", "churn 10 %", "50% slow"):
        assert text in said
    dashboard.topology.value, dashboard.to_all.value, dashboard.churn.value, dashboard.slow.value = "one room", 0, 0, 0
    dashboard.shares["rows"].value = dashboard.shares["plain"].value = 0
    dashboard.settle()
    assert (lab.topology, lab.scenario.churn) == (ONE_ROOM, 0)


@pytest.mark.parametrize("topology", [ONE_ROOM, *(topology_of(kind, 7, 0.25) for kind in (ROOMS, PRIVATE, SENDER))])
def test_a_topology_comes_back_from_its_controls(topology: Topology) -> None:
    assert topology_of(kind_of(topology), topology.room_size or 2, topology.to_all_share) == topology


def test_the_controls_follow_what_a_cell_does_to_the_lab(dashboard: Dashboard) -> None:
    dashboard.lab.settings = Settings.stock()
    dashboard.lab.set_traffic(topology=topology_of(ROOMS, 3, 0.1))
    wait_for(lambda: dashboard.preset.value == "stock" and dashboard.topology.value == ROOMS)
    assert (dashboard.room_size.value, dashboard.to_all.value) == (3, 0.1)
    dashboard.lab.set_traffic(topology=ONE_ROOM)
    assert not dashboard.toggles["batch"].value
    assert dashboard.lab.settings == Settings.stock()


# Starting, stopping, threads


def test_start_stop_and_start_again() -> None:
    lab = Lab(name="power", users=2, rate_per_s=50)
    dashboard = Dashboard(lab)
    try:
        assert dashboard.stop_button.disabled
        dashboard.start_button.click()
        dashboard.settle()
        assert lab.is_running
        assert lab.measure().counts.connected == 2
        dashboard.stop_button.click()
        dashboard.settle()
        assert not lab.is_running
        assert not threads()
        assert "stopped" in dashboard.status.value
        dashboard.shares["plain"].value = 1
        dashboard.users.value = 3
        dashboard.settle()
        assert dashboard.start().lab.measure().counts.connected == 3
        assert lab.formats == {"plain": 1, "rows": 0, "packed": 0}
    finally:
        lab.stop()
        dashboard.close()


def test_a_stop_in_a_cell_ends_the_ticker(running: Lab) -> None:
    lab = Lab(name="cell", users=1).start()
    dashboard = Dashboard(lab)
    wait_for(threads)
    lab.stop()
    dashboard.settle()
    assert not threads()
    assert "stopped" in dashboard.status.value
    dashboard.close()


def test_showing_twice_and_making_twice_leave_one_ticker(dashboard: Dashboard) -> None:
    dashboard.show()
    dashboard.show()
    again = Dashboard(dashboard.lab)
    again.settle()
    assert len(threads()) == 1
    assert dashboard.box.comm is None
    again.close()
    assert not threads()
    assert dashboard.lab.is_running


def test_an_error_shows_and_settle_raises_it(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(users: int, progress: Any = None) -> None:
        raise TimeoutError("<3> of 9 clients")

    monkeypatch.setattr(dashboard.lab, "set_users", refuse)
    dashboard.users.value = 9
    with pytest.raises(TimeoutError, match="<3> of 9"):
        dashboard.settle()
    assert "TimeoutError: &lt;3&gt; of 9 clients" in dashboard.status.value
    dashboard.settle()
    dashboard.users.value = USERS
    dashboard.settle()
    assert "TimeoutError" not in dashboard.status.value


def test_of_many_commands_under_one_key_the_newest_runs() -> None:
    ran: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        go.wait(WAIT_S)

    worker = Worker(
        "reznet-test", tick=lambda: None, is_ticking=lambda: False, failed=lambda error: None, interval_s=0.1
    )
    worker.submit("first", block)
    assert begun.wait(WAIT_S)
    for number in range(50):
        worker.submit("users", lambda number=number: ran.append(number))  # type: ignore[misc]
    go.set()
    worker.settle(WAIT_S)
    assert ran == [49]
    assert not threads("reznet-test")


# What it shows


def test_cpu_and_histories_are_drawn_and_said(dashboard: Dashboard) -> None:
    measurement = dashboard.measure(1, restart=True)
    series = Series()
    series.add(0.0, measurement)
    state = series.state(0.0, is_running=True)
    assert {one["key"] for chart in SPEC["charts"] for one in chart["series"]} == set(state["lines"])
    assert state["lines"]["histories"] == [1]
    assert state["lines"]["receivers"] == [pytest.approx(USERS, abs=0.5)]
    assert state["lines"]["compressions"] == [pytest.approx(1, abs=0.5)]
    assert state["lines"]["text_kb"][0] > 0
    assert state["memory_note"] == "1 compressors kept"
    assert state["lines"]["connections"] == state["lines"]["in_step"] == [USERS]
    (cpu_us,) = state["lines"]["cpu_us"]
    assert cpu_us == pytest.approx(measurement.cpu_us_per_delivery)
    assert state["cpu_note"] == f"{cpu_us:,.0f} on average since the last change"


def test_without_the_shared_window_nobody_is_in_step(dashboard: Dashboard) -> None:
    dashboard.figures["deflate_shared"].value = False
    assert dashboard.measure(0.5).stats["windows"]["in_step"] == 0
    dashboard.toggles["deflate"].value = False
    assert dashboard.figures["deflate_shared"].disabled


def test_ten_minutes_do_not_grow(running: Lab) -> None:
    series = Series()
    measurement = running.measure()
    for tick in range(int(600 / 0.4)):
        series.add(0.4 * tick, dataclasses.replace(measurement, seconds=0.4 * tick))
        series.mark(0.4 * tick, "deflate off")
    state = series.state(600, is_running=True)
    assert {len(line) for line in state["lines"].values()} == {len(state["ago_s"])} == {MAX_POINTS}
    assert len(state["marks"]) < MAX_POINTS


def test_rates_hold_across_a_reset_and_none_comes_too_early(running: Lab) -> None:
    series = Series()
    for now_s, seconds, wire, off in ((0.0, 0.4, 1000, 4000), (1.0, 1.4, 3000, 9000), (2.0, 1.0, 2000, 5000)):
        series.add(now_s, _measured(running.measure(), seconds, wire, off))
    lines = series.state(2.0, is_running=True)["lines"]
    assert lines["wire_kb_per_s"] == [None, pytest.approx(3 / 1.4), pytest.approx(2.0)]
    assert lines["off_kb_per_s"] == [None, pytest.approx(9 / 1.4), pytest.approx(5.0)]


def test_a_stopped_lab_says_stopped_on_every_card(running: Lab) -> None:
    series = Series()
    assert {card["said"] for card in series.state(0, is_running=False)["cards"]} == {"stopped"}
    series.add(0, running.measure())
    assert {card["said"] for card in series.state(0, is_running=True)["cards"]} <= {"✓ met", "✗ missed", "… measuring"}
    cards = series.state(0, is_running=False)["cards"]
    assert {(card["said"], card["value"], card["kind"]) for card in cards} == {("stopped", "–", "none")}


def test_a_change_is_marked_by_its_preset_or_its_field(dashboard: Dashboard) -> None:
    dashboard.preset.value = "stock"
    dashboard.settle()
    dashboard.toggles["batch"].value = True
    dashboard.settle()
    assert [mark["text"] for mark in dashboard.view.state["marks"]][-2:] == ["stock", "batch on"]
    assert say_change(Settings(), Settings(batch_window_ms=70)) == "batch_window_ms 70"
    assert say_change(Settings(), Settings(batch_window_ms=70, gzip=True)) == "2 settings"


@pytest.mark.parametrize("settings", [*Settings.presets().values(), Settings(batch_events=frozenset({"b", "a"}))])
def test_settings_can_be_taken_away_as_code(settings: Settings) -> None:
    assert eval(source_of(settings), {"Settings": Settings}) == settings
    assert source_of(Settings()) == "Settings()"


# The tour


def test_a_tour_takes_each_step_once_at_its_time() -> None:
    tour = Tour(100.0)
    taken = [step for tenth in range(int(10 * STEP_S * len(STEPS))) for step in tour.due(100.0 + tenth / 10)]
    assert taken == list(STEPS)
    assert tour.is_over
    assert taken[-1].settings == Settings.recommended()


def test_a_tour_switches_the_lab_until_somebody_switches_something(dashboard: Dashboard) -> None:
    dashboard.tour_button.click()
    wait_for(lambda: dashboard.lab.settings == Settings.off())
    wait_for(lambda: STEPS[0].caption.split(":")[0] in dashboard.status.value)
    assert dashboard.preset.value == "off"
    dashboard.preset.value = "stock"
    dashboard.settle()
    wait_for(lambda: STEPS[0].caption.split(":")[0] not in dashboard.status.value)
    assert dashboard.lab.settings == Settings.stock()


def test_a_saved_copy_has_a_picture_and_a_text_that_never_changes(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REZNET_PICTURE_S", "1")
    data, metadata = dashboard._repr_mimebundle_()
    assert data["text/plain"] == "Dashboard of 'panel'"
    assert ("image/png" in data) is (find_browser() is not None)
    if "image/png" in data:
        assert data["image/png"].startswith("iVBOR")
        assert metadata["image/png"]["width"] > 0


def test_text_from_outside_is_escaped() -> None:
    evil = "<script>'\"&"
    assert "<script" not in label(evil).value
    header = Header(start=print, stop=print, reset=print, tour=print)
    header.show_error(ValueError(evil))
    header.caption = evil
    header.show_state(evil, 1)
    assert "<script" not in header.status.value


def test_showing_a_record_tells_nobody() -> None:
    told: list[Settings] = []
    controls = SettingsControls(Settings(), told.append)
    controls.show(Settings.seed())
    assert told == []
    controls.toggles["batch"].value = False
    assert told == [Settings.seed().replace(batch=False)]


def test_no_lab_is_left_behind() -> None:
    assert set(lab_module._running._things) <= {"panel"}


def _measured(measurement: Measurement, seconds: float, wire: int, off: int) -> Measurement:
    stats = {**measurement.stats, "wire": {**measurement.stats["wire"], "event_bytes": wire, "off_event_bytes": off}}
    return dataclasses.replace(measurement, seconds=seconds, stats=stats)


def _bounds(widget: Any) -> tuple[float, float]:
    if isinstance(widget, widgets.SelectionSlider):
        values = [value for _, value in widget.options]
        return values[0], values[-1]
    return widget.min, widget.max


def _another_value(widget: Any) -> Any:
    if isinstance(widget, widgets.Checkbox):
        return not widget.value
    low, high = _bounds(widget)
    return low if widget.value != low else high


def _all_widgets(widget: Any) -> list[Any]:
    return [widget, *(below for child in getattr(widget, "children", ()) for below in _all_widgets(child))]


def _reduction_shown(dashboard: Dashboard) -> float:
    (reduction,) = (item for item in dashboard.requirements if item.unit == "%")
    return 100.0 if reduction.measured is None else reduction.measured
