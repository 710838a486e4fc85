"""A slider steps through pictures that were drawn before."""

from __future__ import annotations

import pytest

from reznet_ws.draw.course_charts import draw_lines
from reznet_ws.draw.picture import Picture
from reznet_ws.draw.steps import SteppedPicture


def lines(window: int, name: str = "delay") -> Picture:
    return draw_lines(f"{window} ms", "n = 2", {name: [(0, 0), (1, window)]}, x_unit="x", y_unit="ms")


def test_a_page_gets_a_step_for_each_value_and_begins_at_the_one_that_is_saved() -> None:
    pictures = {f"{window} ms": lines(window) for window in (10, 50, 100)}
    stepped = SteppedPicture("window", pictures, "50 ms")
    (slider,) = stepped.alive().layout.sliders
    assert [step.label for step in slider.steps] == ["10 ms", "50 ms", "100 ms"]
    assert slider.active == 1
    data, layout = slider.steps[2].args
    assert list(data["y"][0]) == [0, 100]
    assert "100 ms" in layout["title.text"]
    assert repr(stepped) == repr(pictures["50 ms"])
    assert not stepped.figure.layout.sliders, "the saved picture has no slider"


def test_every_step_has_the_same_series() -> None:
    stepped = SteppedPicture("window", {"10": lines(10), "50": lines(50, "other")}, "10")
    with pytest.raises(ValueError, match="every step has the series delay"):
        stepped.alive()
