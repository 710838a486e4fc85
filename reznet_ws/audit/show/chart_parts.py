"""What the charts of an audit have in common: their look, and names as plain text.

In: texts and figures. Out: texts that plotly shows as they are, and the style of a figure.
Never: lets a name be markup.
"""

from __future__ import annotations

import html
import textwrap
from typing import Any

from reznet_ws.draw.ablation_charts import style

# No event's name is shown that is longer.
MAX_NAME_CHARACTERS = 64
COUNTED_COLUMNS, _LINE_PX = 145, 17
_TITLE_COLUMNS, _TITLE_PX = 92, 24
KB = 1000


def show_name(name: str) -> str:
    return escape(shorten(name, MAX_NAME_CHARACTERS))


def shorten(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def escape(text: str) -> str:
    """Plotly takes tags and entities in its texts for markup."""
    return html.escape(text, quote=False)


def say_kilo(value: float) -> str:
    """So many digits as stand above a bar of a narrow page."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def say_signed(value: float) -> str:
    sign = "" if abs(value) < 0.05 else "−" if value < 0 else "+"
    return f"{sign}{say_kilo(abs(value))}"


def style_chart(figure: Any, height_px: int, title: str, counted: str, *, x_title: str = "", y_title: str = "") -> None:
    """The look of the course's charts, with as many lines under the title as that takes."""
    lines = textwrap.wrap(counted, COUNTED_COLUMNS)
    titles = textwrap.wrap(title, _TITLE_COLUMNS, break_long_words=False) if "<br>" not in title else [title]
    more_px = _LINE_PX * (len(lines) - 1) + _TITLE_PX * (len(titles) - 1)
    style(figure, height_px + more_px, "<br>".join(titles), "<br>".join(lines), x_title=x_title)
    figure.update_layout(margin_t=figure.layout.margin.t + more_px)
    if y_title:
        figure.update_yaxes(title={"text": y_title, "standoff": 8})
