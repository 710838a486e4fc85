"""Widgets for what the lab is put under: clients, messages, mix.

In: a `Lab` and what to call after a change. Out: the values that the widgets show.
Never: changes the lab.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from reznet_ws.demo.workload import MIXES
from reznet_ws.lab.dashboard.controls import labelled
from reznet_ws.lab.lab import Lab

MOST_USERS, MOST_PER_S = 300, 200


class LoadControls:
    """`changed` is told which of "users", "traffic" and "stock share" to apply."""

    def __init__(self, lab: Lab, changed: Callable[[str], None]) -> None:
        late: dict[str, Any] = {"continuous_update": False}
        most_per_s = max(MOST_PER_S, lab.rate_per_s)
        self.users = widgets.IntSlider(lab.users, 0, max(MOST_USERS, lab.users), **late)
        self.rate = widgets.FloatSlider(lab.rate_per_s, min=0, max=most_per_s, step=1, readout_format=".1f", **late)
        self.mix = widgets.Dropdown(options=list(MIXES), value=lab.mix)
        self.stock_share = widgets.FloatSlider(lab.stock_share, min=0, max=1, step=0.05, readout_format=".0%", **late)
        rows: tuple[tuple[str, str, Any], ...] = (
            ("clients", "users", self.users),
            ("messages, per second", "traffic", self.rate),
            ("traffic mix", "traffic", self.mix),
            ("stock clients, from the next start", "stock share", self.stock_share),
        )
        self._quiet = False
        for _, what, widget in rows:
            widget.observe(lambda _, what=what: None if self._quiet else changed(what), "value")
        self.box = widgets.VBox([labelled(text, widget) for text, _, widget in rows])
        self.box.add_class("reznet-group")

    def show(self, users: int, rate_per_s: float, mix: str, stock_share: float) -> None:
        """Let the widgets show what a cell gave the lab, without telling anybody."""
        self._quiet = True
        try:
            self.users.max, self.rate.max = max(self.users.max, users), max(self.rate.max, rate_per_s)
            self.users.value, self.rate.value, self.mix.value = users, rate_per_s, mix
            self.stock_share.value = stock_share
        finally:
            self._quiet = False
