"""Topologies: who is in which room, and whom the emissions are for; scripts that hold so many deliveries as asked."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from reznet_ws.demo.topologies import TO_ALL_SHARE, TOPOLOGIES, Topology
from reznet_ws.replay.script import Script, Sending, read_script, write_script
from reznet_ws.replay.trace import record

CLIENTS = 40


def _script(topology: Topology, deliveries: int = 4000) -> Script:
    return write_script(topology, CLIENTS, [record(400, seed=seed) for seed in range(8)], deliveries, seed=1)


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=lambda one: one.name)
def test_every_client_is_sent_about_as_much_and_no_more_than_asked_for(topology: Topology) -> None:
    reached = _script(topology).receivers()
    got = Counter(itertools.chain(*reached))
    assert 4000 <= got.total() < 4000 + CLIENTS
    assert sorted(got) == list(range(CLIENTS))
    assert min(got.values()) > 0.5 * max(got.values())


@pytest.mark.parametrize("name", ["private + all", "rooms of 2 + all", "rooms of 5 + all", "rooms of 20 + all"])
def test_one_emission_in_ten_is_to_everybody(name: str) -> None:
    reached = _script(TOPOLOGIES[name], 20_000).receivers()
    to_all = sum(len(slots) == CLIENTS for slots in reached)
    assert to_all / len(reached) == pytest.approx(TO_ALL_SHARE, rel=0.35)


def test_rooms_hold_as_many_as_they_are_called_after() -> None:
    for name, size in (
        ("private", 1),
        ("rooms of 2", 2),
        ("rooms of 5", 5),
        ("rooms of 20", 20),
        ("one room", CLIENTS),
    ):
        assert {len(slots) for slots in _script(TOPOLOGIES[name]).receivers()} == {size}


def test_the_sender_is_left_out_and_is_another_one_each_time() -> None:
    script = _script(TOPOLOGIES["but the sender"])
    skipped = Counter(sending.skip for sending in script.sendings)
    assert set(skipped) == set(range(CLIENTS))
    assert all(sending.skip not in slots for sending, slots in zip(script.sendings, script.receivers(), strict=True))
    assert {len(slots) for slots in script.receivers()} == {19}


def test_topics_overlap() -> None:
    rooms = TOPOLOGIES["topics"].rooms(CLIENTS)
    assert all(len(set(several)) == 8 for several in rooms)
    assert len({tuple(several) for several in rooms}) == CLIENTS


def test_private_messages_are_addressed_to_a_client_and_not_to_a_room() -> None:
    assert {type(sending.to) for sending in _script(TOPOLOGIES["private"]).sendings} == {int}


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=lambda one: one.name)
def test_a_script_comes_back_from_its_file(topology: Topology, tmp_path: Path) -> None:
    script = _script(topology)
    script.write(tmp_path / "script.json")
    assert read_script(str(tmp_path / "script.json")) == script
    assert _script(topology) == script


def test_a_conversation_goes_on_where_it_was() -> None:
    conversation = record(100)
    script = write_script(TOPOLOGIES["private"], 4, [conversation], 40, seed=1)
    for client, start in enumerate((0, 25, 50, 75)):
        heard = [sending.message for sending in script.sendings if sending.to == client]
        assert heard == [number % 100 for number in range(start, start + 10)]


def test_conversations_without_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="without messages"):
        write_script(TOPOLOGIES["one room"], 4, [], 40, seed=1)


def test_a_room_without_members_reaches_nobody() -> None:
    assert Script([["e", 1]], [[], []], [Sending(0, "r9", None)]).receivers() == [()]
