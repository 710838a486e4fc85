"""Whoever was sent the same shares a state; every receiver gets every message once, in order, whoever else does."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import pytest
from hostile_packets import hostile_packets
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.demo.workload import generate
from reznet_ws.message.rows import join
from reznet_ws.message.rows_sharing import RowsGroup, RowsSharing
from reznet_ws.message.rows_state import Bounds, Seed


class Receiver:
    """Decodes what it is sent, and counts it."""

    def __init__(self, seed: Seed | None = None) -> None:
        self.rows: RowsGroup | None = None
        self.decoder, self.has_seed = RowsDecoder(seed=seed), seed is not None
        self.chars = self.plain_chars = 0


Choose = Callable[[int, list[Receiver], random.Random], Sequence[Receiver]]


class Audience:
    """Sends the demo's chat, and checks what arrives."""

    def __init__(self, count: int) -> None:
        self.sharing: RowsSharing[Receiver] = RowsSharing()
        self.receivers = [Receiver() for _ in range(count)]
        self.encodings = 0
        self._draw = random.Random(1)
        self._packets = (
            "2" + json.dumps([message.event, message.data], separators=(",", ":")) for message in generate(1, 20.0)
        )

    def send(self, messages: int, choose: Choose) -> float:
        """What travelled of what plain events take, in characters."""
        for receiver in self.receivers:
            receiver.chars = receiver.plain_chars = 0
        self.encodings = 0
        for number in range(messages):
            self._send([next(self._packets)], choose(number, self.receivers, self._draw))
        everyone = self.receivers
        return sum(receiver.chars for receiver in everyone) / sum(receiver.plain_chars for receiver in everyone)

    def _send(self, packets: list[str], chosen: Sequence[Receiver]) -> None:
        served: list[Receiver] = []
        for lines, receivers in self.sharing.ways(packets, chosen):
            self.encodings += lines != packets
            for receiver in receivers:
                assert receiver.decoder.decode(join(lines)) == packets
                receiver.chars += len(join(lines))
                receiver.plain_chars += sum(map(len, packets))
            served += receivers
        assert sorted(map(id, served)) == sorted(map(id, chosen))

    @property
    def groups(self) -> int:
        return len({receiver.rows for receiver in self.receivers})


def everyone(number: int, receivers: list[Receiver], draw: random.Random) -> Sequence[Receiver]:
    return receivers


def someone(number: int, receivers: list[Receiver], draw: random.Random) -> Sequence[Receiver]:
    return [draw.choice(receivers)]


def all_but_one(number: int, receivers: list[Receiver], draw: random.Random) -> Sequence[Receiver]:
    skipped = draw.choice(receivers)
    return [receiver for receiver in receivers if receiver is not skipped]


