"""python-socketio's Admin UI: what a stock server tells it, ours tells it too, whichever of the two came first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import socketio
from conformance.harness import (
    END,
    NEW_WS,
    OLD_POLLING,
    OLD_WS,
    Client,
    Event,
    Site,
    connected,
    end_of,
    new_sio,
    open_site,
    until,
)
from socketio.async_admin import InstrumentedAsyncServer

from reznet_ws import attach

ADMIN = "/admin"
AUTH = {"username": "admin", "password": "sesame"}
# With a key that is an abbreviation: a format 2 that was not decoded, or decoded without having been encoded, shows.
CHAT = {"content": "hello " * 50, "created_at": "2025-10-25T12:00:00.000Z", "c": 1, "_v": 2}
STATS_S = 0.05
ORDERS = ["stock", "attach first", "instrument first"]
FEATURES = ["AGGREGATED_EVENTS", "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"]


@contextlib.asynccontextmanager
async def instrumented(order: str, mode: str, auth: Any = AUTH, **options: Any) -> AsyncIterator[Site]:
    """A server with the Admin UI, which at the end is taken out of python-engineio's classes again."""
    sio = new_sio()
    sio.on("ask", lambda sid, data: data)
    manager = attach(sio) if order == "attach first" else None
    admin: InstrumentedAsyncServer = sio.instrument(
        auth=auth, mode=mode, server_stats_interval=STATS_S, namespace=ADMIN, **options
    )
    try:
        manager = attach(sio) if order == "instrument first" else manager
        async with open_site(sio=sio, attach=False) as site:
            site.given_manager = manager
            yield site
        if manager is not None:
            manager.close()
    finally:
        admin.uninstrument()
        await admin.shutdown()


@contextlib.asynccontextmanager
async def watched(order: str, mode: str, **options: Any) -> AsyncIterator[tuple[Site, list[Client], Client]]:
    """The server, its users, and an administrator who has been told who is there.

    The users come first: python-socketio 5.18 sends `all_sockets` to the last socket that it lists, whoever that is.
    """
    kinds = (OLD_POLLING, OLD_WS) if order == "stock" else (OLD_POLLING, OLD_WS, NEW_WS)
    async with instrumented(order, mode, **options) as site, connected(site.url, *kinds) as users:
        async with connected(site.url, OLD_WS, namespaces=[ADMIN], auth=AUTH) as (admin,):
            await admin.got("all_sockets" if mode == "development" else "config")
            yield site, users, admin


def told(admin: Client, name: str) -> list[list[Any]]:
    """What an administrator was told, but for when, which comes last."""
    return [list(event.args[:-1]) for event in admin.events if event.name == name]


async def is_told(admin: Client, name: str, what: list[Any]) -> None:
    await until(lambda: what in told(admin, name), f"{name} {what}")


@pytest.mark.parametrize("order", ORDERS)
async def test_in_development_it_is_told_of_everything(order: str) -> None:
    async with watched(order, "development") as (site, users, admin):
        assert (await admin.got("config")).args == ({"supportedFeatures": [*FEATURES, "ALL_EVENTS"]},)
        (sockets,) = (await admin.got("all_sockets")).args
        assert [(socket["id"], socket["nsp"], socket["transport"]) for socket in sockets] == [
            *((user.sid, "/", user.kind.transports[0]) for user in sorted(users, key=order_of(sockets))),
            (admin.sio.get_sid(ADMIN), ADMIN, "websocket"),
        ]
        user, others = users[-1], users[:-1]
        await site.sio.enter_room(user.sid, "room")
        await site.sio.emit("message_new", CHAT, room="room")
        await site.sio.emit("several", ("a", 2), skip_sid=user.sid)
        assert await user.sio.call("ask", CHAT, timeout=5) == CHAT
        await site.sio.leave_room(user.sid, "room")
        await is_told(admin, "room_joined", ["/", "room", user.sid])
        await is_told(admin, "room_left", ["/", "room", user.sid])
        assert told(admin, "event_received") == [["/", user.sid, ["ask", CHAT]]]
        sent = [["/", user.sid, ["message_new", CHAT]], *(["/", other.sid, ["several", "a", 2]] for other in others)]
        assert sorted(told(admin, "event_sent"), key=str) == sorted(sent, key=str)
        async with connected(site.url, OLD_WS) as (late,):
            sid = late.sid
            await until(lambda: sid in [socket["id"] for (socket,) in told(admin, "socket_connected")], "its coming")
        await is_told(admin, "socket_disconnected", ["/", sid, "transport close"])
        await everybody_still_gets_messages(site, users)


def order_of(sockets: list[dict[str, Any]]) -> Any:
    order = [socket["id"] for socket in sockets]
    return lambda user: order.index(user.sid)


async def everybody_still_gets_messages(site: Site, users: list[Client]) -> None:
    """And our layers are in force: what goes to a client of format 2 is abbreviated."""
    for user in users:
        user.everything.clear()
    await site.sio.emit("message_new", CHAT)
    await end_of(site, users)
    for user in users:
        assert user.events == [Event("message_new", (CHAT,)), END], user.kind.name
    if site.given_manager is not None:
        figures = site.manager.get_stats()["events"]["message_new"]
        assert figures["abbreviated_bytes"] < figures["plain_bytes"]
        assert site.manager.get_stats()["wire"]["uncounted_connections"] == 0


