"""A quiet lab: what its clients' sockets carry is what was computed, and nothing outlives it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.clients.member import Member
from reznet_ws.lab.explain import batching
from reznet_ws.lab.explain.examples import CHINESE, EXAMPLE, REPLY, RUSSIAN
from reznet_ws.lab.explain.mixed import everybody, play, read_events
from reznet_ws.lab.explain.slow import drown, frames_per_write
from reznet_ws.lab.lab import Lab, stop_all
from reznet_ws.replay.ablation import schedule
from reznet_ws.replay.link import Link, as_text, decode
from reznet_ws.replay.members import Members, inflate_all
from reznet_ws.replay.trace import Event, record, take
from reznet_ws.settings import Settings

RECOMMENDED = Settings.recommended()
TRAFFIC = take(30)
EVENT = ("message_new", EXAMPLE)
# All kinds of messages, gzip among them, in an order in which the batcher has something to do.
EVENTS = [
    EVENT,
    *take(6, event="agent_status"),
    *take(2, event="workflow_plan"),
    ("message_new", {**EXAMPLE, "content": RUSSIAN + CHINESE}),
    *take(3, event="user_typing"),
    ("message_new", REPLY),
]


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    yield
    stop_all()


def to_all(events: list[Event]) -> list[tuple[Event, None]]:
    return [(event, None) for event in events]


@pytest.mark.parametrize("settings", Settings.presets().values(), ids=list(Settings.presets()))
def test_what_a_socket_receives_is_what_was_computed(settings: Settings) -> None:
    link = Link(settings)
    together = [events for _, events in schedule([(0.0, event) for event in EVENTS], settings)]
    computed = [frame for events in together for frame in link.send(*events)]
    # What follows closes a batch, not the clock, which on a busy machine might strike in its midst.
    lab = Lab.quiet(settings.replace(batch_window_ms=1000))
    client = lab.listen("reznet=2")
    lab.emit(EVENTS)
    assert client.read(len(computed)) == computed
    assert decode(client.messages) == EVENTS


def test_sockets_carry_what_is_computed_for_late_joiners_too() -> None:
    lab, room = Lab.quiet(clients=3), Members(3)
    computed = [room.send(as_text(event)) for event in TRAFFIC[:20]]
    assert lab.play(to_all(TRAFFIC[:20])) == [list(frames) for frames in zip(*computed, strict=True)]
    lab.listen()
    room.join()
    computed = [room.send(as_text(event)) for event in TRAFFIC[20:]]
    received = lab.play(to_all(TRAFFIC[20:]))
    assert received == [list(frames) for frames in zip(*computed, strict=True)]
    windows = lab.stats["windows"]
    assert (windows["connections"], windows["histories"], windows["in_step"]) == (4, 2, 3)
    assert inflate_all(received[3]) == [as_text(event) for event in TRAFFIC[20:]]


def test_only_those_named_are_sent_an_event() -> None:
    lab = Lab.quiet(clients=2)
    frames = lab.play([(TRAFFIC[0], None), (TRAFFIC[1], [1])])
    assert list(map(len, frames)) == [1, 2]


def test_another_lab_of_the_same_name_stops_the_one_before_and_stopping_twice_does_nothing() -> None:
    first, other = Lab.quiet(), Lab.quiet(name="other", stock=True)
    second = Lab.quiet(stock=True)
    assert (first.is_running, second.is_running, other.is_running) == (False, True, True)
    url = second.url
    second.stop()
    second.stop()
    assert not second.is_running
    with pytest.raises(ConnectionError):
        Listener(url)
    with pytest.raises(RuntimeError, match="a stock server has neither settings nor figures"):
        other.stats  # noqa: B018


def test_a_listener_says_when_the_server_hangs_up() -> None:
    lab = Lab.quiet()
    client = Listener(lab.url)
    lab.stop()
    with pytest.raises(ConnectionError, match="hung up"):
        client.read(9)
    client.close()


def test_what_is_emitted_in_turns_of_its_own_leaves_together_only_where_writes_may_wait() -> None:
    lab = Lab.quiet(RECOMMENDED.replace(coalesce_ms=0), clients=40)
    assert frames_per_write(lab, TRAFFIC, math.inf) == 1
    lab.settings = RECOMMENDED.replace(coalesce_ms=50)
    assert frames_per_write(lab, TRAFFIC, math.inf) > 1


def test_a_slow_reader_is_closed_or_misses_messages_and_the_others_miss_none() -> None:
    lab = Lab.quiet(RECOMMENDED.replace(max_queued_bytes=65_536), clients=2)
    closed = drown(lab, 1)
    assert closed.close_code == 1013
    assert closed.got[0] == list(range(closed.sent))
    assert closed.got[1] == list(range(len(closed.got[1])))
    lab = Lab.quiet(RECOMMENDED.replace(max_queued_bytes=65_536, skip_slow_readers=True), clients=2)
    skipped = drown(lab, 1, 60)
    assert (skipped.sent, skipped.close_code) == (60, None)
    assert skipped.got[0] == list(range(60))
    assert len(skipped.got[1]) + lab.stats["slow_readers"]["skipped_messages"] == 60


def test_each_of_everybody_gets_everything_in_order_at_the_same_cost_each_time() -> None:
    costs = []
    for _ in range(2):
        lab = Lab.quiet(RECOMMENDED)
        page = lab.listen("reznet=2")
        members = [lab.connect(member) for member in everybody()]
        costs.append(play(lab, TRAFFIC[:12]))
        assert all(member.events == TRAFFIC[:12] for member in members)
        messages, costs[-1]["page"] = read_events(page, 12)
        assert decode(messages) == TRAFFIC[:12]
    assert costs[0] == costs[1]
    assert costs[0]["page"] == costs[0]["new"]


def test_a_member_that_goes_is_sent_no_more_and_those_that_stay_are_counted_alone() -> None:
    lab = Lab.quiet(RECOMMENDED)
    stays, goes = lab.connect(Member(deflate=True)), lab.connect(Member(asks="reznet=2", decodes=True))
    assert (stays.told, goes.told and goes.told["format"], stays.is_deflated, goes.is_deflated) == (
        None,
        2,
        True,
        False,
    )
    lab.disconnect(goes)
    lab.reset()
    lab.emit([EVENT])
    lab.run(stays.receive(1))
    assert lab.stats["reduction_percentage"] == 0 < lab.stats["wire"]["event_bytes"]
    assert goes.events == []


def test_cpu_is_measured_until_every_delivery_has_arrived() -> None:
    trace = record(60)
    lab = Lab.quiet(RECOMMENDED)
    lab.set_users(3)
    assert batching.measure_cpu_us(lab, trace, RECOMMENDED) > 0
    assert lab.fleet.counts.received == 60 * 3
    variants = {"batched": RECOMMENDED.replace(batch=True), "one by one": RECOMMENDED}
    assert list(batching.compare_cpu(lab, trace[:20], variants, runs=1)) == list(variants)
    with pytest.raises(TimeoutError, match="1 deliveries did not arrive"):
        lab.fleet.wait_received(lab.fleet.counts.received + 1, timeout_s=0.3)
