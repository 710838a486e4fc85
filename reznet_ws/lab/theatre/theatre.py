"""The frame theatre: frames on their way from the server to some clients, each a box of its true length.

In: a running `Lab`. Out: one widget; `take_apart(number)` does what a click on a box does.
Never: changes what is sent, works in the server's thread beyond noting a frame, or keeps more than is on the stage.
"""

from __future__ import annotations

import base64
import contextlib
import os
import time
from pathlib import Path
from typing import Any, Self

import anywidget
import traitlets

from reznet_ws.draw.still import draw_still
from reznet_ws.lab.dashboard.worker import Worker
from reznet_ws.lab.lab import Lab
from reznet_ws.lab.theatre.detail import describe, describe_other, steps_of, switches
from reznet_ws.lab.theatre.lane import Lane, LaneFrame
from reznet_ws.lab.theatre.watch import Seat, Watch
from reznet_ws.lab.theatre.what_if import SWITCHES, what_if

INTERVAL_S = 0.4
MOST_LANES = 12
SCALES = (1, 2, 4, 8, 16)
_FOLDER = Path(__file__).parent
_STILL_PX = 1080
_LEAST_FRAMES = 8
_TIMEOUT_S = 30.0
_ENOUGH_S = 2.0
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_open: dict[str, Theatre] = {}


class TheatreView(anywidget.AnyWidget):
    """The stage, and the frame that was taken apart."""

    _esm = _FOLDER / "theatre.js"
    _css = _FOLDER / "theatre.css"
    state = traitlets.Dict().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)
    scale = traitlets.Int(1).tag(sync=True)


