"""Real Python clients get rows over a real WebSocket, from the few bytes of server that they need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from websockets.asyncio.server import ServerConnection, serve

from reznet_ws.client import attach_rows

HANDSHAKE = {"sid": "engine", "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 10**6}
FRAMES: list[str | bytes] = [
    '4"\n!%2["price",{"value":1,"note":"a"}]',
    '4#%%:\t5\n2["plain",{"x":1}]\n%5',
    '451-["picture",{"_placeholder":true,"num":0}]',
    b"\x01\x02",
    '427["question",{"y":2}]',
    "4%-1",
]
EXPECTED = [
    ("price", {"value": 1, "note": "a"}),
    ("price", {"value": 6, "note": "a"}),
    ("plain", {"x": 1}),
    ("price", {"value": 11, "note": "a"}),
    ("picture", b"\x01\x02"),
    ("question", {"y": 2}),
    ("price", {"value": 10, "note": "a"}),
]
TIMEOUT_S = 20


class Script:
    """A server that sends its frames to whoever connects, and then what it is told."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.answers: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, connection: ServerConnection) -> None:
        await connection.send(f"0{json.dumps(HANDSHAKE)}")
        async for message in connection:
            if isinstance(message, str) and message.startswith("40"):
                await connection.send('40{"sid":"client"}')
                for frame in FRAMES:
                    await connection.send(frame)
                self.connections.put_nowait(connection)
            elif isinstance(message, str) and message.startswith("43"):
                self.answers.put_nowait(message)


@asynccontextmanager
async def _serving(script: Script) -> AsyncIterator[str]:
    async with serve(script, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}?reznet=3"


async def test_rows_come_in_order_and_a_forged_frame_ends_the_connection() -> None:
    script, got = Script(), asyncio.Queue[Any]()
    client = attach_rows(socketio.AsyncClient(reconnection_delay=0.01, randomization_factor=0))

    @client.on("*")
    async def heard(event: str, *args: Any) -> Any:
        got.put_nowait((event, *args))
        return "done"

    @client.event
    async def disconnect(reason: str) -> None:
        got.put_nowait(reason)

    async with asyncio.timeout(TIMEOUT_S), _serving(script) as url:
        await client.connect(url, transports=["websocket"])
        assert [await got.get() for _ in EXPECTED] == EXPECTED
        assert await script.answers.get() == '437["done"]'
        connection = await script.connections.get()
        await connection.send("4~never told")
        await connection.send("4%1")
        assert await got.get() == client.reason.TRANSPORT_ERROR
        assert [await got.get() for _ in EXPECTED] == EXPECTED
        await client.disconnect()
        await client.wait()


async def test_a_client_with_threads_gets_the_same() -> None:
    script, got, loop = Script(), asyncio.Queue[Any](), asyncio.get_running_loop()
    client = attach_rows(socketio.Client(reconnection_delay=0.01, randomization_factor=0))

    @client.on("*")
    def heard(event: str, *args: Any) -> Any:
        loop.call_soon_threadsafe(got.put_nowait, (event, *args))
        return "done"

    @client.event
    def disconnect(reason: str) -> None:
        loop.call_soon_threadsafe(got.put_nowait, reason)

    async with asyncio.timeout(TIMEOUT_S), _serving(script) as url:
        await asyncio.to_thread(client.connect, url, transports=["websocket"])
        # Each packet has a thread of its own there, so that they may come in another order.
        assert _sorted([await got.get() for _ in EXPECTED]) == _sorted(EXPECTED)
        connection = await script.connections.get()
        await connection.send("4~never told")
        assert await got.get() == client.reason.TRANSPORT_ERROR
        assert _sorted([await got.get() for _ in EXPECTED]) == _sorted(EXPECTED)
        await asyncio.to_thread(client.disconnect)


def _sorted(events: list[Any]) -> list[str]:
    return sorted(map(repr, events))


@pytest.mark.parametrize("kind", [socketio.AsyncClient, socketio.Client])
def test_the_client_that_went_in_comes_back(kind: Any) -> None:
    client = kind()
    assert attach_rows(client) is client
