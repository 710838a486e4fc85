"""StageBar: a bar for a person, a line for each stage for a log."""

from __future__ import annotations

import io

from reznet_ws.audit.show.stage_bar import StageBar


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def run(progress: StageBar) -> None:
    with progress:
        for done in (500, 1000):
            progress("read", done, 1000)
        progress("repeats", 0, None)


def test_a_log_gets_a_line_for_each_stage() -> None:
    stream = io.StringIO()
    run(StageBar(stream, "a.har"))
    assert stream.getvalue() == "a.har: reading ...\na.har: what repeats ...\n"


def test_a_terminal_gets_a_bar_that_is_taken_away() -> None:
    stream = Terminal()
    run(StageBar(stream))
    shown = stream.getvalue()
    assert "reading" in shown
    assert "0.00/1.00kB" in shown or "/1.00k" in shown
    assert "\n" not in shown
    assert shown.rpartition("\r")[2].strip() == ""
