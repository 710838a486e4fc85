"""What takes how much of a message away is drawn from its sizes after each step."""

from __future__ import annotations

import pytest

from reznet_ws.draw.ablation_charts import draw_savings


def test_a_bar_is_what_is_left_and_what_each_step_took() -> None:
    savings = draw_savings("t", "n = 1", {"a plan": [1000, 900, 300]}, ["abbreviate", "deflate"])
    assert str(savings).splitlines()[1].split() == ["a", "plan,", "1,000", "bytes", "300", "600", "100", "1,000"]
    assert [list(bar.x) for bar in savings.figure.data] == [[30.0], [60.0], [10.0]]
    with pytest.raises(ValueError, match="one size and then one for each of deflate"):
        draw_savings("t", "n = 1", {"a plan": [1, 2, 3]}, ["deflate"])
