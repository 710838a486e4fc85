"""Figures have units, verdicts have three lines, and no name steers a terminal."""

from __future__ import annotations

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from reznet_ws.audit.examine.findings import Findings, ProblemNote
from reznet_ws.audit.examine.replayed import Saving
from reznet_ws.audit.show.verdict_text import say_per_day, verdict_lines
from reznet_ws.audit.show.wording import (
    counted_sample,
    printable,
    say_bytes,
    say_change,
    say_count,
    say_whether_few,
    share_percent,
)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e12, "5,000.0 GB")],
)
def test_bytes_have_a_unit(size: float, said: str) -> None:
    assert say_bytes(size) == said


def test_a_change_says_which_way() -> None:
    assert say_change(60, 100) == "40.0 % fewer bytes"
    assert say_change(150, 100) == "50.0 % more bytes"
    assert say_change(100, 100) == say_change(0, 0) == "as many bytes"
    assert share_percent(1, 0) == 100


def test_one_is_no_plural() -> None:
    assert (say_count(1, "file"), say_count(1200, "file")) == ("1 file", "1,200 files")


def test_the_verdict_says_what_to_set_what_it_saves_and_what_else_there_is(audited: Findings) -> None:
    what, saves, instead = verdict_lines(audited)
    assert audited.verdict is not None
    assert audited.verdict.best.source in what
    assert "fewer bytes than stock" in saves
    assert "a day for 100 users" in saves
    assert "at a price of 0.09 per GB" in saves
    assert "uvicorn main:app" in instead
    assert "perMessageDeflate" in instead


def test_the_saving_of_a_day_is_computed(audited: Findings) -> None:
    saving = Saving(2000, 1000, 2e9, 1e9, 10, 0.5, 5.0)
    said = (
        "At the capture's rate that saves 1.0 GB a day for each connection, 10.0 GB a day for 10 users, which is 5.00 a"
    )
    assert say_per_day(saving).startswith(said)
    worse = dataclasses.replace(saving, best_bytes_per_connection_day=3e9, saved_price_per_day=-5.0)
    assert say_per_day(worse).startswith("At the capture's rate that costs 1.0 GB a day")


def test_without_a_clock_nothing_is_said_of_a_day() -> None:
    assert "no clock" in say_per_day(Saving(2, 1, None, None, 10, 0.5, None))


def test_without_messages_from_the_server_there_is_no_verdict(nothing_from_the_server: Findings) -> None:
    (line,) = verdict_lines(nothing_from_the_server)
    assert "no verdict" in line


def test_the_count_says_whether_it_is_a_sample(audited: Findings) -> None:
    assert counted_sample(audited).startswith("n = 120 messages from the server, bytes at the socket")
    part = dataclasses.replace(audited.sample, messages=50, is_everything=False)
    said = counted_sample(dataclasses.replace(audited, sample=part))
    assert said.startswith("n = 50 of 120 messages from the server (the leading part")


@hypothesis.given(st.text())
def test_whatever_a_text_is_it_becomes_printable_and_keeps_its_length(text: str) -> None:
    note = printable(ProblemNote(text, "line 1", text))
    assert note.file.isprintable()
    assert len(note.file) == len(text)
    assert note.file == text or not text.isprintable()


def test_names_within_everything_are_made_printable(hostile: Findings) -> None:
    clean = printable(hostile)
    assert all(cost.event.isprintable() for cost in clean.events)
    assert clean.totals == hostile.totals
    assert clean.whole[0].changes == hostile.whole[0].changes


def test_a_short_capture_is_said_to_be_one(audited: Findings) -> None:
    assert say_whether_few(audited) == ""
    few = dataclasses.replace(audited, totals=dataclasses.replace(audited.totals, replayed_messages=7))
    assert "little to go by" in say_whether_few(few)
    assert verdict_lines(few)[0].endswith(say_whether_few(few))
