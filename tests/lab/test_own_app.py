"""The lab runs an application that is not the demo, numbers its deliveries by itself, and holds it to claims."""

import json
import runpy
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

from reznet_ws import attach
from reznet_ws.adapters.mounted import find_server
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab import Lab, Scenario, User
from reznet_ws.lab.compared import Compared
from reznet_ws.recovery.policy import Recovery
from reznet_ws.settings import Settings

HOUSES = ("north", "south")


async def enter(user: User) -> None:
    for house in user.rooms:
        await user.call("enter", house)


async def bid(user: User) -> None:
    house = user.random.choice(user.rooms)
    answer = await user.call("enter", house)
    await user.call("bid", house, answer["highest"] + 1)


SCENARIO = Scenario(join=enter, act=bid, every_s=0.15, rooms=HOUSES, path="live/socket.io")


@pytest.fixture(scope="module")
def auction() -> Iterator[Lab]:
    import lab.auction

    with Lab(app=lab.auction.api, users=6, scenario=SCENARIO, name="auction").start() as running:
        yield running


def test_its_events_are_learnt_and_nothing_is_lost(auction: Lab) -> None:
    measured = auction.observe(1.5)
    assert set(measured.stats["events"]) == {"lot", "picture"}
    assert measured.counts.answered > 10
    assert measured.latency_n > 20
    assert measured.counts.wrong == 0
    assert measured.latency_n == measured.counts.received  # of the same moment
    auction.assert_lossless()
    auction.assert_fewer_bytes(20)
    auction.assert_latency(p95_ms=5000, p50_ms=5000)


def test_claims_that_do_not_hold_say_what_was_measured(auction: Lab) -> None:
    auction.observe(0.5)
    with pytest.raises(AssertionError, match=r"% fewer bytes, 99 % claimed: [\d,]+ bytes where no layer takes"):
        auction.assert_fewer_bytes(99)
    with pytest.raises(AssertionError, match=r"p95 is [\d.]+ ms, 0.001 ms claimed \(from emit to handler, n = "):
        auction.assert_latency(p95_ms=0.001)
    with pytest.raises(ValueError, match="no bound"):
        auction.assert_latency()


def test_what_the_server_keeps_from_a_client_is_found(auction: Lab) -> None:
    sio: Any = find_server(auction.site.app)
    road = auction.site.manager.road
    auction.observe(0.3)
    post, dropped = road.post, []

    def post_all_but_one(receivers: Any, dispatch: Any) -> None:
        if not dropped and len(receivers.lines) > 1:
            dropped.append(dispatch)
            receivers = type(receivers)(receivers.connections[1:])
        post(receivers, dispatch)

    auction.server.call(lambda: setattr(road, "post", post_all_but_one))
    try:
        auction.observe(0.5)
        assert dropped
        with pytest.raises(AssertionError, match="not lossless: 1 deliveries lost"):
            auction.assert_lossless()
    finally:
        auction.server.call(lambda: setattr(road, "post", post))
    assert sio is auction.site.sio


def test_settings_are_switched_for_a_while_and_compared_in_turn(auction: Lab) -> None:
    before = auction.settings
    with auction.variant(deflate=False, utf8=False, abbreviate=False) as settings:
        assert not settings.deflate
        plain = auction.observe(0.3)
        assert plain.wire_bytes == plain.off_bytes > 0
    assert auction.settings == before
    compared = auction.compare({"off": "off", "ours": {"deflate_mem_level": 9}}, rounds=2, seconds=0.4)
    assert auction.settings == before
    assert [run.preset for run in compared.runs] == ["off", "ours", "ours", "off"]
    assert compared.ratio("ours").verdict == "less"
    compared.assert_fewer_bytes(20)
    with pytest.raises(AssertionError, match=r"ours sends .* % fewer bytes a delivery than off, 99 % claimed"):
        compared.assert_fewer_bytes(99)
    check_shapes(compared)
    with pytest.raises(ValueError, match="'fastest' is no preset"):
        auction.compare({"fastest": "fastest"})


def check_shapes(compared: Compared) -> None:
    assert "bytes to off" in str(compared)
    records = compared.records()
    assert [record["round"] for record in records] == [1, 1, 2, 2]
    assert json.loads(compared.to_json())["runs"] == records
    assert sum(record["wrong_deliveries"] for record in records) == 0


