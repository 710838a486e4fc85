"""What each kind of delta gives back, over any two values."""

from __future__ import annotations

import pytest
import strategies as s
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.lab.explain.deltas import (
    DELTAS,
    apply_json_patch,
    apply_text_delta,
    delta_packets,
    json_patch,
    merge_patch,
    text_delta,
)
from reznet_ws.message.json_text import dumps
from reznet_ws.replay.one_window import bare_sizes
from reznet_ws.replay.rows_lines import packet_of
from reznet_ws.replay.trace import take

texts = st.text(alphabet="ab:@,1é😀", max_size=60)


@given(texts, texts, texts)
def test_a_text_delta_gives_the_text_back(start: str, middle: str, end: str) -> None:
    old, new = start + middle + end, middle + start + middle + end
    assert apply_text_delta(old, text_delta(old, new)) == new


@given(s.json_values, s.json_values)
def test_a_json_patch_gives_the_value_back(old: object, new: object) -> None:
    again = apply_json_patch(old, json_patch(old, new))
    assert again == new
    assert sorted(dumps(again, utf8=True)) == sorted(dumps(new, utf8=True))


def test_a_merge_patch_is_as_in_the_rfc() -> None:
    old = {"a": "b", "c": {"d": "e", "f": "g"}}
    assert merge_patch(old, {"a": "z", "c": {"d": "e"}}) == {"a": "z", "c": {"f": None}}


@pytest.mark.parametrize("name", DELTAS)
def test_what_does_not_come_back_exactly_travels_whole(name: str) -> None:
    events = [("e", {"long": "text " * 9, "gone": 1}), ("e", {"long": "text " * 9, "gone": None})]
    packets = list(delta_packets(events, DELTAS[name]))
    assert packets[0] == packet_of(*events[0])
    assert (packets[1] == packet_of(*events[1])) == (name == "merge patch")  # null would mean that it went


@pytest.mark.parametrize("name", DELTAS)
def test_deltas_are_smaller_on_the_demos_traffic(name: str) -> None:
    events = take(200)
    whole = sum(bare_sizes(packet_of(*event) for event in events))
    assert sum(bare_sizes(delta_packets(events, DELTAS[name]))) < whole