@pytest.mark.parametrize("mode", ["development", "production"])
@pytest.mark.parametrize("order", ORDERS)
async def test_it_is_told_of_the_servers_figures(order: str, mode: str) -> None:
    async with watched(order, mode) as (site, users, admin):
        features = [*FEATURES, "ALL_EVENTS"] if mode == "development" else FEATURES
        assert (await admin.got("config")).args == ({"supportedFeatures": features},)
        for user in users:
            assert await user.sio.call("ask", CHAT, timeout=5) == CHAT
        async with connected(site.url, OLD_WS):
            await until(lambda: STATS.issubset(aggregated(admin)), "the server's figures")
            sockets = {"/": len(users) + 1, ADMIN: 1}
            await until(lambda: any(counts(event, sockets) for event in admin.events), "its coming")
        await until(lambda: "rawDisconnection" in aggregated(admin), "its going")
        await everybody_still_gets_messages(site, users)


@pytest.mark.parametrize("order", ORDERS)
async def test_it_is_told_how_much_went_out(order: str) -> None:
    """Whichever way it went: each client is sent the message, and that once."""
    async with watched(order, "production") as (site, users, admin):
        await until(lambda: len(told(admin, "server_stats")) > 1, "the figures from before")
        before = total(admin, "bytesOut")
        for _ in range(20):
            await site.sio.emit("large", "x" * 10_000)
        await end_of(site, users)
        await until(lambda: total(admin, "bytesOut") >= before + len(users) * 200_000, "what went out")
        assert total(admin, "bytesOut") < before + len(users) * 220_000


def total(admin: Client, kind: str) -> int:
    stats = [event.args[0] for event in admin.events if event.name == "server_stats"]
    return sum(count["count"] for each in stats for count in each["aggregatedEvents"] if count["type"] == kind)


STATS = {"rawConnection", "packetsIn", "packetsOut", "bytesIn", "bytesOut"}


def aggregated(admin: Client) -> set[str]:
    """What was counted since the administrator came."""
    stats = [event.args[0] for event in admin.events if event.name == "server_stats"]
    return {count["type"] for each in stats for count in each["aggregatedEvents"] if count["count"] > 0}


def counts(event: Event, sockets: dict[str, int]) -> bool:
    if event.name != "server_stats":
        return False
    stats = event.args[0]
    found = {namespace["name"]: namespace["socketsCount"] for namespace in stats["namespaces"]}
    return (stats["clientsCount"], stats["pollingClientsCount"], found) == (sum(sockets.values()), 1, sockets)


@pytest.mark.parametrize("order", ORDERS)
async def test_an_administrator_moves_talks_to_and_disconnects_users(order: str) -> None:
    async with watched(order, "development") as (site, users, admin):
        for user in users:
            await admin.sio.emit("join", ("/", "room", user.sid), namespace=ADMIN)
            await is_told(admin, "room_joined", ["/", "room", user.sid])
        await admin.sio.emit("emit", ("/", "room", "message_new", CHAT), namespace=ADMIN)
        await admin.sio.emit("emit", ("/", users[0].sid, "several", 1, CHAT), namespace=ADMIN)
        await users[0].got("several")
        await admin.sio.emit("leave", ("/", "room", users[0].sid), namespace=ADMIN)
        await is_told(admin, "room_left", ["/", "room", users[0].sid])
        await admin.sio.emit("emit", ("/", "room", "message_new", CHAT), namespace=ADMIN)
        for user in users[1:]:
            await user.got("message_new", 2)
        await admin.sio.emit("_disconnect", ("/", False, users[-1].sid), namespace=ADMIN)
        await is_told(admin, "socket_disconnected", ["/", users[-1].sid, "server disconnect"])
        await until(lambda: not users[-1].sio.connected, "its end")
        await end_of(site, users[:-1])
        message = Event("message_new", (CHAT,))
        assert users[0].events == [message, Event("several", (1, CHAT)), END]
        for user in users[1:-1]:
            assert user.events == [message, message, END], user.kind.name
        assert users[-1].events == [message, message]


@pytest.mark.parametrize("mode", ["development", "production"])
@pytest.mark.parametrize("order", ORDERS)
async def test_who_may_only_look_or_not_even_that_changes_nothing(order: str, mode: str) -> None:
    async with watched(order, mode, read_only=True) as (site, users, admin):
        features = (await admin.got("config")).args[0]["supportedFeatures"]
        assert features == (["AGGREGATED_EVENTS", "ALL_EVENTS"] if mode == "development" else ["AGGREGATED_EVENTS"])
        await admin.sio.emit("_disconnect", ("/", True, users[0].sid), namespace=ADMIN)
        await admin.sio.emit("emit", ("/", None, "message_new", "forged"), namespace=ADMIN)
        stranger = Client(OLD_WS)
        refusals: list[Any] = []
        stranger.sio.on("connect_error", refusals.append, namespace=ADMIN)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await stranger.connect(site.url, [ADMIN], {**AUTH, "password": "guessed"})
        await stranger.close()
        assert refusals == [{"message": "authentication failed"}]
        await everybody_still_gets_messages(site, users)


async def test_without_a_password_too() -> None:
    async with instrumented("attach first", "production", auth=False) as site:
        async with connected(site.url, OLD_WS, namespaces=[ADMIN]) as (admin,):
            await asyncio.gather(admin.got("config"), admin.got("server_stats"))
