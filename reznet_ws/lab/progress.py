"""A progress bar while clients connect.

In: how many are connected, of how many. Out: a widget.
Never: stays when all are connected, if it is part of a dashboard.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


class ConnectionBar:
    """Shows itself at the first call; give it to `Lab.start` as its progress."""

    def __init__(self) -> None:
        self._bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="220px"))
        self._text = widgets.Label()
        self.box = widgets.HBox([self._bar, self._text])
        self._shown = False

    def __call__(self, connected: int, users: int) -> None:
        """So many of so many are connected."""
        if not self._shown:
            from IPython.display import display

            self._shown = True
            display(self)  # type: ignore[no-untyped-call]
        self.update(connected, users)

    def update(self, connected: int, users: int) -> None:
        """The same, without showing itself."""
        self._bar.max, self._bar.value = max(users, 1), connected
        self._text.value = f"{connected} of {users} clients connected"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {**(self.box._repr_mimebundle_() or {}), "text/plain": "Connecting the clients …"}
