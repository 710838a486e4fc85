"""How every picture looks: its colours, its font, and a title with what was counted below it.

In: a figure, what to call it and how large it is. Out: the same figure, dressed.
Never: knows what is drawn.
Backgrounds are transparent and text is a middle grey, so that a picture reads on white and on JupyterLab's dark grey.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Okabe and Ito's palette, which colour-blind readers can tell apart; blue is left for what is on the wire.
LAYER_COLOURS = {
    "abbreviate": "#E69F00",
    "utf8": "#CC79A7",
    "gzip": "#009E73",
    "batch": "#D55E00",
    "deflate": "#56B4E9",
}
WIRE_COLOUR = "#2F86C8"  # the palette's blue, a little lighter, for dark backgrounds
OFF_COLOUR = "#8A929A"
TEXT_COLOUR = "#7D858D"
INK_COLOUR = "#16202A"  # of text on the palette's light colours
GRID_COLOUR = "rgba(128, 136, 144, 0.22)"
FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
WIDTH_PX = 920


def dress(
    figure: Any, *, height_px: float, margin_px: Mapping[str, float], title: str = "", counted: str = "", **layout: Any
) -> None:
    """Size, background and font; above the drawing what it says, and below that units, n, seed and where it was
    counted. `layout` is plotly's own.
    """
    if title:
        layout["title"] = {
            "text": f"<b>{title}</b><br><span style='font-size:12px'>{counted}</span>",
            "font": {"size": 15},
            "x": 0.008,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 18},
        }
    figure.update_layout(
        width=WIDTH_PX,
        height=height_px,
        margin=margin_px,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": TEXT_COLOUR, "size": 13},
        **layout,
    )


def dress_axes(figure: Any, **options: Any) -> None:
    """Faint lines and small titles; `options` are plotly's own, for both axes."""
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(gridcolor=GRID_COLOUR, zerolinecolor=OFF_COLOUR, title_font_size=12, **options)
