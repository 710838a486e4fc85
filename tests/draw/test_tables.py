"""Tables as text and as HTML."""

from __future__ import annotations

import pytest

from reznet_ws.draw.tables import Table, align

ROWS = [["layer", "bytes", "left"], [], ["off", "1,200", "100.0"], ["deflate", "90", ""]]


def test_figures_stand_at_the_right_and_an_empty_row_is_a_rule() -> None:
    assert align(ROWS).splitlines() == [
        "layer    bytes   left",
        "-------  -----  -----",
        "off      1,200  100.0",
        "deflate     90",
    ]


def test_text_stands_at_the_left() -> None:
    assert align(ROWS, right=False).splitlines()[2:] == ["off      1,200  100.0", "deflate  90"]


def test_a_row_without_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="a cell for each of a, b"):
        Table(["a", "b"], [["1"]])
