"""What the terminal shows: the verdict first, every choice, and no name that steers it."""

from __future__ import annotations

import dataclasses

from reznet_ws.audit.examine.findings import Findings, ProblemNote
from reznet_ws.audit.show.terminal import Audited, audit_text, problems_text, summary_text
from reznet_ws.audit.show.verdict_text import verdict_lines


def test_the_verdict_comes_first_then_choices_events_and_the_floor(audited: Findings) -> None:
    text = audit_text(audited)
    assert text.splitlines()[:3] == list(verdict_lines(audited))
    places = [text.index(word) for word in ("Read:", "\nsettings ", "\noff ", "\nbest ", "\nevent ", "\nFloor:")]
    assert places == sorted(places)
    assert audited.floor is not None
    assert f"{audited.floor.xz_bytes:,}" in text
    assert all(f"{row.wire_bytes:,}" in text for row in audited.whole)


def test_no_name_steers_the_terminal(hostile: Findings) -> None:
    text = audit_text(hostile) + problems_text(hostile.problems)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_without_a_verdict_there_are_no_tables(nothing_from_the_server: Findings) -> None:
    text = audit_text(nothing_from_the_server)
    assert "no verdict" in text
    assert "Floor" not in text


def test_problems_have_file_and_position_and_are_not_endless() -> None:
    text = problems_text([ProblemNote("a.har", f"line {number}", "it is cut off") for number in range(50)])
    assert "a.har: line 3: it is cut off" in text
    assert text.endswith("... and 30 more lines like these")


def test_what_is_recommended_with_one_window_for_all_is_told_of_each_choice(audited: Findings) -> None:
    assert audited.verdict is not None
    best, stock_clients = audited.verdict.best, audited.verdict.stock_clients
    shared = dataclasses.replace(
        audited.verdict,
        best=dataclasses.replace(best, wire_bytes=123_456),
        stock_clients=dataclasses.replace(stock_clients, wire_bytes=234_567),
    )
    text = audit_text(dataclasses.replace(audited, verdict=shared))
    assert f"best 123,456 instead of {best.row.wire_bytes:,} bytes" in text
    assert f"stock clients 234,567 instead of {stock_clients.row.wire_bytes:,} bytes" in text
    assert "simulated" not in audit_text(audited)


def test_an_anonymous_summary_names_no_file(audited: Findings) -> None:
    text = summary_text([Audited("folder/chat.jsonl", dataclasses.replace(audited, is_anonymous=True), 0.5)])
    assert "chat.jsonl" not in text
    assert text.count("file 1") == 2


def test_the_summary_has_a_row_for_each_file(audited: Findings, nothing_from_the_server: Findings) -> None:
    assert audited.floor is not None
    floor = dataclasses.replace(audited.floor, best_bytes=123_456)  # of a shared window, say
    audited = dataclasses.replace(audited, floor=floor)
    text = summary_text(
        [Audited("folder/chat.jsonl", audited, 0.5), Audited("sent.jsonl", nothing_from_the_server, 1.0)]
    )
    assert audited.verdict is not None
    (row,) = (line.split() for line in text.splitlines() if line.startswith("chat.jsonl  "))
    stock = next(row.wire_bytes for row in audited.whole if row.label == "stock")
    assert row[1:2] == [f"{audited.totals.messages:,}"]
    assert {f"{stock:,}", "123,456", f"{floor.xz_bytes:,}"} <= set(row)
    assert f"{0.5 * 10_000 / audited.totals.messages:.1f}" in row
    assert f"chat.jsonl: {audited.verdict.best.source}" in text
    assert "sent.jsonl: no verdict" in text