class Theatre:
    """Lanes of some clients of one lab; it closes the one shown before for a lab of the same name.

    `bytes_per_px`: how many bytes a pixel stands for at first. Raises: ValueError for fewer lanes than one or more than
    `MOST_LANES`, or another scale than those of `SCALES`.
    """

    def __init__(self, lab: Lab, lanes: int = 6, bytes_per_px: int = 1) -> None:
        if not 1 <= lanes <= MOST_LANES:
            raise ValueError(f"lanes is {lanes!r}; it must be from 1 to {MOST_LANES}")
        if bytes_per_px not in SCALES:
            raise ValueError(f"bytes_per_px is {bytes_per_px!r}; it must be one of {', '.join(map(str, SCALES))}")
        self.lab, self.lanes = lab, lanes
        before = _open.pop(lab.name, None)
        if before is not None:
            before.close()
        self.view = TheatreView(scale=bytes_per_px)
        self.view.on_msg(self._hear)
        self._watch: Watch | None = None
        self._lanes: dict[Any, Lane] = {}
        self._letters: dict[int, str] = {}
        # What the page has, and had before, which it may not have redrawn yet: by number, with the lane's seat.
        self._shown: list[dict[int, tuple[Seat, LaneFrame]]] = [{}, {}]
        # Whether somebody looks at a frame, so that those on the stage stay.
        self._is_held = False
        self._opened: LaneFrame | None = None
        self._opened_kind = "plain"
        self._opened_settings = lab.settings
        self._worker = Worker(
            "reznet-theatre",
            tick=self._tick,
            is_ticking=lambda: lab.is_running,
            failed=self._show_error,
            interval_s=INTERVAL_S,
        )
        _open[lab.name] = self
        lab.watchers.append(self._follow)
        self._follow()
        self._worker.settle(_TIMEOUT_S)  # what is emitted from now on is seen

    # What a cell calls

    @property
    def frames(self) -> list[LaneFrame]:
        """Those on the stage, each once, the oldest first."""
        found = {frame.seen.number: frame for lane in list(self._lanes.values()) for frame in list(lane.frames)}
        return [found[number] for number in sorted(found)]

    def wait(self, frames: int = _LEAST_FRAMES, timeout_s: float = _TIMEOUT_S) -> Self:
        """Wait until so many frames are on the stage. Raises: TimeoutError, what failed."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.frames) < frames:
            self._worker.settle(timeout_s)
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{len(self.frames)} of {frames} frames in {timeout_s:g} s")
            time.sleep(0.05)
        return self

    def take_apart(self, number: int, switch: str | None = None) -> dict[str, Any]:
        """What a frame consists of, and with one layer the other way; also shown. Raises: KeyError where it left."""
        self._worker.submit("open", lambda: self._open_frame(number))
        if switch is not None:
            self._worker.submit("switch", lambda: self._switch(switch))
        self._worker.settle(_TIMEOUT_S)
        return dict(self.view.detail)

    def close(self) -> None:
        """Look no longer, and end the thread; the lab runs on. Doing it twice does nothing."""
        self._worker.close()
        if self._follow in self.lab.watchers:
            self.lab.watchers.remove(self._follow)
        self._leave()
        self._lanes.clear()
        if _open.get(self.lab.name) is self:
            del _open[self.lab.name]
        self.view.close()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        bundle: dict[str, Any] = dict((self.view._repr_mimebundle_() or [{}])[0])
        bundle["text/plain"] = repr(self)
        wait_s = float(os.environ.get("REZNET_PICTURE_S", "0"))
        picture = None
        if wait_s:
            self._wait_for_a_picture(time.monotonic() + wait_s)
            note = "A picture of the theatre. Run the cell for the live one."
            files = _FOLDER / "theatre.js", _FOLDER / "theatre.css"
            shown = [{**self.view.state, "note": note}, self.view.detail, self.view.scale]
            picture = draw_still(*files, shown, box="reznet-theatre-still", width_px=_STILL_PX)
        if picture is None:
            return bundle, {}
        bundle["image/png"] = base64.b64encode(picture).decode()
        return bundle, {"image/png": {"alt": self._finding, "width": _STILL_PX}}

    @property
    def _finding(self) -> str:
        said = f"Frames on their way to {len(self._lanes)} clients, each a box of its true length"
        if not (detail := self.view.detail):
            return said
        bits = ", ".join(f"{part['name']} {part['bits']} bits" for part in detail["now"]["sums"])
        return f"{said}; {detail['label']} of {detail['now']['bytes']} bytes taken apart: {bits}"

    def _wait_for_a_picture(self, deadline_s: float) -> None:
        """Until some frames are on the stage, or no more come."""
        count, since_s = 0, time.monotonic()
        while count < _LEAST_FRAMES and time.monotonic() < deadline_s:
            time.sleep(0.05)
            if len(self.frames) != count:
                count, since_s = len(self.frames), time.monotonic()
            elif count and time.monotonic() > since_s + _ENOUGH_S:
                return

    def __repr__(self) -> str:
        return f"Theatre of {self.lab.name!r}"

    # Commands; all in the worker's thread

    def _follow(self) -> None:
        """The lab started or stopped."""
        self._worker.submit("lab", self._begin)

    def _begin(self) -> None:
        self._leave()
        self._is_held = False
        if self.lab.is_running:
            self._lanes.clear()
            self._watch = watch = Watch(self.lab.site.manager.road)
            self.lab.server.call(lambda: watch.begin(self.lanes))
        self._show()

    def _leave(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            with contextlib.suppress(Exception):  # the server may be gone
                self.lab.server.call(watch.end)

    def _tick(self) -> None:
        watch = self._watch
        if watch is None:
            return
        try:
            self.lab.server.call(lambda: watch.fill_seats(self.lanes))
        except RuntimeError:
            if self.lab.is_running:
                raise
            return  # stopped meanwhile
        self._follow_seats(watch)
        known: dict[int, Any] = {}
        for seen in watch.take():
            for seat in seen.seats:
                if (lane := self._lanes.get(seat)) is not None:
                    known[seen.number] = lane.add(seen, known.get(seen.number)).runs
        if not self._is_held:
            self._show()

    def _follow_seats(self, watch: Watch) -> None:
        seats = list(watch.seats)
        if not seats:
            return  # all have gone, as where a lab stops: what they were sent stays to be looked at
        self._lanes = {seat: self._lanes.get(seat) or Lane(seat) for seat in seats}
        histories = list(dict.fromkeys(seat.history for seat in seats if seat.history is not None))
        letters = {history: self._letters[history] for history in histories if history in self._letters}
        free = iter(letter for letter in _LETTERS if letter not in letters.values())
        self._letters = {history: letters.get(history) or next(free) for history in histories}

    def _open_frame(self, number: int) -> None:
        for frames in (self._on_stage(), *self._shown):
            if number in frames:
                seat, self._opened = frames[number]
                self._opened_kind, self._opened_settings = seat.kind, self.lab.settings
                self._show_detail(seat.sid)
                return
        raise KeyError(f"frame {number} is on the stage no longer")

    def _on_stage(self) -> dict[int, tuple[Seat, LaneFrame]]:
        return {frame.seen.number: (lane.seat, frame) for lane in self._lanes.values() for frame in lane.frames}

    def _hold(self, is_held: bool) -> None:
        self._is_held = is_held
        if not is_held:
            self._show()

    def _show_detail(self, sid: str) -> None:
        frame = self._opened
        assert frame is not None
        read = frame.message.read
        self.view.detail = {
            "number": frame.seen.number,
            "label": read.label,
            "sid": sid,
            "receivers": frame.seen.receivers,
            "steps": steps_of(frame.message, self._opened_kind),
            "switches": switches(self._opened_kind, self._opened_settings, is_read=bool(read.events)),
            "now": describe(frame.seen.wire, frame.message.data, frame.before),
            "other": None,
        }

    def _switch(self, name: str) -> None:
        frame, settings = self._opened, self._opened_settings
        if frame is None or name not in SWITCHES[self._opened_kind]:
            return
        shown = self.view.detail.get("other")
        other = None
        if not shown or shown.get("switch") != name:  # pressed again, it goes
            found = what_if(frame.before, frame.message, settings, name, kind=self._opened_kind)
            other = None if found is None else describe_other(found, frame.before, name, settings)
        self.view.detail = {**self.view.detail, "other": other}

    def _show(self) -> None:
        lanes = [
            lane.state("" if lane.seat.history is None else self._letters.get(lane.seat.history, ""))
            for lane in self._lanes.values()
        ]
        self._shown = [self._on_stage(), self._shown[0]]
        self.view.state = {"is_running": self._watch is not None, "lanes": lanes, "error": ""}

    def _show_error(self, error: Exception) -> None:
        self.view.state = {**self.view.state, "error": f"{type(error).__name__}: {error}"}

    def _hear(self, _view: Any, content: Any, _buffers: Any) -> None:
        """A click on the page."""
        if not isinstance(content, dict):
            return
        if isinstance(is_held := content.get("hold"), bool):
            self._worker.submit("hold", lambda: self._hold(is_held))
        if isinstance(number := content.get("open"), int):
            self._worker.submit("open", lambda: self._open_frame(number))
        if isinstance(name := content.get("switch"), str):
            self._worker.submit("switch", lambda: self._switch(name))
