"""The ledger: every byte recorded lands in exactly one row, whenever somebody looks."""

from __future__ import annotations

import dataclasses
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
    Saved,
    Share,
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
    shares = [_share(off=(100, 200))]
    for _ in range(2):
        ledger.record(shares, 50, 42, first=True)
        ledger.record(shares, 20, 32, first=False)
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
    ledger.record([_share("a", weight=3), _share("b", weight=1), _share("a", weight=0)], 400, 102, first=True)
    rows = ledger.rows()
    assert {event: (row.deliveries, row.frame_bytes, row.wire_bytes) for event, row in rows.items()} == {
        "a": (2, 300, 76),
        "b": (1, 100, 26),
    }


def test_long_polling_is_charged_no_frame_headers_without_the_layers() -> None:
    ledger = Ledger()
    shares = [_share(off=(100, 200))]
    ledger.record(shares, 50, 450, first=True, is_polled=True)
    ledger.record(shares, 20, 10, first=False, is_polled=True)
    row = ledger.rows()["say"]
    assert (row.deliveries, row.frames, row.frame_bytes, row.deflated_bytes, row.wire_bytes) == (1, 2, 70, 60, 460)
    assert row.off_wire_bytes == 300


def test_a_row_adds_another() -> None:
    row = EventTotals(*range(10))
    row.add(EventTotals(*range(10, 20)))
    assert row == EventTotals(*(10 + 2 * number for number in range(10)))


def test_rows_are_copies() -> None:
    ledger = Ledger()
    ledger.record([_share()], 1, 3, first=True)
    before = ledger.rows()
    before["say"].wire_bytes = 999
    before.clear()
    assert ledger.rows()["say"].wire_bytes == 3


def test_an_attachment_that_leaves_late_is_no_second_delivery() -> None:
    ledger = Ledger()
    ledger.record([_share()], 50, 42, first=True)
    ledger.rows()
    ledger.record([_share()], 20, 22, first=False)
    row = ledger.rows()["say"]
    assert (row.deliveries, row.frames, row.plain_bytes, row.wire_bytes) == (1, 2, 90, 64)


def test_reset_forgets_what_has_left_and_counts_what_leaves_after() -> None:
    ledger = Ledger()
    ledger.record([_share()], 50, 42, first=True)
    ledger.sent_bytes = 1000
    ledger.reset()
    assert (ledger.rows(), ledger.sent_bytes) == ({}, 0)
    ledger.record([_share()], 50, 42, first=True)
    assert ledger.rows()["say"].wire_bytes == 42


def test_what_belongs_to_no_event_has_no_row() -> None:
    ledger = Ledger()
    ledger.record((), 50, 42, first=True)
    assert ledger.rows() == {}


def test_events_with_ever_new_names_share_a_row_in_the_end() -> None:
    ledger = Ledger()
    for number in range(3 * MAX_EVENTS):
        ledger.record([_share(f"user-{number}")], 1, 3, first=True)
    ledger.record([_share("user-0")], 1, 3, first=True)
    rows = ledger.rows()
    assert len(rows) == MAX_EVENTS + 1
    assert rows[OTHER_EVENTS].deliveries == 2 * MAX_EVENTS
    assert rows["user-0"].deliveries == 2
    assert sum(row.wire_bytes for row in rows.values()) == 3 * (3 * MAX_EVENTS + 1)


frames = st.tuples(st.integers(0, 2), sizes, sizes, st.integers(1, 5), st.booleans(), st.booleans())


@given(
    st.lists(st.lists(shares, min_size=1, max_size=4), min_size=3, max_size=3),
    st.lists(frames | st.sampled_from(["look", "reset"]), max_size=30),
)
def test_totals_are_exact_whenever_somebody_looks_or_resets(packets: list[list[Share]], steps: list[Any]) -> None:
    ledger = Ledger()
    total: Counter[str] = Counter()
    for step in steps:
        if step == "look":
            ledger.rows()
        elif step == "reset":
            ledger.reset()
            total.clear()
        else:
            index, frame, payload, copies, first, polled = step
            wire = payload + header_bytes(payload)
            ledger.record(packets[index], frame, wire, first=first, copies=copies, is_polled=polled)
            total["frames"] += copies
            total["frame_bytes"] += copies * frame
            total["deflated_bytes"] += copies * (min(frame, wire) if polled else payload)
            total["wire_bytes"] += copies * wire
            for share in packets[index] if first else ():
                total[f"deliveries of {share.event}"] += copies
                for name in ("plain_bytes", "abbreviated_bytes", "encoded_bytes", "gzipped_bytes"):
                    total[f"{name} of {share.event}"] += copies * getattr(share, name)
                saved = share.saved or Saved()
                total[f"packed_saved_bytes of {share.event}"] += copies * saved.packed
                total[f"held_saved_bytes of {share.event}"] += copies * saved.held
                total[f"rows_saved_bytes of {share.event}"] += copies * saved.rows
                headers = 0 if polled else sum(map(header_bytes, share.off_frame_bytes))
                total[f"off_wire_bytes of {share.event}"] += copies * (sum(share.off_frame_bytes) + headers)
    found: Counter[str] = Counter()
    for event, row in ledger.rows().items():
        for name, value in dataclasses.asdict(row).items():
            shared = name in ("frames", "frame_bytes", "deflated_bytes", "wire_bytes")
            found[name if shared else f"{name} of {event}"] += value
    # What was saved may be less than nothing.
    assert {name: value for name, value in found.items() if value} == {n: value for n, value in total.items() if value}
