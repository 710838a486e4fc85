"""The ledger: every byte recorded lands in exactly one row, whenever somebody looks."""

from __future__ import annotations

import dataclasses
import gc
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from reznet_ws.ledger import (
    MAX_EVENTS,
    OTHER_EVENTS,
    EventTotals,
    Ledger,
    Share,
    Tally,
    apportion,
    header_bytes,
    payload_bytes,
)

sizes = st.integers(0, 200_000)
shares = st.builds(
    Share,
    st.sampled_from(["message_new", "agent_status", "user_typing"]),
    sizes,
    sizes,
    sizes,
    sizes,
    st.lists(sizes, min_size=1, max_size=3).map(tuple),
    st.integers(0, 1000),
)


def _share(event: str = "say", *, off: tuple[int, ...] = (100,), weight: int = 1) -> Share:
    return Share(event, 90, 80, 70, 60, off, weight)


# Splitting


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
@example(7, [0, 0, 0])
@example(10, [1, 1, 1])
@example(0, [5, 5])
def test_the_parts_add_up_to_the_whole(total: int, weights: list[int]) -> None:
    parts = apportion(total, weights)
    assert len(parts) == len(weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_a_part_is_within_one_of_its_due(total: int, weights: list[int]) -> None:
    for part, weight in zip(apportion(total, weights), weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


def test_equal_weights_get_equal_parts() -> None:
    assert apportion(12, [1, 1, 2]) == [3, 3, 6]


# Frames' headers


@pytest.mark.parametrize(
    ("payload", "header"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (10_000_000, 10)]
)
def test_a_header_is_as_large_as_the_frame_asks(payload: int, header: int) -> None:
    assert header_bytes(payload) == header


@given(st.integers(0, 70_000) | st.integers(120, 135) | st.integers(65_520, 65_550))
def test_a_whole_frame_tells_the_size_of_its_payload(size: int) -> None:
    wire = Frame(Opcode.BINARY, bytes(size)).serialize(mask=False)
    assert len(wire) == size + header_bytes(size)
    assert payload_bytes(len(wire)) == size


# Rows


def test_one_packet_to_two_receivers() -> None:
    ledger = Ledger()
    tally = Tally(ledger, [_share(off=(100, 200))])
    for _ in range(2):
        tally.record(50, 40, 42, first=True)
        tally.record(20, 30, 32, first=False)
    assert ledger.rows() == {
        "say": EventTotals(
            deliveries=2,
            frames=4,
            plain_bytes=180,
            abbreviated_bytes=160,
            encoded_bytes=140,
            gzipped_bytes=120,
            frame_bytes=140,
            deflated_bytes=140,
            wire_bytes=148,
            off_wire_bytes=2 * (100 + 2 + 200 + 4),
        )
    }


def test_the_messages_of_a_batch_share_its_frame_by_weight() -> None:
    ledger = Ledger()
    tally = Tally(ledger, [_share("a", weight=3), _share("b", weight=1), _share("a", weight=0)])
    tally.record(400, 100, 104, first=True)
    rows = ledger.rows()
    assert {event: (row.deliveries, row.frame_bytes, row.wire_bytes) for event, row in rows.items()} == {
        "a": (2, 300, 78),
        "b": (1, 100, 26),
    }


def test_long_polling_is_charged_no_frame_headers_without_the_layers() -> None:
    ledger = Ledger()
    tally = Tally(ledger, [_share(off=(100, 200))])
    tally.record_polled(50, 450, first=True)
    tally.record_polled(20, 10, first=False)
    row = ledger.rows()["say"]
    assert (row.deliveries, row.frames, row.frame_bytes, row.deflated_bytes, row.wire_bytes) == (1, 2, 70, 60, 460)
    assert row.off_wire_bytes == 300


def test_a_row_adds_another() -> None:
    row = EventTotals(*range(10))
    row.add(EventTotals(*range(10, 20)))
    assert row == EventTotals(*(10 + 2 * number for number in range(10)))


def test_rows_are_copies() -> None:
    ledger = Ledger()
    Tally(ledger, [_share()]).record(1, 1, 3, first=True)
    before = ledger.rows()
    before["say"].wire_bytes = 999
    before.clear()
    assert ledger.rows()["say"].wire_bytes == 3


def test_what_leaves_late_counts_once_it_has_left() -> None:
    ledger = Ledger()
    tally = Tally(ledger, [_share()])
    tally.record(50, 40, 42, first=True)
    assert ledger.rows()["say"].deliveries == 1
    tally.record(50, 40, 42, first=True)  # a slow receiver's copy, after somebody has looked
    assert ledger.rows()["say"] == EventTotals(2, 2, 180, 160, 140, 120, 100, 80, 84, 204)


def test_an_attachment_that_leaves_late_is_no_second_delivery() -> None:
    ledger = Ledger()
    tally = Tally(ledger, [_share()])
    tally.record(50, 40, 42, first=True)
    ledger.rows()
    tally.record(20, 20, 22, first=False)
    row = ledger.rows()["say"]
    assert (row.deliveries, row.frames, row.plain_bytes, row.wire_bytes) == (1, 2, 90, 64)


def test_reset_forgets_what_has_left_and_counts_what_leaves_after() -> None:
    ledger = Ledger()
    settled, unsettled = Tally(ledger, [_share()]), Tally(ledger, [_share()])
    settled.record(50, 40, 42, first=True)
    ledger.rows()
    unsettled.record(50, 40, 42, first=True)
    ledger.sent_bytes = 1000
    ledger.reset()
    assert (ledger.rows(), ledger.sent_bytes) == ({}, 0)
    for tally in (settled, unsettled):
        tally.record(50, 40, 42, first=True)
    assert ledger.rows()["say"].wire_bytes == 84


def test_a_ledger_that_nobody_reads_stays_small() -> None:
    gc.collect()
    before = sum(type(item) is Tally for item in gc.get_objects())
    ledger = Ledger()
    for _ in range(20_000):
        Tally(ledger, [_share()]).record(1, 1, 3, first=True)
    assert sum(type(item) is Tally for item in gc.get_objects()) - before <= 500
    assert ledger.rows()["say"].wire_bytes == 60_000


def test_events_with_ever_new_names_share_a_row_in_the_end() -> None:
    ledger = Ledger()
    for number in range(3 * MAX_EVENTS):
        Tally(ledger, [_share(f"user-{number}")]).record(1, 1, 3, first=True)
    Tally(ledger, [_share("user-0")]).record(1, 1, 3, first=True)
    rows = ledger.rows()
    assert len(rows) == MAX_EVENTS + 1
    assert rows[OTHER_EVENTS].deliveries == 2 * MAX_EVENTS
    assert rows["user-0"].deliveries == 2
    assert sum(row.wire_bytes for row in rows.values()) == 3 * (3 * MAX_EVENTS + 1)


frames = st.tuples(st.integers(0, 2), sizes, sizes, sizes, st.booleans(), st.booleans())


@given(
    st.lists(st.lists(shares, min_size=1, max_size=4), min_size=3, max_size=3),
    st.lists(frames | st.sampled_from(["look", "reset"]), max_size=30),
)
def test_totals_are_exact_whenever_somebody_looks_or_resets(packets: list[list[Share]], steps: list[Any]) -> None:
    ledger = Ledger()
    tallies = [Tally(ledger, packet) for packet in packets]
    total: Counter[str] = Counter()
    for step in steps:
        if step == "look":
            ledger.rows()
        elif step == "reset":
            ledger.reset()
            total.clear()
        else:
            index, frame, deflated, wire, first, polled = step
            if polled:
                tallies[index].record_polled(frame, wire, first=first)
            else:
                tallies[index].record(frame, deflated, wire, first=first)
            total["frames"] += 1
            total["frame_bytes"] += frame
            total["deflated_bytes"] += min(frame, wire) if polled else deflated
            total["wire_bytes"] += wire
            for share in packets[index] if first else ():
                total[f"deliveries of {share.event}"] += 1
                for name in ("plain_bytes", "abbreviated_bytes", "encoded_bytes", "gzipped_bytes"):
                    total[f"{name} of {share.event}"] += getattr(share, name)
                headers = 0 if polled else sum(map(header_bytes, share.off_frame_bytes))
                total[f"off_wire_bytes of {share.event}"] += sum(share.off_frame_bytes) + headers
    found: Counter[str] = Counter()
    for event, row in ledger.rows().items():
        for name, value in dataclasses.asdict(row).items():
            shared = name in ("frames", "frame_bytes", "deflated_bytes", "wire_bytes")
            found[name if shared else f"{name} of {event}"] += value
    assert +found == +total


@given(st.lists(frames, max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_a_row_of_single_messages_does_not_depend_on_who_looked(steps: list[Any], looks: list[bool]) -> None:
    rows = []
    for looking in (False, True):
        ledger = Ledger()
        tallies = [Tally(ledger, [_share(f"event-{number}")]) for number in range(3)]
        for (index, frame, deflated, wire, first, _), look in zip(steps, looks, strict=False):
            tallies[index].record(frame, deflated, wire, first=first)
            if looking and look:
                ledger.rows()
        rows.append(ledger.rows())
    assert rows[0] == rows[1]
