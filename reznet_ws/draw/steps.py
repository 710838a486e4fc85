"""A slider below a chart, for a figure that changes with a setting.

In: pictures of the same kind, one for each value. Out: one picture; in a page its slider steps through all of them.
Never: computes: each step was drawn before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from reznet_ws.draw.picture import Picture

_SLIDER_PX = 70
_VARYING = ("x", "y", "text")


class SteppedPicture(Picture):
    """Several pictures behind a slider; where no page is, the one that is shown first."""

    def __init__(self, label: str, pictures: Mapping[str, Picture], shown: str) -> None:
        super().__init__(pictures[shown].figure, pictures[shown].table)
        self.label, self.pictures, self.shown = label, pictures, shown

    def alive(self) -> go.Figure:
        """The figure with a step for each picture. Raises: ValueError where they have other series."""
        figure = go.Figure(self.figure)
        names = [trace.name for trace in figure.data]
        steps = []
        for value, picture in self.pictures.items():
            traces = picture.figure.data
            if [trace.name for trace in traces] != names:
                raise ValueError(f"{value}: every step has the series {', '.join(map(str, names))}")
            data = {key: [trace[key] for trace in traces] for key in _VARYING}
            layout = {"title.text": picture.figure.layout.title.text}
            steps.append({"label": value, "method": "update", "args": [data, layout]})
        slider: dict[str, Any] = {
            "steps": steps,
            "active": list(self.pictures).index(self.shown),
            "currentvalue": {"prefix": f"{self.label}: "},
            "pad": {"t": 56},
        }
        margin = figure.layout.margin.b or 0
        figure.update_layout(
            sliders=[slider], height=figure.layout.height + _SLIDER_PX, margin={"b": margin + _SLIDER_PX}
        )
        return figure
