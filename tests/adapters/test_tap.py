"""The tap records what is emitted, to whom, wherever it comes from, and changes no class of the application's own."""

import asyncio
import json as plain_json
from datetime import date
from typing import Any

import engineio
import pytest
import socketio
from socketio.async_pubsub_manager import AsyncPubSubManager

from reznet_ws import attach
from reznet_ws.adapters import tap as taps
from reznet_ws.message.digest import digest


class Queue(AsyncPubSubManager):
    """A message queue with nobody else on it."""

    async def _publish(self, data: Any) -> None:
        pass

    async def _listen(self) -> Any:
        await asyncio.Event().wait()
        yield None


class IsoDates:
    """JSON that knows dates."""

    loads = staticmethod(plain_json.loads)

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return plain_json.dumps(value, default=str, **options)


async def joined(sio: socketio.AsyncServer, eio_sid: str) -> str:
    sid = await sio.manager.connect(eio_sid, "/")
    await sio.enter_room(sid, "everybody")
    return str(sid)


@pytest.mark.parametrize("manager", [None, socketio.AsyncManager, Queue])
async def test_each_emission_is_recorded_with_who_it_is_for(manager: Any) -> None:
    sio = socketio.AsyncServer(async_mode="asgi", client_manager=manager and manager())
    attach(sio)
    tap = taps.tap(sio)
    assert taps.tap(sio) is tap
    assert isinstance(sio.manager, manager or socketio.AsyncManager)
    first, _ = await joined(sio, "one"), await joined(sio, "two")
    await sio.emit("said", {"text": "é", "raw": b"\x01"}, room="everybody")
    await sio.emit("said", ("a", 2), room="everybody", skip_sid=first)
    await sio.emit("said", to=first)
    await sio.emit("said", room="nobody")
    found = [(emission.digest, list(emission.receivers)) for emission in tap.take()]
    assert found == [
        (digest("said", [{"text": "é", "raw": b"\x01"}]), ["one", "two"]),
        (digest("said", ["a", 2]), ["two"]),
        (digest("said", []), ["one"]),
    ]
    assert tap.take() == []


async def test_what_cannot_be_sent_was_not_emitted_and_a_plan_says_when_it_was_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The libraries keep a server's JSON in the classes of their packets, for all servers.
    for kind in (socketio.packet.Packet, engineio.packet.Packet):
        monkeypatch.setattr(kind, "json", engineio.json)
    sio = socketio.AsyncServer(async_mode="asgi", json=IsoDates)
    attach(sio)
    tap = taps.tap(sio)
    await joined(sio, "one")
    taps.due_s.set(5.0)
    await sio.emit("said", {"on": date(2025, 1, 2)}, room="everybody")
    (emission,) = tap.take()
    assert (emission.digest, emission.due_s) == (digest("said", [{"on": "2025-01-02"}]), 5.0)

    monkeypatch.undo()
    plain = socketio.AsyncServer(async_mode="asgi")
    attach(plain)
    tap = taps.tap(plain)
    await joined(plain, "one")
    with pytest.raises(TypeError):
        await plain.emit("said", {"on": date(2025, 1, 2)}, room="everybody")
    assert [emission.receivers for emission in tap.take()] == []
