"""Rows: what changed since a message like it, for all who hold the same; the very text comes back."""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import strategies as s
from hostile_packets import hostile_packets
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message.rows import begin, encode, encode_aside, join
from reznet_ws.message.rows_state import Bounds, RowsState
from reznet_ws.message.rows_text import TEMPLATE_SIGNS

ROOT = Path(__file__).parents[2]
FRAMES = ROOT / "reznet_ws/client/js/test/rows-frames.json"
TIGHT = Bounds(rows=3, shapes=4, leaves=30, packet_chars=4000, kept_chars=8_000, far_chars=20_000)
ALL_BOUNDS = [Bounds(), Bounds(far_chars=2**20), TIGHT]


def _event(event: str, data: Any) -> str:
    return "2" + json.dumps([event, data], separators=(",", ":"))


def _lines(packets: list[str], bounds: Bounds | None = None) -> list[str]:
    bounds = bounds or Bounds()
    state, lines = begin(bounds), []
    for packet in packets:
        text, after = encode(state, packet, bounds)
        lines.append(text)
        state = after or state
    return lines


@pytest.mark.parametrize(("name", "bounds"), [("golden", Bounds()), ("far", Bounds(far_chars=2**20))])
def test_the_specification_s_frames_are_these(name: str, bounds: Bounds) -> None:
    state = begin(bounds)
    for packet, line in json.loads(FRAMES.read_text(encoding="utf-8"))[name]:
        text, after = encode(state, packet, bounds)
        assert text == line
        assert after is not None
        state = after


def test_the_specification_prints_them() -> None:
    specification = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    printed = specification.replace("⇥", "\t").replace("⏎", "\n")
    for packet, line in json.loads(FRAMES.read_text(encoding="utf-8"))["golden"]:
        assert f"\n{packet}\n    {line}\n" in printed


def test_the_same_again_takes_one_character() -> None:
    packet = _event("price", {"symbol": "ACME", "value": 1.5})
    assert [len(line) for line in _lines([packet] * 4)[1:]] == [3, 1, 1]


def test_a_counter_and_a_text_that_goes_on_take_what_is_new() -> None:
    texts = ["Once upon a time"[:end] for end in range(4, 17, 4)]
    lines = _lines([_event("stream", {"id": "m-1", "text": text, "seq": seq}) for seq, text in enumerate(texts)])
    assert lines[1:] == ["#%%\\:\t upo\t1", "#&%\\%\tn a ", "&time"]


def test_interleaved_streams_each_go_on_from_their_own_row() -> None:
    words = [f"word{number} " for number in range(60)]
    texts = dict.fromkeys(range(20), "")
    draw = random.Random(1)
    packets = []
    for word in words * 10:
        stream = draw.randrange(20)
        texts[stream] += word
        packets.append(_event("stream", {"id": f"stream-{stream}", "text": texts[stream]}))
    lines = _lines(packets)
    assert max(map(len, lines[200:])) < 20
    assert max(map(len, packets[200:])) > 200


def test_no_frame_reads_as_json() -> None:
    """Some Engine.IO clients hand on what their JSON parser makes of a message."""
    for sign in [*TEMPLATE_SIGNS, *"!#$", '"\n', "\n2["]:
        for rest in ["", "1", "-1.5", "]", "}", "aN", "nfinity", "rue", "alse", "ull", '\n"', '"']:
            with pytest.raises(json.JSONDecodeError):
                json.loads(sign + rest)


def test_templates_have_signs_of_their_own() -> None:
    state, draw = begin(), random.Random(1)
    for _ in range(500):
        packet = _event("e", [draw.choice([0, 1]) for _ in range(9)])
        state = encode(state, packet).state or state
    assert sorted(state.templates.values()) == sorted(TEMPLATE_SIGNS)


def test_the_specification_s_lines_for_some_are_these() -> None:
    aside, state = json.loads(FRAMES.read_text(encoding="utf-8"))["aside"], begin()
    for line in aside["before"]:
        text, after = encode(state, RowsDecoder().decode(line)[0] if "!" in line else aside["frames"][0][0])
        assert text == line
        assert after is not None
        state = after
    for packet, line in aside["frames"]:
        assert encode_aside(state, packet) == line


def test_what_is_no_event_by_itself_travels_plain_and_changes_nothing() -> None:
    state = encode(begin(), '2["e",1]').state
    assert state is not None
    plain = ['21["asks",1]', '3["answers"]', '51-["bytes",{}]', '0{"sid":"x"}', '2["pretty",{\n"a":1}]', '2["e",1']
    for packet in [*plain, _event("large", "x" * 300_000), _event("many", list(range(600)))]:
        assert encode(state, packet) == (packet, None)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-0", "1.0", "1e400", "9007199254740993", '"\\ud800"', '"\\ud83d\\ude00"']
)
def test_what_json_has_several_ways_of_writing_comes_back_as_written(text: str) -> None:
    packets = [f'2["e",{{"__proto__":{value},"a":1,"a":2}}]' for value in ("0", text, "1", text, '"\\ud83d"', text)]
    decoder = RowsDecoder()
    assert [decoder.decode(line) for line in _lines(packets)] == [[packet] for packet in packets]


def test_encoding_changes_no_state() -> None:
    state = begin()
    for packet in islice(hostile_packets(3), 300):
        first = encode(state, packet)
        assert encode(state, packet).text == first.text
        state = first.state or state


