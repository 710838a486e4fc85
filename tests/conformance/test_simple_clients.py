"""python-socketio's simple clients decode format 2 too, and a client that decodes already is left as it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio
from conformance.harness import Site, open_site, until

from reznet_ws.client import attach

PLAN = {"workflow_id": "w-1", "tasks": [{"task_id": 1, "mid": 2}], "created_at": "2025-10-25T12:00:00.000Z", "_v": 2}
SENT: list[tuple[str, Any]] = [
    ("workflow_plan", PLAN),
    *(("agent_status", {"agent_name": "@qa", "status": number}) for number in range(4)),
    ("several", (PLAN, b"bytes", None)),
]
RECEIVED = [[event, *(data if isinstance(data, tuple) else [data])] for event, data in SENT]


async def emit_all(site: Site) -> None:
    for event, data in SENT:
        await site.sio.emit(event, data)


@pytest.mark.parametrize("connections", [1, 2], ids=["once", "and again"])
async def test_the_simple_client_of_asyncio(connections: int) -> None:
    async with open_site() as site:
        site.sio.on("ask", lambda sid, data: data)
        client = socketio.AsyncSimpleClient(handle_sigint=False)
        assert attach(client) is client
        for _ in range(connections):
            await client.connect(f"{site.url}?reznet=2", transports=["websocket"])
            assert (await client.receive(timeout=5))[0] == "connection_established"
            await emit_all(site)
            assert [await client.receive(timeout=5) for _ in SENT] == RECEIVED
            assert await client.call("ask", PLAN, timeout=5) == PLAN
            await client.disconnect()
        await until(lambda: not site.manager.road.connections, "the end of its connection")


async def test_the_simple_client_of_threads() -> None:
    async with open_site() as site:
        client = socketio.SimpleClient(handle_sigint=False)
        assert attach(client) is client

        def connect() -> Any:
            client.connect(f"{site.url}?reznet=2", transports=["websocket"])
            return client.receive(timeout=5)

        def receive() -> list[Any]:
            return [client.receive(timeout=5) for _ in SENT]

        assert (await asyncio.to_thread(connect))[0] == "connection_established"
        await emit_all(site)
        received = await asyncio.to_thread(receive)
        await asyncio.to_thread(client.disconnect)
        # Its handlers have a thread each, so that what comes at once may be noted in any order.
        assert sorted(map(repr, received)) == sorted(map(repr, RECEIVED))
        await until(lambda: not site.manager.road.connections, "the end of its connection")


async def test_one_that_is_connected_already_decodes_from_then_on() -> None:
    async with open_site() as site:
        async with socketio.AsyncSimpleClient(handle_sigint=False) as client:
            await client.connect(site.url, transports=["websocket"])
            inner = client.client
            assert inner is not None
            attach(client)
            assert inner._handle_event.__module__ == "reznet_ws.client.decoder"
            await site.sio.emit("note", PLAN)  # of format 1, which stays as it is
            assert await client.receive(timeout=5) == ["note", PLAN]


@pytest.mark.parametrize(
    "kind", [socketio.AsyncClient, socketio.Client, socketio.AsyncSimpleClient, socketio.SimpleClient]
)
async def test_attaching_twice_changes_nothing(kind: Any) -> None:
    client = kind(handle_sigint=False)
    attach(client)
    before = dict(vars(client))
    assert attach(client) is client
    assert dict(vars(client)) == before