def test_its_dashboard_switches_its_layers_and_leaves_its_talk_alone(auction: Lab) -> None:
    dashboard = auction.dashboard()
    dashboard.settle()
    try:
        assert dashboard.rate.disabled  # there are no agents
        dashboard.toggles["deflate"].value = False
        dashboard.settle()
        assert not auction.settings.deflate
        assert set(dashboard.measure(0.5).stats["events"]) == {"lot", "picture"}
        dashboard.toggles["deflate"].value = True
        dashboard.settle()
    finally:
        dashboard.close()


def test_users_come_and_go_and_read_slowly_and_nothing_is_lost(auction: Lab) -> None:
    import dataclasses

    auction.scenario = dataclasses.replace(SCENARIO, churn=8, slow_readers=0.5)
    try:
        measured = auction.observe(1.5)
        assert measured.counts.reconnects > 2
        assert measured.counts.drops == 0
        assert 0 < measured.latency_n < measured.counts.received
        auction.assert_lossless()
    finally:
        auction.scenario = SCENARIO


def test_the_offsets_of_connections_that_can_be_restored_are_no_part_of_a_message() -> None:
    async def say(user: User) -> None:
        await user.emit("say", "the vase")

    sio = socketio.AsyncServer(async_mode="asgi")
    attach(sio, recovery=Recovery())

    @sio.on("say")
    async def pass_on(sid: str, text: str) -> None:
        await sio.emit("said", text)
        # What asks for an answer carries no offset, and keeps its text.
        await sio.emit("heard?", text, to=sid, callback=lambda: None)

    with Lab(sio=sio, users=2, scenario=Scenario(act=say, every_s=0.1), name="restores").start() as lab:
        assert lab.observe(0.5).counts.received > 4
        lab.assert_lossless()


def test_a_scenario_that_raises_says_so_with_its_traceback() -> None:
    async def stumble(user: User) -> None:
        await user.emit("nothing")
        raise LookupError("the vase is gone")

    sio = socketio.AsyncServer(async_mode="asgi")
    with Lab(sio=sio, users=1, scenario=Scenario(join=stumble), name="stumbles").start() as lab:
        with pytest.raises(AssertionError, match=r"1 deeds of the scenario raised(.|\n)*the vase is gone"):
            lab.assert_lossless()
        with pytest.raises(AssertionError, match="no bytes: nothing was delivered"):
            lab.assert_fewer_bytes(1)
        with pytest.raises(AssertionError, match="no messages: nothing was delivered"):
            lab.compare({"off": "off"}, rounds=1, seconds=0.1)


def test_an_application_elsewhere_is_measured_through_a_proxy() -> None:
    import lab.auction

    # Of its own: the other one is served already, by another event loop.
    server = ServerThread(runpy.run_path(lab.auction.__file__)["api"], lifespan="auto")
    try:
        with Lab(url=server.url, users=4, scenario=SCENARIO, name="elsewhere").start() as running:
            measured = running.observe(1)
            assert measured.deliveries == measured.counts.received > 0
            assert measured.wire_bytes > 0
            assert measured.off_bytes > measured.counts.received
            running.assert_latency(p95_ms=5000)  # of its users' own calls
            with pytest.raises(RuntimeError, match="what it emits is not known"):
                running.assert_lossless()
            with pytest.raises(RuntimeError, match="not within reach"):
                running.settings = Settings.off()
            with pytest.raises(RuntimeError, match="not within reach"):
                running.compare({"off": "off"})
            assert running.observe(0.3).counts.connected == 4
    finally:
        server.stop()


def test_what_cannot_be_run_is_said() -> None:
    with pytest.raises(ValueError, match=r"no Socket\.IO server was found"):
        Lab(app=object())
    with pytest.raises(ValueError, match="module:app"):
        Lab(app="nowhere")
    with pytest.raises(ValueError, match="not by both"):
        Lab(app="lab.auction:api", url="http://127.0.0.1:1")
    with pytest.raises(ValueError, match="address of a server"):
        Lab(url="localhost", users=0).start()
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        Lab(url="http://127.0.0.1:9", users=0).start()
    with pytest.raises(ValueError, match="every_s"):
        Scenario(every_s=0)
    with pytest.raises(ValueError, match="rooms_each"):
        Scenario(rooms=HOUSES, rooms_each=3)
    lock = __import__("threading").Lock()

    async def hold(user: User) -> None:
        lock.acquire()

    with pytest.raises(ValueError, match="cannot be sent to the clients' process"):
        Lab(scenario=Scenario(act=hold), users=1, name="held").start()
