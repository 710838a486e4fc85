"""Widgets for `Settings`, built from its metadata.

In: a `Settings` record and what to call after a change. Out: the record that the widgets show.
Never: knows a field by itself, except which layer's name its own begins with, if any.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from reznet_ws.demo.workload import EVENTS
from reznet_ws.replay.ablation import LAYERS
from reznet_ws.settings import Settings

# The lab needs the first; the second is about the log, the third about an application's secrets. The lab's slow readers
# pause for a second, which the kernel's buffers bridge, and its clients do no harm: the others would do nothing.
HIDDEN = (
    "deflate_adjustable",
    "log_threshold_bytes",
    "never_compress",
    "skip_slow_readers",
    *(item.name for item in dataclasses.fields(Settings) if item.metadata.get("is_limit")),
    "latest",
    "join",
)
_EVENTS_FIELD = "batch_events"
# Wider than this and a linear slider has its useful values within a few pixels.
_WIDEST_LINEAR = 100


class SettingsControls:
    """A switch for each layer, its figures below it, and the presets.

    `toggles` and `figures` hold the widgets by the field's name, `events` those of `batch_events` by the event's, and
    `preset` names the preset that all of them make together, None if none. Assign to any `.value`.
    """

    def __init__(self, settings: Settings, changed: Callable[[Settings], None]) -> None:
        self._settings, self._changed = settings, changed
        self._quiet = False
        self._fields = {item.name: item for item in dataclasses.fields(Settings) if item.name not in HIDDEN}
        self.toggles: dict[str, Any] = {}
        self.figures: dict[str, Any] = {}
        self.events: dict[str, Any] = {}
        self.preset = widgets.ToggleButtons(
            options=list(Settings.presets()), value=_preset_of(settings), tooltips=_PRESET_TOOLTIPS
        )
        self.preset.observe(self._choose, "value")
        # All switches first, so that they are on one screen with what they save; their figures further below.
        self.switches = widgets.VBox(list(map(self._make_toggle, LAYERS)))
        self.figures_box = widgets.VBox(self._make_figures())
        self._grey_out()

    @property
    def settings(self) -> Settings:
        """What the widgets show."""
        events = frozenset(event for event, box in self.events.items() if box.value)
        shown = {name: widget.value for name, widget in (self.toggles | self.figures).items()}
        return self._settings.replace(**shown, **{_EVENTS_FIELD: events})

    def show(self, settings: Settings) -> None:
        """Let the widgets show another record, without telling anybody."""
        self._settings = settings
        with self._quietly():
            for name, widget in (self.toggles | self.figures).items():
                _set(widget, getattr(settings, name))
            for event, box in self.events.items():
                box.value = event in settings.batch_events
            self.preset.value = _preset_of(self.settings)
        self._grey_out()

    def _choose(self, change: Any) -> None:
        if not self._quiet and change["new"] is not None:
            self.show(Settings.presets()[change["new"]])
            self._changed(self.settings)

    def _adjust(self, _change: Any) -> None:
        if self._quiet:
            return
        settings = self.settings
        with self._quietly():
            self.preset.value = _preset_of(settings)
        self._grey_out()
        self._changed(settings)

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _grey_out(self) -> None:
        """What has no effect as things stand; its value can be changed all the same from a cell."""
        settings = self.settings
        for name, widget in self.figures.items():
            widget.disabled = (
                not getattr(settings, name.partition("_")[0], True)
                or (name == "deflate_threshold_bytes" and settings.deflate_takeover)
                or (name == "deflate_shared" and not settings.deflate_takeover)
            )
        for box in self.events.values():
            box.disabled = not settings.batch

    def _make_toggle(self, layer: str) -> Any:
        toggle = widgets.Checkbox(
            value=getattr(self._settings, layer), description=self._label(layer), indent=False, layout=_wide()
        )
        toggle.add_class("reznet-layer")
        toggle.observe(self._adjust, "value")
        self.toggles[layer] = toggle
        return _group([toggle], layer)

    def _make_figures(self) -> list[Any]:
        """The figures of each layer, then those that belong to none."""
        names = {layer: [name for name in self._fields if name.startswith(f"{layer}_")] for layer in LAYERS}
        names["other"] = [name for name in self._fields if name.partition("_")[0] not in LAYERS]
        return [_group(list(map(self._make_figure, some)), layer) for layer, some in names.items() if some]

    def _make_figure(self, name: str) -> Any:
        value, meta = getattr(self._settings, name), self._fields[name].metadata
        if name == _EVENTS_FIELD:
            return self._make_events(value)
        if "low" not in meta:
            widget = widgets.Checkbox(value=value, description=self._label(name), indent=False, layout=_wide())
            row = widget
        else:
            widget = _slider(value, meta["low"], meta["high"], meta["unit"], name)
            row = labelled(self._label(name), widget)
        widget.observe(self._adjust, "value")
        self.figures[name] = widget
        return row

    def _make_events(self, chosen: frozenset[str]) -> Any:
        for event in (*EVENTS, *sorted(chosen - set(EVENTS))):
            box = widgets.Checkbox(value=event in chosen, description=event, indent=False, layout=_wide())
            box.observe(self._adjust, "value")
            self.events[event] = box
        grid = widgets.Box(list(self.events.values()))
        grid.add_class("reznet-events")
        return widgets.VBox([label(f"{self._label(_EVENTS_FIELD)}:"), grid], layout=_wide())

    def _label(self, name: str) -> str:
        meta = self._fields[name].metadata
        return f"{meta['label']}, {meta['unit']}" if meta.get("unit") else str(meta["label"])


_PRESET_TOOLTIPS = [
    "no layer at all",
    "python-socketio on uvicorn as they come",
    "what is usually advised",
    "what measured best",
]


def labelled(text: str, widget: Any) -> Any:
    """A widget with its label to the left; a long label takes two lines instead of being cut off."""
    row = widgets.HBox([label(text), widget])
    row.add_class("reznet-row")
    return row


def label(text: str) -> Any:
    """Plain text that may wrap."""
    made = widgets.HTML(escape(text))
    made.add_class("reznet-label")
    return made


def close_all(widget: Any) -> None:
    """Close a widget and all that it contains."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()


