"""The dashboard's first line: buttons, progress, and what the lab does or what went wrong.

In: what to call when a button is pressed, and what to say. Out: a widget.
Never: forgets an error before the next command.
Never: shows text unescaped.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from reznet_ws.draw.progress_bar import ConnectionBar


class Header:
    """Buttons, a progress bar while clients connect, a status line."""

    def __init__(
        self,
        *,
        start: Callable[[], None],
        stop: Callable[[], None],
        reset: Callable[[], None],
        tour: Callable[[], None],
    ) -> None:
        self.start_button = widgets.Button(description="Start", icon="play", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", icon="stop")
        self.reset_button = widgets.Button(description="Reset counts", icon="undo")
        self.tour_button = widgets.Button(
            description="Tour", icon="map-signs", tooltip="switches the layers, one by one"
        )
        buttons = {self.start_button: start, self.stop_button: stop, self.reset_button: reset, self.tour_button: tour}
        for button, press in buttons.items():
            button.on_click(lambda _, press=press: press())
        self.progress = ConnectionBar()
        self.status = widgets.HTML()
        self.status.add_class("reznet-status")
        self.box = widgets.HBox([*buttons, self.progress.box, self.status])
        self.box.add_class("reznet-header")
        self.caption = ""
        self._error: Exception | None = None

    def show_progress(self, connected: int, users: int) -> None:
        """So many clients of so many are connected."""
        self.progress.update(connected, users)
        self.progress.box.layout.display = None

    def show_error(self, error: Exception | None) -> None:
        """What went wrong, until it is told of None."""
        self._error = error

    def show_state(self, url: str | None, seconds: float) -> None:
        """Where the lab runs and for how long it counts; None while it is stopped."""
        self.progress.box.layout.display = "none"
        self.stop_button.disabled = self.reset_button.disabled = self.tour_button.disabled = url is None
        self.start_button.description = "Start" if url is None else "Restart"
        state = (
            "○ stopped" if url is None else f"● running at {url}; counting for {seconds:.0f} s, since the last change"
        )
        wrong = f"⚠ {type(self._error).__name__}: {self._error}" if self._error is not None else ""
        parts = (
            f'<span class="{kind}">{escape(text)}</span> '
            for kind, text in (("error", wrong), ("caption", self.caption))
            if text
        )
        self.status.value = f'<span role="status">{"".join(parts)}{escape(state)}</span>'
