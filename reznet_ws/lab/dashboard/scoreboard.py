"""The scoreboard of the seed's requirements, as HTML.

In: requirements with measured values. Out: one small piece of HTML; what comes from outside is escaped.
Never: tells pass from fail by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from reznet_ws.draw.look import WIDTH_PX
from reznet_ws.lab.measurement import Requirement

# In a picture: room for the line, and where it begins beside the first chart's axis, in shares of the charts' width.
_BOARD_PX, _LEFT = 44, -0.13
_MARKS = {True: "✓", False: "✗", None: "…"}
_VERDICTS = {True: ("pass", "✓ met"), False: ("fail", "✗ missed"), None: ("none", "… measuring")}

# JupyterLab's own colours where it runs, so that light and dark themes both fit.
STYLE = """
.reznet-board { display: flex; gap: 8px; margin: 0 0 4px; }
.reznet-card { flex: 1 1 0; min-width: 0; padding: 6px 8px 7px; border: 1px solid rgba(128, 136, 144, .35);
  border-top: 4px solid #8a929a; border-radius: 4px; line-height: 1.25; font-size: 11.5px;
  color: var(--jp-ui-font-color1, currentColor); }
.reznet-card b { display: block; font-size: 21px; font-weight: 600; line-height: 1.35; white-space: nowrap; }
.reznet-card b small { font-size: 12px; font-weight: 400; }
.reznet-card .name { display: block; min-height: 2.5em; opacity: .85; }
.reznet-card .target { opacity: .85; }
.reznet-card .verdict { display: block; font-weight: 600; }
.reznet-pass { border-top-color: #009e73; }
.reznet-pass .verdict { color: #0a9a72; }
.reznet-fail { border-top-color: #d55e00; background: rgba(213, 94, 0, .1); }
.reznet-fail .verdict { color: #d9650f; }
"""


def scoreboard_html(requirements: Sequence[Requirement]) -> str:
    """A card for each requirement: its name, what was measured, the target, and the verdict in words."""
    return f'<div class="reznet-board">{"".join(map(_card, requirements))}</div>'


def _card(requirement: Requirement) -> str:
    kind, verdict = _VERDICTS[requirement.passed]
    name = escape(requirement.name, quote=True)
    return (
        f'<div class="reznet-card reznet-{kind}" data-requirement="{name}"><span class="name">{name}</span>'
        f"<b>{_measured(requirement)}</b>"
        f'<span class="verdict">{verdict}</span><span class="target">target {escape(requirement.target)}</span></div>'
    )


def _measured(requirement: Requirement) -> str:
    if requirement.measured is None:
        return "–"
    decimals = 1 if requirement.unit and requirement.measured < 1000 else 0
    number = f"{requirement.measured:,.{decimals}f}"
    return f"{number} <small>{escape(requirement.unit)}</small>".replace("-", "−")


def with_scoreboard(figure: Any, requirements: Sequence[Requirement]) -> Any:
    """A copy of a figure with the scoreboard in one line above it, for a picture."""
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
