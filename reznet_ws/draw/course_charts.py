"""Charts and tables of the course: the title says the finding, and the same layer has the same colour everywhere.

In: figures that a notebook computed. Out: images that a saved notebook and GitHub show, always with a table as text.
Never: measures, or says what is not in the figures it was given.

- `draw_bars`, `draw_groups`, `draw_stacks` and `draw_lines` each take a title (what the figures say), `counted(...)`
  (n, seed, where they were counted) and a unit.
- `colours` maps a series to a layer or another name in `COLOURS`; a series that is called like one needs none.
- `show_table` shows anything else.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from reznet_ws.draw.look import INK_COLOUR, LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR, dress, dress_axes
from reznet_ws.draw.marks import LIMIT_COLOUR, mark_band, mark_limit, mark_place, mark_point, scale_logarithmically
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import Table, align, say

# "window" and "threshold" are what deflate does with and without context takeover; "mixed" is several layers at once.
COLOURS = {
    **LAYER_COLOURS,
    "off": OFF_COLOUR,
    "plain": OFF_COLOUR,
    "wire": WIRE_COLOUR,
    "stock": LAYER_COLOURS["deflate"],
    "window": WIRE_COLOUR,
    "threshold": "#9FD3F2",
    "mixed": "#7B68A6",
    "limit": LIMIT_COLOUR,
}
# Told apart without colours, too: by the order of the series.
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_TITLE_COLUMNS, _LABEL_COLUMNS = 100, 26
_LINE_PX = 21
# Of the longest bar; in a narrower piece no figure fits.
_LEAST_LABELLED = 0.05

Points = Sequence[tuple[float, float]]


def counted(n: int, what: str = "messages", *, where: str, seed: int | None = 1) -> str:
    """The line under a title: how many of what, from which seed, counted where."""
    return ", ".join([f"n = {n:,} {what}", *([] if seed is None else [f"seed {seed}"]), where])


def draw_bars(
    title: str,
    counted: str,
    values: Mapping[str, float],
    *,
    unit: str,
    colours: Mapping[str, str] | None = None,
    digits: int = 0,
    limit: tuple[float, str] | None = None,
) -> Picture:
    """One bar for each name, from top to bottom.

    Units: `unit` stands on the axis, `digits` are those behind the point. `limit` draws a line across, with its label.
    """
    figure = go.Figure()
    bar = go.Bar(
        orientation="h",
        y=[_wrap(name, _LABEL_COLUMNS) for name in values],
        x=list(values.values()),
        width=0.66,
        text=[f"<b>{say(value, digits)}</b>" for value in values.values()],
        textposition="outside",
        textfont={"size": 12},
        cliponaxis=False,
        marker={"color": [_colour(name, colours) for name in values], "line": {"width": 0}},
        showlegend=False,
    )
    figure.add_trace(bar)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)
    figure.update_xaxes(title={"text": unit, "standoff": 6}, range=_range(values.values(), limit))
    if limit is not None:
        mark_limit(figure, limit, upright=True)
    _style(figure, title, counted, plot_px=20 + 34 * len(values), has_legend=False)
    rows = [[name, say(value, digits)] for name, value in values.items()]
    return Picture(figure, align([["", unit], *rows]))


def draw_groups(
    title: str,
    counted: str,
    groups: Mapping[str, Mapping[str, float]],
    *,
    unit: str,
    colours: Mapping[str, str] | None = None,
    digits: int = 0,
    limit: tuple[float, str] | None = None,
    stacked: bool = False,
) -> Picture:
    """Bars side by side (or on top of each other) for each group.

    Shape: group -> series -> value; every group has the same series. Raises: ValueError where one has others.
    """
    names = list(next(iter(groups.values())))
    if any(list(group) != names for group in groups.values()):
        raise ValueError(f"every group has the series {', '.join(names)}")
    figure = go.Figure()
    for number, name in enumerate(names):
        values = [group[name] for group in groups.values()]
        bar = go.Bar(
            name=name,
            x=[_wrap(group, 18) for group in groups],
            y=values,
            text=[say(value, digits) for value in values],
            textposition="inside" if stacked else "outside",
            textangle=0,
            textfont={"size": 11},
            cliponaxis=False,
            marker={"color": _colour(name, colours), "line": {"width": 0}, "pattern": _pattern(number, names, colours)},
        )
        figure.add_trace(bar)
    figure.update_layout(barmode="stack" if stacked else "group", bargap=0.28, bargroupgap=0.06)
    figure.update_xaxes(showgrid=False)
    totals = [sum(group.values()) if stacked else max(group.values()) for group in groups.values()]
    lows = [min(group.values()) for group in groups.values()]
    figure.update_yaxes(title={"text": unit, "standoff": 8}, range=_range([*totals, *lows], limit))
    if limit is not None:
        mark_limit(figure, limit)
    _style(figure, title, counted, plot_px=290, has_legend=len(names) > 1)
    rows = [[group, *(say(values[name], digits) for name in names)] for group, values in groups.items()]
    return Picture(figure, align([[unit, *names], *rows]))


def draw_lines(
    title: str,
    counted: str,
    lines: Mapping[str, Points],
    *,
    x_unit: str,
    y_unit: str,
    colours: Mapping[str, str] | None = None,
    digits: int = 0,
    log_x: bool = False,
    log_y: bool = False,
    limit: tuple[float, str] | None = None,
    band: tuple[float, float, str] | None = None,
    marks: Mapping[str, float] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
    scattered: Sequence[str] = (),
) -> Picture:
    """A curve for each series, told apart by colour, dash and symbol; those in `scattered` are single points.

    Shape: series -> (x, y) in order. `limit` is a line across at a height, `band` shades what lies between two, `marks`
    are upright lines at an x, `points` are single points with their names.
    """
    figure = go.Figure()
    for number, (name, line) in enumerate(lines.items()):
        scatter = go.Scatter(
            name=name,
            x=[x for x, _ in line],
            y=[y for _, y in line],
            mode="markers" if name in scattered else "lines+markers",
            line={"color": _colour(name, colours), "width": 2.5, "dash": _DASHES[number % len(_DASHES)]},
            marker={"symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 7},
        )
        figure.add_trace(scatter)
    figure.update_xaxes(title={"text": x_unit, "standoff": 6})
    figure.update_yaxes(title={"text": y_unit, "standoff": 8}, rangemode="normal" if log_y else "tozero")
    if log_x:
        scale_logarithmically(figure.update_xaxes, [x for line in lines.values() for x, _ in line])
    if log_y:
        scale_logarithmically(figure.update_yaxes, [y for line in lines.values() for _, y in line])
    if limit is not None:
        mark_limit(figure, limit, is_below=True, log=log_y)
    if band is not None:
        mark_band(figure, band, log_y=log_y)
    for name, x in (marks or {}).items():
        mark_place(figure, name, x, log_x=log_x)
    for number, (name, point) in enumerate((points or {}).items()):
        mark_point(figure, name, point, log_x=log_x, log_y=log_y, is_below=number % 2 == 1)
    _style(figure, title, counted, plot_px=320, has_legend=len(lines) > 1)
    xs = sorted({x for line in lines.values() for x, _ in line})
    found = [dict(line) for line in lines.values()]
    rows = [[say(x, 0), *(say(line[x], digits) if x in line else "" for line in found)] for x in xs]
    return Picture(figure, align([[x_unit, *lines], *rows]))


def draw_stacks(
    title: str,
    counted: str,
    rows: Mapping[str, Mapping[str, float]],
    *,
    unit: str,
    colours: Mapping[str, str] | None = None,
    digits: int = 0,
    limit: tuple[float, str] | None = None,
    as_shares: bool = False,
) -> Picture:
    """A bar for each row, of pieces that lie end to end; `as_shares` makes all bars of one length.

    Shape: row -> series -> value; every row has the same series. `limit` is an upright line with its label.
    """
    figure = go.Figure()
    sums = {row: sum(values.values()) for row, values in rows.items()}
    longest = 100 if as_shares else max(sums.values())
    scales = {row: 100 / sums[row] if as_shares else 1 for row in rows}
    for name in next(iter(rows.values())):
        lengths = {row: scales[row] * values[name] for row, values in rows.items()}
        is_wide = {row: length > _LEAST_LABELLED * longest for row, length in lengths.items()}
        bar = go.Bar(
            name=name,
            orientation="h",
            y=[_wrap(row, _LABEL_COLUMNS) for row in rows],
            x=list(lengths.values()),
            text=[say(values[name], digits) if is_wide[row] else "" for row, values in rows.items()],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"size": 12, "color": INK_COLOUR},
            marker={"color": _colour(name, colours), "line": {"width": 0}},
        )
        figure.add_trace(bar)
    figure.update_layout(barmode="relative", bargap=0.34)
    figure.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)
    figure.update_xaxes(title={"text": f"% of the {unit}" if as_shares else unit, "standoff": 6})
    if as_shares:
        figure.update_xaxes(range=[0, 100.4])
    if limit is not None:
        mark_limit(figure, limit, upright=True)
    _style(figure, title, counted, plot_px=20 + 52 * len(rows), has_legend=True)
    names = list(next(iter(rows.values())))
    table = [
        [row, *(say(values[name], digits) for name in names), say(sums[row], digits)] for row, values in rows.items()
    ]
    return Picture(figure, align([[unit, *names, "sum"], *table]))


def show_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, right: bool = True) -> Table:
    """A table of anything; `right` sets all columns but the first to the right, as figures want it."""
    return Table(header, rows, right=right)


def _colour(name: str, colours: Mapping[str, str] | None) -> str:
    key = (colours or {}).get(name, name)
    return key if key.startswith("#") else COLOURS.get(key, OFF_COLOUR)


def _pattern(number: int, names: Sequence[str], colours: Mapping[str, str] | None) -> dict[str, Any]:
    """Hatching for a bar whose colour one before it has already."""
    before = [_colour(name, colours) for name in names[:number]]
    return {"shape": "/" if _colour(names[number], colours) in before else "", "solidity": 0.35}


def _wrap(text: str, columns: int) -> str:
    return "<br>".join(textwrap.wrap(text, columns, break_long_words=False))


def _range(values: Iterable[float], limit: tuple[float, str] | None) -> list[float]:
    """From 0 or below to above the largest, with room for a figure at each end."""
    known = [0.0, *values, *([] if limit is None else [limit[0]])]
    low, high = min(known), max(known)
    return [low - 0.12 * (high - low) if low < 0 else 0.0, high + 0.12 * (high - low)]


def _style(figure: Any, title: str, counted: str, *, plot_px: int, has_legend: bool) -> None:
    lines = textwrap.wrap(title, _TITLE_COLUMNS)
    top, bottom = _LINE_PX * len(lines) + 40 + (24 if has_legend else 0), 48
    dress(
        figure,
        height_px=top + plot_px + bottom,
        margin_px={"l": 64, "r": 28, "t": top, "b": bottom},
        title="<br>".join(lines),
        counted=counted,
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
    )
    dress_axes(figure, automargin=True)