def rooms_of(size: int, to_all: float) -> Choose:
    def choose(number: int, receivers: list[Receiver], draw: random.Random) -> Sequence[Receiver]:
        first = size * draw.randrange(len(receivers) // size)
        return receivers if draw.random() < to_all else receivers[first : first + size]

    return choose


def newcomers(number: int, receivers: list[Receiver], draw: random.Random) -> Sequence[Receiver]:
    if number % 25 == 24:
        del receivers[0]
        receivers.append(Receiver())
    return receivers


def test_one_encoding_serves_a_room() -> None:
    audience = Audience(20)
    assert audience.send(300, everyone) < 0.85
    assert (audience.encodings, audience.groups) == (300, 1)


def test_everybody_s_own_stream_has_a_state_of_its_own() -> None:
    audience = Audience(5)
    assert audience.send(1000, someone) < 0.85
    assert audience.groups == 5


def test_a_message_for_some_leaves_the_others_in_step() -> None:
    audience = Audience(20)
    audience.send(100, everyone)
    state = {receiver.rows for receiver in audience.receivers}
    audience.send(5, all_but_one)
    audience.send(100, everyone)
    assert {receiver.rows for receiver in audience.receivers} == state


def test_a_part_that_is_all_that_is_spoken_to_parts() -> None:
    audience = Audience(20)
    audience.send(100, everyone)
    assert audience.send(300, lambda number, receivers, draw: receivers[:5]) < 0.85
    assert audience.groups == 2


def test_those_who_come_together_again_are_one_group_again() -> None:
    audience = Audience(10)
    audience.send(100, lambda number, receivers, draw: receivers[: 5 + 5 * (number < 20)])
    assert audience.groups == 2
    audience.send(1000, everyone)
    assert audience.groups == 1


def test_a_welcome_to_each_keeps_nobody_from_the_room_s_group() -> None:
    audience = Audience(20)
    audience.send(20, lambda number, receivers, draw: [receivers[number]])
    assert audience.send(300, everyone) < 0.85
    assert audience.groups == 1


def test_newcomers_are_taken_in() -> None:
    audience = Audience(20)
    assert audience.send(500, newcomers) < 0.95
    assert audience.groups < 20


TOPOLOGIES = [everyone, someone, all_but_one, newcomers, rooms_of(2, 0.1), rooms_of(5, 0.1), rooms_of(10, 0.5)]


@pytest.mark.parametrize("choose", TOPOLOGIES, ids=lambda choose: choose.__qualname__)
def test_in_no_topology_does_more_travel_than_plain_or_is_much_encoded(choose: Choose) -> None:
    audience = Audience(20)
    assert audience.send(400, choose) <= 1
    assert audience.encodings <= 4 * 400


def test_a_group_counts_its_members() -> None:
    audience = Audience(12)
    for choose in TOPOLOGIES[:4]:
        audience.send(60, choose)
        audience.sharing.forget(audience.receivers[0])
        for group, members in itertools.groupby(
            sorted((one for one in audience.receivers if one.rows), key=lambda one: id(one.rows)),
            key=lambda one: one.rows,
        ):
            assert group is not None
            gone = 3 if choose is newcomers else 0  # who left without a word
            assert len(list(members)) <= group.members <= 12 + gone


class Topologies(RuleBasedStateMachine):
    """Audiences of every kind by turns, with newcomers, missed frames and hostile packets in batches."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds = Bounds(rows=4, shapes=6, leaves=40, packet_chars=5000, kept_chars=20_000, far_chars=30_000)
        self.sharing: RowsSharing[Receiver] = RowsSharing(self.bounds)
        self.receivers = [Receiver() for _ in range(8)]
        self.packets: Iterator[str] = (packet for packet in hostile_packets(8) if "\n" not in packet)

    @rule(chosen=st.sets(st.integers(0, 7), min_size=1), count=st.integers(1, 4), times=st.integers(1, 6))
    def send(self, chosen: set[int], count: int, times: int) -> None:
        for _ in range(times):
            self._send(list(islice(self.packets, count)), [self.receivers[number] for number in sorted(chosen)])

    @rule(times=st.integers(1, 6))
    def send_to_all(self, times: int) -> None:
        self.send(set(range(8)), 1, times)

    @rule(number=st.integers(0, 7))
    def replace(self, number: int) -> None:
        self.sharing.forget(self.receivers[number])
        self.receivers[number] = Receiver()

    @rule(number=st.integers(0, 7))
    def miss(self, number: int) -> None:
        self.sharing.ways([next(self.packets)], [self.receivers[number]])
        self.sharing.forget(self.receivers[number])

    def _send(self, packets: list[str], chosen: list[Receiver]) -> None:
        served: list[Receiver] = []
        for lines, receivers in self.sharing.ways(packets, chosen):
            for receiver in receivers:
                assert receiver.decoder.decode(join(lines)) == packets
            served += receivers
        assert sorted(map(id, served)) == sorted(map(id, chosen))


TestTopologies = Topologies.TestCase
TestTopologies.settings = settings(max_examples=25, stateful_step_count=25)


def give(sharing: RowsSharing[Receiver], packet: str, receiver: Receiver) -> str:
    """What one receiver is sent; it must be able to read that."""
    ((lines, to),) = sharing.ways([packet], [receiver])
    assert list(to) == [receiver]
    assert receiver.decoder.decode(join(lines)) == [packet]
    return lines[0]


def test_many_audiences_hold_no_more_together_than_they_may() -> None:
    sharing: RowsSharing[Receiver] = RowsSharing(all_chars=1_000_000)
    receivers = [Receiver() for _ in range(200)]
    for turn, number in itertools.product(range(2), range(12)):
        for receiver in receivers:
            give(sharing, f'2["news",{{"number":{number},"text":"{"x" * 900}{turn}{number}"}}]', receiver)
    groups = {receiver.rows for receiver in receivers if receiver.rows is not None}
    # So many can have 8,192 characters each; who comes after them goes without.
    assert len(groups) == 1_000_000 // 8_192
    assert sum(group.state.kept_chars for group in groups) <= 1_000_000


def test_who_is_sent_nothing_makes_room_for_who_is() -> None:
    sharing: RowsSharing[Receiver] = RowsSharing(all_chars=100_000)
    idle, busy = Receiver(), Receiver()
    packets = [f'2["{name}",{{"text":"{name * 1800}"}}]' for name in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"]
    for receiver in (idle, busy):
        for packet in packets:
            give(sharing, packet, receiver)
            held = sum(one.rows.state.kept_chars for one in (idle, busy) if one.rows is not None)
            assert held <= 100_000
    assert give(sharing, packets[0], idle).startswith('"')
    assert not give(sharing, packets[-1], busy).startswith('"')


def test_an_audience_that_is_gone_leaves_its_room_to_others() -> None:
    sharing: RowsSharing[Receiver] = RowsSharing(all_chars=65_536)
    for _ in range(50):
        receiver = Receiver()
        assert give(sharing, '2["news",{"text":"x"}]', receiver).startswith('"')
        sharing.forget(receiver)


def test_who_knows_the_shapes_is_sent_no_keys_and_others_beside_them_are() -> None:
    seed = Seed(['2["news",{"text":"","number":0}]'])
    sharing: RowsSharing[Receiver] = RowsSharing()
    sharing.seed = seed
    knows, knows_not = Receiver(seed), Receiver()
    first = '2["news",{"text":"one","number":1}]'
    assert give(sharing, first, knows) == f'"{seed.name}\n#%%P:\tone\t1'
    assert give(sharing, first, knows_not) == f'"\n!%{first}'
    receivers = [Receiver(seed if number % 3 else None) for number in range(12)]
    draw = random.Random(1)
    for number in range(400):
        packet = f'2["news",{{"text":"{"x" * (number % 50)}","number":{number}}}]'
        chosen = [receiver for receiver in receivers if draw.random() < 0.6]
        served: list[Receiver] = []
        for lines, to in sharing.ways([packet], chosen):
            for receiver in to:
                assert receiver.decoder.decode(join(lines)) == [packet]
            served += to
        assert sorted(map(id, served)) == sorted(map(id, chosen))
        if number % 40 == 0:
            sharing.forget(receivers[number // 40])
