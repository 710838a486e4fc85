"""The dashboard: switches for every layer on the left, what they do to the running lab on the right.

In: a `Lab`. Out: one widget to show in a notebook; assigning to a control's `.value` in a cell does what a click does.
Never: works in the thread of a callback (JupyterLab runs those on a subshell thread, nbval on the main thread): one
worker does it all, and the newest value wins.
Never: swallows an error: the status line shows it, `settle` raises it.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import os
import time
from typing import Any, Self

import ipywidgets as widgets

from reznet_ws.lab.dashboard.controls import SettingsControls, close_all, say_change, source_of
from reznet_ws.lab.dashboard.header import Header
from reznet_ws.lab.dashboard.load_controls import LoadControls, in_force
from reznet_ws.lab.dashboard.series import Series, still_note
from reznet_ws.lab.dashboard.tour import Tour
from reznet_ws.lab.dashboard.view import STILL_PX, View, draw_view
from reznet_ws.lab.dashboard.worker import Worker
from reznet_ws.lab.lab import Lab
from reznet_ws.lab.measurement import Measurement, Requirement
from reznet_ws.settings import Settings

INTERVAL_S = 0.4
SETTLE_TIMEOUT_S = 90
# What was encoded under earlier settings has left by then.
_ON_ITS_WAY_S = 0.2
# A picture shows so many points, if they come in time.
_LEAST_POINTS = 40

_open: dict[str, Dashboard] = {}


def _in_force(lab: Lab) -> tuple[Settings, dict[str, str]]:
    """What the lab does, as far as the controls show it."""
    return lab.settings, in_force(lab)


class Dashboard:
    """Controls and live charts of one lab; it closes the one shown before for a lab of the same name.

    Controls: `preset`, `toggles[layer]`, `figures[field]`, `events[event]`, `users`, `rate`, `mix`,
    `topology`, `room_size`, `to_all`, `shares[format]`, `churn`, `slow`;
    buttons: `start_button`, `stop_button`, `reset_button`, `tour_button`. After assigning to a `.value`, `settle()`
    waits until it has taken effect. Every change lets the counts begin anew, so that no figure mixes two settings.
    """

    def __init__(self, lab: Lab, *, start: bool = False) -> None:
        """`start` it at once, without waiting until all clients are connected."""
        self.lab = lab
        before = _open.pop(lab.name, None)
        if before is not None:
            before.close()
        self.series = Series()
        self.view = View()
        self._tour: Tour | None = None
        self.requirements: list[Requirement] = []
        self._seconds = 0.0
        self._worker = Worker(
            "reznet-dashboard",
            tick=self._tick,
            is_ticking=lambda: lab.is_running,
            failed=self._show_error,
            interval_s=INTERVAL_S,
        )
        self._settings_controls = SettingsControls(lab.settings, self._change_settings)
        self.preset = self._settings_controls.preset
        self.toggles = self._settings_controls.toggles
        self.figures = self._settings_controls.figures
        self.events = self._settings_controls.events
        self._load = LoadControls(lab, lambda what: self._worker.submit(what, lambda: self._apply_load(what)))
        self.users, self.rate, self.mix = self._load.users, self._load.rate, self._load.mix
        self.topology, self.room_size, self.to_all = self._load.topology, self._load.room_size, self._load.to_all
        self.shares, self.churn, self.slow = self._load.shares, self._load.churn, self._load.slow
        self._header = Header(
            start=lambda: self._worker.submit("power", self._start),
            stop=lambda: self._worker.submit("power", self._stop),
            reset=lambda: self._worker.submit("reset", self._reset),
            tour=lambda: self._worker.submit("tour", self._begin_tour),
        )
        self.start_button, self.stop_button = self._header.start_button, self._header.stop_button
        self.reset_button, self.tour_button = self._header.reset_button, self._header.tour_button
        self.status = self._header.status
        self.box = self._make_box()
        self._in_force = _in_force(lab)
        _open[lab.name] = self
        lab.watchers.append(self._follow)
        self._show_state()
        self._follow()
        if start:
            self._worker.submit("power", self._start)

    # What a cell calls

    def start(self) -> Self:
        """Start the lab, or start it anew, and wait until all clients are connected."""
        self._worker.submit("power", self._start)
        return self.settle()

    def stop(self) -> Self:
        """Stop the lab and wait until it has stopped; the dashboard stays, and its start button works."""
        self._worker.submit("power", self._stop)
        return self.settle()

    def reset(self) -> Self:
        """Count everything from now on."""
        self._worker.submit("reset", self._reset)
        return self.settle()

    def measure(self, seconds: float, *, restart: bool = False) -> Measurement:
        """Let everything take effect, and measure from then on for a while.

        Two measurements compare well after a `restart`: the same messages, and nothing in any deflate window yet.
        """
        if restart:
            self._worker.submit("power", self._start)
        self.settle()
        if not restart:
            time.sleep(_ON_ITS_WAY_S)
            self.reset()
        time.sleep(seconds)
        return self.lab.measure()

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> Self:
        """Wait until everything asked for has taken effect. Raises: what failed, TimeoutError."""
        self._worker.settle(timeout_s)
        return self

    def show(self) -> None:
        """Display it; showing it again adds a view, and nothing else."""
        from IPython.display import display

        display(self)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Take it off the page and end its thread; the lab runs on. Doing it twice does nothing."""
        self._let_go()
        close_all(self.box)

    def _let_go(self) -> None:
        self._worker.close()
        if self._follow in self.lab.watchers:
            self.lab.watchers.remove(self._follow)
        if _open.get(self.lab.name) is self:
            del _open[self.lab.name]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        bundle: dict[str, Any] = dict(self.box._repr_mimebundle_() or {})
        bundle["text/plain"] = repr(self)
        # Who saves notebooks gives so many seconds for a picture; nobody else waits for one.
        deadline_s = time.monotonic() + (wait_s := float(os.environ.get("REZNET_PICTURE_S", "0")))
        while wait_s and self.series.point_count < _LEAST_POINTS and time.monotonic() < deadline_s:
            time.sleep(0.05)
        picture = draw_view({**self.view.state, "note": still_note(["the dashboard"])}) if wait_s else None
        if picture is None:
            return bundle, {}
        bundle["image/png"] = base64.b64encode(picture).decode()
        return bundle, {"image/png": {"width": STILL_PX}}

    def __repr__(self) -> str:
        return f"Dashboard of {self.lab.name!r}"

    # Making the widgets

    def _make_box(self) -> Any:
        controls = self._settings_controls
        left = widgets.VBox([self.preset, controls.switches, self._load.box, controls.figures_box])
        left.add_class("reznet-controls")
        right = widgets.VBox([self.view])
        right.add_class("reznet-right")
        body = widgets.HBox([left, right])
        body.add_class("reznet-body")
        box = widgets.VBox([self._header.box, body])
        box.add_class("reznet-dashboard")
        return box

    # Commands; all in the worker's thread

    def _change_settings(self, settings: Settings) -> None:
        self._worker.submit("settings", lambda: self._apply_settings(settings))

    def _apply_settings(self, settings: Settings) -> None:
        self._end_tour()
        self.series.mark(time.monotonic(), say_change(self.lab.settings, settings))
        self.lab.settings = settings
        self._applied()

    def _apply_load(self, what: str) -> None:
        changed = self._load.apply(what, self._header.show_progress)
        if changed:
            self.series.mark(time.monotonic(), changed)
        self._applied()

    def _applied(self) -> None:
        self._in_force = _in_force(self.lab)
        self._header.show_error(None)
        self._reset()

    def _start(self) -> None:
        self._header.show_error(None)
        self._seconds = 0.0
        self.series.interrupt(time.monotonic())
        self.lab.restart(self._header.show_progress)
        self._show_state()

    def _stop(self) -> None:
        self._end_tour()
        self._header.show_error(None)
        self.lab.stop()
        self._show_state()

    def _reset(self) -> None:
        self._seconds = 0.0
        if self.lab.is_running:
            self.lab.reset()
        self._show_state()

    def _tick(self) -> None:
        if _in_force(self.lab) != self._in_force:
            self._show_in_force()
        try:
            measurement = self.lab.measure()
        except RuntimeError:
            if self.lab.is_running:
                raise
            return  # stopped meanwhile, by a cell
        self._show_measurement(measurement)
        if self._tour is not None:
            for step in self._tour.due(time.monotonic()):
                self.series.mark(time.monotonic(), say_change(self.lab.settings, step.settings))
                self._header.caption = step.caption
                self.lab.settings = step.settings
                self._show_in_force()
                self._reset()
            self._tour = None if self._tour.is_over else self._tour

    def _begin_tour(self) -> None:
        self._tour = Tour(time.monotonic())

    def _end_tour(self) -> None:
        self._tour, self._header.caption = None, ""

    # Showing

    def _follow(self) -> None:
        """The lab started or stopped, perhaps from a cell."""
        self._worker.submit("state", self._show_state)

    def _show_in_force(self) -> None:
        """A cell changed the lab itself; let the controls follow."""
        self._in_force = _in_force(self.lab)
        self._settings_controls.show(self.lab.settings)
        self._load.show()

    def _show_measurement(self, measurement: Measurement) -> None:
        self._seconds = measurement.seconds
        self.requirements = measurement.requirements()
        self.series.add(time.monotonic(), measurement)
        self._show_state()

    def _show_state(self) -> None:
        url = None
        with contextlib.suppress(RuntimeError):  # stopped, perhaps just now
            url = self.lab.url
        self._header.show_state(url, self._seconds)
        state = self.series.state(time.monotonic(), is_running=url is not None)
        self.view.state = {**state, "settings": source_of(self.lab.settings), "load": in_force(self.lab)}

    def _show_error(self, error: Exception) -> None:
        self._header.show_error(error)
        self._show_state()


@atexit.register
def _let_go_of_all() -> None:
    """Before the labs stop, which would wake the workers once more."""
    for dashboard in list(_open.values()):
        dashboard._let_go()
