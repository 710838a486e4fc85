"""A picture of who shares a history with whom, message by message.

In: for each message the history of each client, as a letter. Out: an image, with a table as text.
Never: computes histories.
Never: tells anything by colour alone: a letter stands in each stretch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import plotly.graph_objects as go

from reznet_ws.draw.look import INK_COLOUR, LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR, dress
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.tables import Table
from reznet_ws.replay.members import NO_HISTORY

_COLOURS = [WIRE_COLOUR, *(LAYER_COLOURS[name] for name in ("abbreviate", "gzip", "utf8", "batch", "deflate"))]
_ROW_PX = 24
# Of all messages; in a narrower stretch no letter fits.
_LEAST_LABELLED = 0.02


def draw_histories(title: str, counted: str, history: Sequence[str]) -> Picture:
    """A row for each client, from left to right the messages; those with one letter and colour hold the same.

    Shape: for each message the letters of all clients, oldest first; there may be more of them later.
    """
    figure = go.Figure()
    rows = []
    for place in range(len(history[-1])):
        stretches = _stretches(history, place)
        rows.append((f"client {place + 1}", ", ".join(f"{start}–{end} {letter}" for start, end, letter in stretches)))
        for start, end, letter in stretches:
            bar = go.Bar(
                orientation="h",
                y=[f"client {place + 1}"],
                x=[end - start + 1],
                base=start - 1,
                width=0.8,
                text=letter if end - start >= _LEAST_LABELLED * len(history) else "",
                textposition="inside",
                insidetextanchor="middle",
                textfont={"color": INK_COLOUR, "size": 12},
                textangle=0,
                marker={"color": _colour(letter), "line": {"width": 0}},
                hovertext=f"{start}–{end}: {letter}",
                hoverinfo="text",
            )
            figure.add_trace(bar)
    _style(figure, title, counted, len(rows), len(history))
    return Picture(figure, repr(Table(["", "messages and the history"], rows, right=False)))


def _stretches(history: Sequence[str], place: int) -> list[tuple[int, int, str]]:
    """From which message to which a client holds which history; not before it came."""
    letters = [(number, letters[place]) for number, letters in enumerate(history, start=1) if place < len(letters)]
    groups = (list(group) for _, group in itertools.groupby(letters, key=lambda pair: pair[1]))
    return [(group[0][0], group[-1][0], group[0][1]) for group in groups]


def _colour(letter: str) -> str:
    return OFF_COLOUR if letter == NO_HISTORY else _COLOURS[(ord(letter) - ord("A")) % len(_COLOURS)]


def _style(figure: go.Figure, title: str, counted: str, rows: int, messages: int) -> None:
    dress(
        figure,
        height_px=76 + _ROW_PX * rows + 48,
        margin_px={"l": 76, "r": 28, "t": 76, "b": 48},
        title=title,
        counted=counted,
        barmode="overlay",
        showlegend=False,
    )
    figure.update_xaxes(
        title={"text": "messages sent", "standoff": 6, "font": {"size": 12}}, range=[0, messages], showgrid=False
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
