"""Other servers' deflate: the same bytes as uvicorn and aiohttp put on a real socket; and what clients send."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from aiohttp import web
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.uri import parse_uri

import reznet_ws
from reznet_ws.audit.examine.alternatives import OPTIONS, Deflate, Stream, compare
from reznet_ws.audit.examine.replayed import Alternative
from reznet_ws.audit.examine.sent import compress_sent
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.lab import Lab
from reznet_ws.replay.frames import split_frames
from reznet_ws.replay.trace import events_of, record

_COUNT = 120


def captured(texts: list[bytes], direction: Direction = Direction.RECEIVED) -> Spool:
    spool = Spool()
    for text in texts:
        spool.add(direction, 0, Kept(None, "x", (text.decode(),)))
    return spool


def of(found: tuple[Alternative, ...], server: str, *, setting: str | None = None) -> Alternative:
    return next(
        row for row in found if row.server == server and (row.is_default if setting is None else row.setting == setting)
    )


@pytest.fixture
def stock_server() -> Iterator[Lab]:
    server = Lab.quiet(name="audit", stock=True)
    yield server
    server.stop()


class _Witness(Listener):
    """Keeps the greetings as well: the window holds them too."""

    def __init__(self, url: str, **options: Any) -> None:
        self.everything: list[bytes] = []
        self.wire_bytes = 0
        super().__init__(url, **options)

    def read(self, count: int) -> list[bytes]:
        frames = super().read(count)
        self.wire_bytes += sum(map(len, frames))
        return frames

    def _receive(self) -> None:
        before = len(self.messages)
        super()._receive()
        self.everything += [m.encode() if isinstance(m, str) else m for m in self.messages[before:]]


@pytest.mark.parametrize(
    ("deflate", "setting"), [(True, None), (False, "uvicorn main:app --ws-per-message-deflate false")]
)
def test_uvicorn_is_computed_as_it_is(stock_server: Lab, deflate: bool, setting: str | None) -> None:
    with _Witness(stock_server.url, deflate=deflate) as witness:
        stock_server.emit(events_of(record(_COUNT, mix="unicode")))
        witness.read(_COUNT)
    with captured(witness.everything) as spool:
        assert of(compare(spool), "uvicorn", setting=setting).wire_bytes == witness.wire_bytes


class _AiohttpServer:
    """python-socketio on aiohttp as it comes, in a thread."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncServer(async_mode="aiohttp")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.url: str = self._call(self._open())

    async def _open(self) -> str:
        app = web.Application()
        self.sio.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def emit(self, events: list[tuple[str, Any]]) -> None:
        async def emit_all() -> None:
            for event, data in events:
                await self.sio.emit(event, data)

        self._call(emit_all())

    def close(self) -> None:
        async def close() -> None:
            await self.sio.shutdown()
            await self._runner.cleanup()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self._call(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


def test_aiohttp_is_computed_as_it_is() -> None:
    server = _AiohttpServer()
    try:
        with _Witness(server.url) as witness:
            server.emit(events_of(record(_COUNT)))
            witness.read(_COUNT)
    finally:
        server.close()
    with captured(witness.everything) as spool:
        assert of(compare(spool), "aiohttp").wire_bytes == witness.wire_bytes


_JS = Path(reznet_ws.__file__).parent / "client" / "js"
_WS_SERVER = """
const { WebSocketServer } = require("ws");
const [options, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: options });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => texts.forEach((text) => socket.send(text)));
"""


def _bytes_from_ws(options: Any, texts: list[str]) -> int:
    """What Node's `ws` sends to a client that offers what browsers do."""
    with subprocess.Popen(["node", "-e", _WS_SERVER], cwd=_JS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        try:
            node.stdin.write(json.dumps([options, texts]).encode())
            node.stdin.close()
            address = parse_uri(f"ws://127.0.0.1:{int(node.stdout.readline())}/")
            protocol = ClientProtocol(address, extensions=[ClientPerMessageDeflateFactory(client_max_window_bits=True)])
            protocol.send_request(protocol.connect())
            with socket.create_connection((address.host, address.port), 20) as connection:
                for data in protocol.data_to_send():
                    connection.sendall(data)
                received = b""
                while len(split_frames(received.partition(b"\r\n\r\n")[2])) < len(texts):
                    received += connection.recv(1 << 20)
            return len(received.partition(b"\r\n\r\n")[2])
        finally:
            node.kill()


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("perMessageDeflate: false", False),
        ("perMessageDeflate: true", True),
        (
            "perMessageDeflate: { serverMaxWindowBits: 12, zlibDeflateOptions: { memLevel: 5 } }",
            {"serverMaxWindowBits": 12, "zlibDeflateOptions": {"memLevel": 5}},
        ),
        (
            "perMessageDeflate: { serverNoContextTakeover: true, threshold: 1024 }",
            {"serverNoContextTakeover": True, "threshold": 1024},
        ),
    ],
)
def test_node_is_computed_but_for_its_own_zlib(setting: str, options: Any) -> None:
    texts = [f"42{json.dumps([message.event, message.data])}" for message in record(400, mix="unicode")]
    with captured([text.encode() for text in texts]) as spool:
        computed = of(compare(spool), "Node's ws", setting=setting).wire_bytes
    assert abs(computed / _bytes_from_ws(options, texts) - 1) < 0.01


