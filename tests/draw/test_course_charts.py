"""The course's charts and tables say what they were given, as text too, and hold a claim against a figure."""

from __future__ import annotations

import pytest

from reznet_ws.draw.course_charts import (
    COLOURS,
    counted,
    draw_bars,
    draw_groups,
    draw_lines,
    draw_stacks,
)
from reznet_ws.draw.look import LAYER_COLOURS
from reznet_ws.draw.verdicts import judge, show_verdicts

WHERE = counted(2000, where="bytes at the socket")


def test_the_line_under_a_title_says_n_seed_and_place() -> None:
    assert WHERE == "n = 2,000 messages, seed 1, bytes at the socket"
    assert counted(3, "plans", seed=None, where="computed") == "n = 3 plans, computed"


def test_a_layer_has_the_colour_that_it_has_on_the_dashboard() -> None:
    figure = draw_bars("t", WHERE, {"gzip": 1, "abbreviate": 2, "a name": 3}, unit="%").figure
    assert list(figure.data[0].marker.color) == [LAYER_COLOURS["gzip"], LAYER_COLOURS["abbreviate"], COLOURS["off"]]


def test_bars_are_a_table_as_text() -> None:
    picture = draw_bars("a finding", WHERE, {"off": 1234.5, "deflate": -2}, unit="bytes", digits=1)
    assert repr(picture) == "           bytes\noff      1,234.5\ndeflate     −2.0"
    assert "<b>a finding</b>" in picture.figure.layout.title.text
    assert WHERE in picture.figure.layout.title.text


def test_groups_have_the_same_series() -> None:
    picture = draw_groups("t", WHERE, {"chat": {"off": 2, "gzip": 1}, "plans": {"off": 4, "gzip": 3}}, unit="KB")
    assert repr(picture).splitlines()[1].split() == ["chat", "2", "1"]
    assert [trace.name for trace in picture.figure.data] == ["off", "gzip"]
    with pytest.raises(ValueError, match="every group has the series off, gzip"):
        draw_groups("t", WHERE, {"chat": {"off": 2, "gzip": 1}, "plans": {"off": 4}}, unit="KB")


def test_series_of_one_colour_are_hatched_apart() -> None:
    figure = draw_groups("t", WHERE, {"chat": {"a": 1, "b": 2}}, unit="KB", colours={"a": "gzip", "b": "gzip"}).figure
    assert [trace.marker.pattern.shape for trace in figure.data] == ["", "/"]


def test_stacked_bars_say_their_pieces_and_the_sum() -> None:
    rows = {"alone": {"gzip": 60.0, "deflate": 70.0}, "together": {"gzip": 10.0, "deflate": 65.0}}
    picture = draw_stacks("t", WHERE, rows, unit="%")
    assert [row.split() for row in repr(picture).splitlines()[1:]] == [
        ["alone", "60", "70", "130"],
        ["together", "10", "65", "75"],
    ]
    shares = draw_stacks("t", WHERE, rows, unit="%", as_shares=True).figure
    assert [sum(bar.x[at] for bar in shares.data) for at in (0, 1)] == pytest.approx([100, 100])


def test_lines_differ_in_dash_and_symbol_and_leave_gaps_in_the_table() -> None:
    lines = {"a": [(1.0, 2.0), (1000.0, 3.0)], "b": [(10.0, 5.0)]}
    picture = draw_lines("t", WHERE, lines, x_unit="bytes", y_unit="%", log_x=True, limit=(2, "limit"))
    assert len({trace.line.dash for trace in picture.figure.data}) == 2
    assert len({trace.marker.symbol for trace in picture.figure.data}) == 2
    assert [row.split() for row in repr(picture).splitlines()[1:]] == [["1", "2"], ["10", "5"], ["1,000", "3"]]


def test_what_is_marked_on_a_logarithmic_axis_stands_where_it_belongs() -> None:
    lines = {"a": [(1.0, 2.0), (1000.0, 3.0)]}
    figure = draw_lines("t", WHERE, lines, x_unit="", y_unit="", log_x=True, marks={"here": 100}).figure
    assert [(note.text, note.x) for note in figure.layout.annotations] == [("here", 2)]
    assert figure.layout.shapes[0].x0 == 100


@pytest.mark.parametrize(
    ("measured", "holds", "is_met"),
    [(19.94, "no: less", False), (19.96, "yes", True), (25.04, "yes", True), (25.06, "more than that", True)],
)
def test_a_claim_is_judged_by_the_figure_that_is_shown(measured: float, holds: str, is_met: bool) -> None:
    verdict = judge("short keys", measured, 20, 25)
    assert (verdict.claimed, verdict.holds, verdict.is_met) == ("20–25 %", holds, is_met)


def test_verdicts_are_a_table_in_html_and_as_text() -> None:
    shown = show_verdicts([judge("a < b", 50, 46)])._repr_mimebundle_()
    assert "a &lt; b" in shown["text/html"]
    assert shown["text/plain"].splitlines()[1] == "a < b      46 %     50.0 %    yes"