def source_of(settings: Settings) -> str:
    """The Python that makes them, with only what differs from the defaults."""
    default, parts = Settings(), []
    for name in (item.name for item in dataclasses.fields(Settings)):
        value = getattr(settings, name)
        if value != getattr(default, name):
            parts.append(f"{name}={f'frozenset({sorted(value)!r})' if isinstance(value, frozenset) else repr(value)}")
    return f"Settings({', '.join(parts)})"


def say_change(before: Settings, after: Settings) -> str:
    """What changed, in a few words: a preset, or the fields."""
    for name, preset in Settings.presets().items():
        if after == preset:
            return name
    fields = [
        item.name for item in dataclasses.fields(Settings) if getattr(before, item.name) != getattr(after, item.name)
    ]
    if len(fields) != 1:
        return f"{len(fields)} settings"
    value = getattr(after, fields[0])
    return f"{fields[0]} {('off', 'on')[value] if isinstance(value, bool) else value}"


def stops(low: float, high: float, unit: str, wanted: Sequence[float]) -> list[float]:
    """The values of a slider over a wide range: 1, 2, 5, 10 …, or powers of two for bytes, and those wanted."""
    steps = (
        [2**power for power in range(4, 31)] if unit == "bytes" else [n * 10**e for e in range(9) for n in (1, 2, 5)]
    )
    return sorted({low, high, *wanted, *(step for step in steps if low < step < high)})


def _slider(value: float, low: float, high: float, unit: str, name: str) -> Any:
    if high - low > _WIDEST_LINEAR:
        wanted = [value, *(getattr(preset, name) for preset in Settings.presets().values())]
        options = [(f"{stop:,}", stop) for stop in stops(low, high, unit, wanted)]
        return widgets.SelectionSlider(options=options, value=value, continuous_update=False)
    if isinstance(low, int) and isinstance(high, int):
        return widgets.IntSlider(value, low, high, continuous_update=False)
    return widgets.FloatSlider(value, min=low, max=high, step=0.05, readout_format=".2f", continuous_update=False)


def _set(widget: Any, value: Any) -> None:
    if isinstance(widget, widgets.SelectionSlider) and value not in (known := [stop for _, stop in widget.options]):
        widget.options = [(f"{stop:,}", stop) for stop in sorted([*known, value])]
    widget.value = value


def _preset_of(settings: Settings) -> str | None:
    for name, preset in Settings.presets().items():
        if all(
            getattr(settings, item.name) == getattr(preset, item.name)
            for item in dataclasses.fields(Settings)
            if item.name not in HIDDEN
        ):
            return name
    return None


def _wide() -> Any:
    return widgets.Layout(width="100%")


def _group(children: Sequence[Any], layer: str) -> Any:
    """Widgets of one layer, with its colour at their side."""
    box = widgets.VBox(children)
    for name in ("reznet-group", f"reznet-group-{layer}"):
        box.add_class(name)
    return box
