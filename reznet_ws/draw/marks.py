"""What is marked on a chart of lines or bars: limits, bands, moments, single points, and logarithmic axes to read.

In: a plotly figure, and where to mark what. Out: the same figure with shapes and annotations.
Never: adds a trace: what is marked is no data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reznet_ws.draw.look import OFF_COLOUR

LIMIT_COLOUR = "#C44E52"
_BAND_COLOUR = "rgba(128, 136, 144, 0.18)"


def scale_logarithmically(update: Any, values: Sequence[float]) -> None:
    """A logarithmic axis with ticks that are read at a glance: 1, 2 and 5, as numbers and not as powers."""
    low, high = min(values), max(values)
    ticks = [step * 10.0**power for power in range(-3, 9) for step in (1, 2, 5)]
    shown = [tick for tick in ticks if low / 2 <= tick <= high * 2]
    if len(shown) > 9:
        shown = [tick for tick in shown if f"{tick:g}".lstrip("0.").startswith("1")]
    update(type="log", tickvals=shown, ticktext=[f"{tick:,g}" if tick < 1 else f"{tick:,.0f}" for tick in shown])


def mark_band(figure: Any, band: tuple[float, float, str], *, log_y: bool) -> None:
    """Shade what lies between two heights, with a label above."""
    low, high, label = band
    figure.add_shape(
        type="rect", x0=0, x1=1, xref="paper", y0=low, y1=high, fillcolor=_BAND_COLOUR, line={"width": 0}, layer="below"
    )
    figure.add_annotation(
        text=label,
        x=1,
        xref="paper",
        xanchor="right",
        y=_at(high, log_y),
        yanchor="bottom",
        showarrow=False,
        font={"size": 11},
    )


def mark_place(figure: Any, name: str, x: float, *, log_x: bool) -> None:
    """An upright line with its name."""
    line = {"color": OFF_COLOUR, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=line)
    figure.add_annotation(
        text=name,
        x=_at(x, log_x),
        y=1,
        yref="paper",
        xanchor="left",
        yanchor="top",
        xshift=3,
        showarrow=False,
        font={"size": 11},
    )


def mark_limit(
    figure: Any, limit: tuple[float, str], *, upright: bool = False, is_below: bool = False, log: bool = False
) -> None:
    """A line across, or upright, with its label; `log` says that the axis is logarithmic."""
    at, label = limit
    line = {"color": LIMIT_COLOUR, "width": 1.5, "dash": "dash"}
    text = {"text": label, "showarrow": False, "font": {"size": 11, "color": LIMIT_COLOUR}}
    if upright:
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line=line)
        figure.add_annotation(x=at, y=0, yref="paper", xanchor="left", yanchor="bottom", **text)
    else:
        figure.add_shape(type="line", y0=at, y1=at, x0=0, x1=1, xref="paper", line=line)
        figure.add_annotation(
            y=_at(at, log), x=1, xref="paper", xanchor="right", yanchor="top" if is_below else "bottom", **text
        )


def mark_point(figure: Any, name: str, point: tuple[float, float], *, log_x: bool, log_y: bool, is_below: bool) -> None:
    """A name with an arrow from above or below, so that those of neighbours can stand apart."""
    figure.add_annotation(
        text=name,
        x=_at(point[0], log_x),
        y=_at(point[1], log_y),
        ax=26,
        ay=36 if is_below else -36,
        arrowcolor=OFF_COLOUR,
        arrowwidth=1.2,
        arrowhead=2,
        font={"size": 12},
    )


def _at(value: float, log: bool) -> float:
    """Where an annotation of plotly stands: on a logarithmic axis it wants the exponent."""
    return math.log10(value) if log else value