def test_two_that_part_go_on_from_what_they_had_in_common() -> None:
    common = encode(begin(), _event("e", {"a": 1, "b": "x"})).state
    assert common is not None
    for value in ("y", "z"):
        line, after = encode(common, _event("e", {"a": 1, "b": value}))
        assert line == f"#%%Q\t{value}"
        assert after is not None


@pytest.mark.parametrize("bounds", ALL_BOUNDS)
def test_what_a_history_takes_is_bounded(bounds: Bounds) -> None:
    state, restarts = begin(bounds), 0
    for packet in islice(hostile_packets(4), 3000):
        line, after = encode(state, packet, bounds)
        restarts += line.startswith('"') and not state.is_new
        state = after or state
        rows = [row for shape in state.shapes.values() for row in shape.rows]
        assert len(state.shapes) <= bounds.shapes
        assert len(state.templates) <= 72
        assert all(len(shape.rows) <= bounds.rows for shape in state.shapes.values())
        assert all(len(row.leaves) <= bounds.leaves for row in rows)
        assert state.kept_chars == sum(row.chars for row in rows)
        assert state.kept_chars <= max(bounds.kept_chars, bounds.packet_chars)
    assert restarts if bounds is TIGHT else not restarts


@pytest.mark.parametrize("bounds", ALL_BOUNDS)
def test_shapes_and_templates_make_room_for_others(bounds: Bounds) -> None:
    draw, decoder, state = random.Random(5), RowsDecoder(), begin(bounds)
    for _ in range(3000):
        keys = draw.sample("abcdefgh", 3)
        packet = _event("e", {key: draw.choice([1, 2, "x", "y" * draw.randrange(600)]) for key in keys})
        line, after = encode(state, packet, bounds)
        state = after or state
        assert decoder.decode(line) == [packet]


@given(st.lists(st.tuples(s.event_names, s.payloads), min_size=1, max_size=12), st.sampled_from(ALL_BOUNDS), st.data())
def test_every_event_comes_back_in_frames_of_any_size(
    events: list[tuple[str, Any]], bounds: Bounds, data: st.DataObject
) -> None:
    packets = [_event(*event) for event in events for _ in range(data.draw(st.integers(1, 3)))]
    decoder, lines, got = RowsDecoder(), _lines(packets, bounds), []
    while lines:
        count = data.draw(st.integers(1, len(lines)))
        got += decoder.decode(join(lines[:count]))
        del lines[:count]
    assert got == packets


class Audiences(RuleBasedStateMachine):
    """Receivers come, miss messages and get some alone; whoever holds a state that is not its own begins anew."""

    receivers = Bundle("receivers")

    def __init__(self) -> None:
        super().__init__()
        self.packets = hostile_packets(6)
        self.bounds = TIGHT
        self.held: dict[RowsDecoder, RowsState] = {}

    @rule(target=receivers)
    def come(self) -> RowsDecoder:
        decoder = RowsDecoder()
        self.held[decoder] = begin(self.bounds)
        return decoder

    @rule(receiver=consumes(receivers))
    def leave(self, receiver: RowsDecoder) -> None:
        del self.held[receiver]

    @rule(target=receivers, receiver=consumes(receivers))
    def connect_again(self, receiver: RowsDecoder) -> Any:
        receiver.forget()
        self.held[receiver] = begin(self.bounds)
        return multiple(receiver)

    @rule(chosen=st.randoms(use_true_random=False), share=st.sampled_from([0.1, 0.5, 0.9, 1]), count=st.integers(1, 5))
    def emit(self, chosen: random.Random, share: float, count: int) -> None:
        packets = list(islice(self.packets, count))
        by_state: dict[int, list[RowsDecoder]] = {}
        for receiver, state in self.held.items():
            if chosen.random() < share:
                by_state.setdefault(id(state), []).append(receiver)
        for same in by_state.values():
            state, frame = self.held[same[0]], []
            if share < 1 and chosen.random() < 0.3:  # those who are left out stay in step
                self._deliver(same, [encode_aside(state, packet, self.bounds) for packet in packets], packets)
                continue
            for packet in packets:
                line, after = encode(state, packet, self.bounds)
                frame.append(line)
                state = after or state
            self._deliver(same, frame, packets)
            for receiver in same:
                self.held[receiver] = state

    @rule(receiver=receivers)
    def send_plain(self, receiver: RowsDecoder) -> None:
        packet = '27["asks",{"a":1}]'
        self._deliver([receiver], [packet], [packet])

    @rule(receiver=receivers)
    def miss(self, receiver: RowsDecoder) -> None:
        self.held[receiver] = begin(self.bounds)

    @invariant()
    def few_states_are_held(self) -> None:
        assert len(set(map(id, self.held.values()))) <= len(self.held)

    def _deliver(self, receivers: list[RowsDecoder], lines: list[str], packets: list[str]) -> None:
        by_itself = any("\n" in packet for packet in packets)  # such a packet has no place among lines
        for receiver in receivers:
            frames = lines if by_itself else [join(lines)]
            assert [packet for frame in frames for packet in receiver.decode(frame)] == packets


TestAudiences = Audiences.TestCase
TestAudiences.settings = settings(max_examples=25, stateful_step_count=25)
