"""The dashboard's first line: buttons, progress, and what the lab does or what went wrong.

In: what to call when a button is pressed, and what to say. Out: a widget.
Never: forgets an error before the next command; shows text unescaped.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from reznet_ws.draw.progress_bar import ConnectionBar

STYLE = """
.reznet-status { font-size: 12.5px; }
.reznet-status .error { color: #d9650f; font-weight: 600; }
"""


class Header:
    """Buttons, a progress bar while clients connect, a status line."""

    def __init__(self, *, start: Callable[[], None], stop: Callable[[], None], reset: Callable[[], None]) -> None:
        self.start_button = widgets.Button(description="Start", icon="play", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", icon="stop")
        self.reset_button = widgets.Button(description="Reset counts", icon="undo")
        for button, press in ((self.start_button, start), (self.stop_button, stop), (self.reset_button, reset)):
            button.layout.width = "auto"
            button.on_click(lambda _, press=press: press())
        self.progress = ConnectionBar()
        self.status = widgets.HTML(layout=widgets.Layout(flex="1 1 0", min_width="0", margin="2px 8px"))
        self.status.add_class("reznet-status")
        self.box = widgets.HBox(
            [self.start_button, self.stop_button, self.reset_button, self.progress.box, self.status],
            layout=widgets.Layout(width="100%", align_items="center", margin="0 0 4px"),
        )
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
        self.stop_button.disabled = self.reset_button.disabled = url is None
        self.start_button.description = "Start" if url is None else "Restart"
        state = (
            "○ stopped" if url is None else f"● running at {url}; counting for {seconds:.0f} s, since the last change"
        )
        wrong = f"⚠ {type(self._error).__name__}: {self._error}" if self._error is not None else ""
        said = f'<span class="error">{escape(wrong)}</span> ' if wrong else ""
        self.status.value = f'<span role="status">{said}{escape(state)}</span>'
