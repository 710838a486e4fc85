"""Progress bars of a notebook.

In: how much is done, of how much. Out: a widget.
Never: stays when all is done, if it is part of a dashboard.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


class ProgressBar:
    """Shows itself at the first call; give it to what takes long as its `progress`."""

    def __init__(self, noun: str, *, width_px: int = 320) -> None:
        self.noun = noun
        self._bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width=f"{width_px}px"))
        self._text = widgets.Label()
        self.box = widgets.HBox([self._bar, self._text])
        self._shown = False

    @property
    def value(self) -> int:
        """How many are done."""
        return int(self._bar.value)

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self.update(done, total)
        if not self._shown:
            from IPython.display import display

            self._shown = True
            display(self)  # type: ignore[no-untyped-call]

    def update(self, done: int, total: int) -> None:
        """The same, without showing itself."""
        self._bar.max, self._bar.value = max(total, 1), done
        self._text.value = f"{done} of {total} {self.noun}"

    def __repr__(self) -> str:
        # What all will be, not how far it is: a saved notebook says the same at each run.
        return f"{self._bar.max} {self.noun}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {**(self.box._repr_mimebundle_() or {}), "text/plain": repr(self)}


class ConnectionBar(ProgressBar):
    """For `Lab.start`."""

    def __init__(self) -> None:
        super().__init__("clients connected", width_px=220)

    def __repr__(self) -> str:
        return "Connecting the clients …"
