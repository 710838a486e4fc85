"""Widgets for what the lab is put under: clients and what they are like, messages, and who is sent what.

In: a `Lab` and what to call after a change. Out: the values that the widgets show, and the lab as they say.
Never: changes the lab but when told to `apply`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets

from reznet_ws.demo.topologies import ONE_ROOM, Topology
from reznet_ws.demo.workload import MIXES
from reznet_ws.lab.clients.fleet import Progress
from reznet_ws.lab.clients.mixture import FORMATS, USUAL_FORMAT
from reznet_ws.lab.dashboard.controls import labelled
from reznet_ws.lab.lab import Lab

MOST_USERS, MOST_PER_S, MOST_IN_A_ROOM, MOST_CHURN, MOST_TO_ALL = 300, 200, 50, 10, 0.5
ROOM, ROOMS, PRIVATE, SENDER = "one room", "rooms", "private streams", "all but the sender"
_LABELS = {"plain": "stock clients (plain)", "rows": "clients with rows", "packed": "clients with MessagePack"}


class LoadControls:
    """`changed` is told which of "users", "formats", "traffic" and "habits" to apply."""

    def __init__(self, lab: Lab, changed: Callable[[str], None]) -> None:
        self._lab, self._changed, self._is_quiet = lab, changed, False
        late: dict[str, Any] = {"continuous_update": False}
        share: dict[str, Any] = {**late, "min": 0, "readout_format": ".0%", "step": 0.05}
        self.users = widgets.IntSlider(lab.users, 0, max(MOST_USERS, lab.users), **late)
        most_per_s = max(MOST_PER_S, lab.rate_per_s)
        self.rate = widgets.FloatSlider(lab.rate_per_s, min=0, max=most_per_s, step=1, readout_format=".1f", **late)
        self.mix = widgets.Dropdown(options=list(MIXES), value=lab.mix)
        self.topology = widgets.Dropdown(options=[ROOM, ROOMS, PRIVATE, SENDER])
        self.room_size = widgets.IntSlider(5, 2, MOST_IN_A_ROOM, **late)
        self.to_all = widgets.FloatSlider(0, max=MOST_TO_ALL, **share)
        self.shares = {name: widgets.FloatSlider(0, max=1, **share) for name in FORMATS if name != USUAL_FORMAT}
        self.churn = widgets.FloatSlider(0, min=0, max=MOST_CHURN, step=0.5, readout_format=".1f", **late)
        self.slow = widgets.FloatSlider(0, max=MOST_TO_ALL, **share)
        rows = [
            ("clients", "users", self.users),
            *((_LABELS[name], "formats", slider) for name, slider in self.shares.items()),
            ("go and come back, % a second", "habits", self.churn),
            ("slow readers", "habits", self.slow),
            ("messages, per second", "traffic", self.rate),
            ("traffic mix", "traffic", self.mix),
            ("who is sent what", "traffic", self.topology),
            ("clients in a room", "traffic", self.room_size),
            ("share of messages to all", "traffic", self.to_all),
        ]
        for _, what, widget in rows:
            widget.observe(lambda change, what=what: self._tell(what, change["owner"]), "value")
        self.box = widgets.VBox([labelled(text, widget) for text, _, widget in rows])
        self.box.add_class("reznet-group")
        self.show()

    def show(self) -> None:
        """Let the widgets show what the lab does, without telling anybody."""
        lab = self._lab
        with self._quietly():
            self.users.max, self.rate.max = max(self.users.max, lab.users), max(self.rate.max, lab.rate_per_s)
            self.users.value, self.rate.value, self.mix.value = lab.users, lab.rate_per_s, lab.mix
            self.topology.value, topology = kind_of(lab.topology), lab.topology
            if self.topology.value == ROOMS:
                self.room_size.max = max(self.room_size.max, topology.room_size or 0)
                self.room_size.value = topology.room_size or self.room_size.value
            self.to_all.value = topology.to_all_share
            for name, slider in self.shares.items():
                slider.value = lab.formats.get(name, 0)
            self.churn.value = churn_percent(lab)
            self.slow.value = lab.scenario.slow_readers
        self._grey_out()

    def apply(self, what: str, progress: Progress) -> str:
        """Let the lab do what the widgets say; what changed, in a few words, if it did."""
        lab, before = self._lab, in_force(self._lab)
        if what == "users":
            if self.users.value != lab.users:
                lab.set_users(self.users.value, progress)
            lab.set_churn(self.churn.value)
        elif what == "formats":
            lab.set_users(progress=progress, formats={name: slider.value for name, slider in self.shares.items()})
        elif what == "habits":
            lab.scenario = dataclasses.replace(lab.scenario, slow_readers=self.slow.value)
            lab.set_churn(self.churn.value)
        else:
            topology = topology_of(self.topology.value, self.room_size.value, self.to_all.value)
            figures: dict[str, Any] = {"rate_per_s": self.rate.value, "mix": self.mix.value, "topology": topology}
            if lab.is_running:
                lab.set_traffic(**figures)
            else:
                lab.rate_per_s, lab.mix, lab.topology = figures.values()
        return ", ".join(text for name, text in in_force(lab).items() if before[name] != text)

    def _tell(self, what: str, widget: Any) -> None:
        if self._is_quiet:
            return
        with self._quietly():
            # Shares are 1 together at most; the one that was moved stays where it is.
            left = 1 - widget.value if what == "formats" else 1
            for slider in self.shares.values():
                if slider is not widget:
                    slider.value = min(slider.value, left)
                    left -= slider.value if what == "formats" else 0
        self._grey_out()
        self._changed(what)

    def _grey_out(self) -> None:
        """What has no effect as things stand; agents talk in the demo only."""
        self.room_size.disabled = self.topology.value != ROOMS
        self.to_all.disabled = self.topology.value not in (ROOMS, PRIVATE)
        for widget in (self.rate, self.mix, self.topology):
            widget.disabled = not self._lab.has_agents

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before


def topology_of(kind: str, room_size: int, to_all_share: float) -> Topology:
    """What the widgets say."""
    if kind == ROOMS:
        return Topology(name=f"rooms of {room_size}", room_size=room_size, to_all_share=to_all_share)
    if kind == PRIVATE:
        return Topology(name=PRIVATE, room_size=1, to_all_share=to_all_share)
    return Topology(name=SENDER, skips_sender=True) if kind == SENDER else ONE_ROOM


def kind_of(topology: Topology) -> str:
    """What comes closest to a topology among those that the widgets know."""
    if topology.skips_sender:
        return SENDER
    if topology.room_size == 1:
        return PRIVATE
    return ROOM if topology.room_size is None and not topology.topics else ROOMS


def in_force(lab: Lab) -> dict[str, str]:
    """What a lab is put under, each in a few words."""
    to_all = f", {lab.topology.to_all_share:.0%} to all" if lab.topology.to_all_share else ""
    return {
        "users": f"{lab.users} clients",
        "rate": f"{lab.rate_per_s:g} a second",
        "mix": lab.mix,
        "topology": f"{lab.topology.name}{to_all}",
        "formats": ", ".join(f"{share:.0%} {name}" for name, share in lab.formats.items() if share) or USUAL_FORMAT,
        "churn": f"churn {churn_percent(lab):g} %",
        "slow readers": f"{lab.scenario.slow_readers:.0%} slow",
    }


def churn_percent(lab: Lab) -> float:
    """How many percent of a lab's users go and come back every second."""
    return round(100 * lab.scenario.churn / lab.users, 3) if lab.users else 0.0
