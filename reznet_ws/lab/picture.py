"""A picture of the charts, for where no kernel runs: a saved notebook, GitHub, nbconvert, a report.

In: the dashboard's figure and the requirements, or any figure. Out: PNG bytes, or None where no Chromium draws them.
Never: raises, or waits longer than `TIMEOUT_S`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from reznet_ws.lab.measurement import Requirement

TIMEOUT_S = 30
WIDTH_PX = 920
_BOARD_PX, _SCALE = 44, 1.5
# Beside the first chart's axis, in shares of the charts' width.
_LEFT = -0.13
_MARKS = {True: "✓", False: "✗", None: "…"}

_log = logging.getLogger(__name__)


def draw_picture(figure: Any, requirements: Sequence[Requirement]) -> bytes | None:
    """The charts, with the scoreboard in one line above them."""
    return render(_with_scoreboard(figure, requirements))


def render(figure: Any) -> bytes | None:
    """Any figure as PNG; None where no browser draws it in time."""
    made: list[bytes] = []
    # A browser that hangs must not hang the notebook.
    thread = threading.Thread(target=_draw, args=(figure, made), daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    return made[0] if made else None


def _draw(figure: Any, made: list[bytes]) -> None:
    try:
        made.append(figure.to_image("png", scale=_SCALE))
    except Exception as error:
        _log.info("no picture: %s", error)


def _with_scoreboard(figure: Any, requirements: Sequence[Requirement]) -> Any:
    copy = go.Figure(figure)
    copy.update_layout(width=WIDTH_PX, height=figure.layout.height + _BOARD_PX)
    copy.layout.margin.t += _BOARD_PX
    for index, requirement in enumerate(requirements):
        copy.add_annotation(
            text=_entry(requirement),
            xref="paper",
            yref="paper",
            x=_LEFT + index * (1 - _LEFT) / len(requirements),
            xanchor="left",
            align="left",
            y=1,
            yshift=_BOARD_PX + 24,
            showarrow=False,
            font={"size": 11},
        )
    return copy


def _entry(requirement: Requirement) -> str:
    value = "–" if requirement.measured is None else f"{requirement.measured:,.1f}".removesuffix(".0")
    text = escape(f"{value} {requirement.unit}".rstrip())
    return f"{escape(requirement.name)}<br>{_MARKS[requirement.passed]} <b>{text}</b> ({escape(requirement.target)})"