def test_the_threshold_counts_without_takeover_only() -> None:
    small, large = b"a" * 50, b"b" * 2000
    without = Stream(Deflate(threshold_bytes=1024))
    assert without.carry(small) == 52
    assert without.carry(large) < 60
    assert Stream(Deflate()).carry(small) < 52


def test_each_message_by_itself_knows_nothing_of_the_one_before() -> None:
    text = bytes(range(256))
    alone, kept = Stream(Deflate(threshold_bytes=0)), Stream(Deflate())
    assert alone.carry(text) == alone.carry(text)
    assert kept.carry(text) > 10 * kept.carry(text)


def test_every_server_has_one_default_and_one_best_that_is_near_its_fewest_bytes() -> None:
    with captured([f'42["x",{{"content":"{"word " * 40}","n":{number}}}]'.encode() for number in range(50)]) as spool:
        found = compare(spool)
    assert [(row.server, row.setting) for row in found] == [(option.server, option.setting) for option in OPTIONS]
    for server in {row.server for row in found}:
        rows = [row for row in found if row.server == server]
        assert sum(row.is_default for row in rows) == 1
        (best,) = [row for row in rows if row.is_best]
        assert best.wire_bytes <= 1.02 * min(row.wire_bytes for row in rows)


def test_what_clients_send_is_masked_and_compressed_at_their_end() -> None:
    texts = [b'42["typing",{"channel_id":"general","is_typing":true}]'] * 20
    with captured(texts, Direction.SENT) as spool:
        rows, by_event = compress_sent(spool)
        assert {row.wire_bytes for row in compare(spool)} == {0}, "the server did not send it"
    compressor = zlib.compressobj(wbits=-15)
    sizes = [len(compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)) - 4 for text in texts]
    assert {row.label: row.wire_bytes for row in rows} == {
        "as it is": 20 * (len(texts[0]) + 6),
        "permessage-deflate, 12 bits (what uvicorn grants)": sum(sizes) + 20 * 6,
        "permessage-deflate, 15 bits": sum(sizes) + 20 * 6,
        "permessage-deflate, each message by itself": 20 * (sizes[0] + 6),
    }
    assert all(counts == {"x": row.wire_bytes} for row, counts in zip(rows, by_event.values(), strict=True))


def test_clients_that_send_nothing_have_no_row() -> None:
    with Spool() as spool:
        assert compress_sent(spool)[0] == ()
