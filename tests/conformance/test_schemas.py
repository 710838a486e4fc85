"""Schemas on a real server: the emitter is told, nobody is sent anything, and marked fields are never compressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import socketio
from conformance.harness import NEW_WS, OLD_WS, ROWS_WS, Event, connected, end_of, new_sio, open_site
from conformance.raw import CHROMIUM, raw
from socketio.async_pubsub_manager import AsyncPubSubManager

import reznet_ws
from reznet_ws import PayloadError, Settings, attach

SCHEMAS = {
    "price": {"type": "object", "required": ["value"], "properties": {"value": {"type": "number"}}},
    "message": {"type": "string"},
    "login": {"properties": {"token": {"type": "string", "never_compress": True}}},
}
GOOD, BAD = {"value": 1}, {"value": "1"}


async def test_the_emitter_is_told_and_nobody_is_sent_anything() -> None:
    sio = new_sio()
    manager = attach(sio, schemas=SCHEMAS)
    async with open_site(sio=sio) as site, connected(site.url, OLD_WS, NEW_WS, ROWS_WS) as clients:
        ways: list[Callable[[Any], Any]] = [
            lambda data: sio.emit("price", data),
            lambda data: sio.emit("price", data, to=clients[0].sid),
            lambda data: sio.call("price", data, to=clients[0].sid),
            lambda data: manager.broadcast("price", data),
            lambda data: manager.send_to_user(clients[0].sid, "price", data),
            lambda data: manager.send_snapshot("price", "k", data),
        ]
        for way in ways:
            with pytest.raises(PayloadError, match=r"price: \$\.value '1' is not of type 'number'"):
                await way(BAD)
        with pytest.raises(PayloadError, match="message: "):
            await sio.send(7)
        clients[0].answers["price"] = "answer"
        for way in ways:
            await way(GOOD)
        await sio.send("hello")
        await sio.emit("free", BAD)
        await end_of(site, clients)
        heard = clients[0].events[:-1]
        assert heard == [*[Event("price", (GOOD,))] * 6, Event("message", ("hello",)), Event("free", (BAD,))]
        manager.settings = Settings(schemas=False)
        await sio.emit("price", BAD)
        assert (await clients[1].got("price", 4)).args == (BAD,)


async def test_a_marked_field_keeps_its_event_out_of_compression_whatever_the_settings() -> None:
    sio = reznet_ws.AsyncServer(async_mode="asgi", namespaces="*", schemas=SCHEMAS)
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        for settings in (Settings(), Settings(schemas=False), Settings(never_compress=frozenset({"other"}))):
            site.manager.settings = settings
            assert site.manager.settings.never_compress == settings.never_compress | {"login"}
            await sio.emit("login", {"token": "sesame" * 50})
            await sio.emit("price", {"value": 1, "note": "sesame" * 50})
            login, price = await client.frame(), await client.frame()
            assert (login.rsv1, price.rsv1) == (False, True)


async def test_an_application_s_own_server_class_stays_in_front() -> None:
    class Own(socketio.AsyncServer):  # type: ignore[misc]
        async def emit(self, event: str, *args: Any, **options: Any) -> None:
            await super().emit(event.removeprefix("own-"), *args, **options)

    sio = Own(async_mode="asgi")
    attach(sio, schemas=SCHEMAS)
    with pytest.raises(PayloadError, match="price"):
        await sio.emit("own-price", BAD)
    assert isinstance(sio, Own)


def test_without_schemas_nothing_stands_in_the_way_and_later_is_too_late() -> None:
    sio = new_sio()
    manager = attach(sio)
    assert type(sio).emit is socketio.AsyncServer.emit
    assert manager.schemas is None
    with pytest.raises(ValueError, match="schemas have to be given where the server is attached first"):
        attach(sio, schemas=SCHEMAS)


async def test_a_server_behind_others_is_told_before_anything_is_published() -> None:
    published: list[Any] = []

    class Channel(AsyncPubSubManager):  # type: ignore[misc]
        async def _publish(self, data: Any) -> None:
            published.append(data)

        async def _listen(self) -> Any:
            await asyncio.Event().wait()
            yield

    sio = new_sio(client_manager=Channel())
    attach(sio, schemas=SCHEMAS)
    with pytest.raises(PayloadError, match="price"):
        await sio.emit("price", BAD)
    assert published == []
    await sio.emit("price", GOOD)
    assert [one["event"] for one in published] == ["price"]
