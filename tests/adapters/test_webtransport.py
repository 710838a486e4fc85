"""What a hostile client may hold of a WebTransport server; conformance has the ordinary ones."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

from reznet_ws.adapters import webtransport
from reznet_ws.message.packet_stream import encode
from reznet_ws.webtransport import Server, serve

TIMEOUT_S = 20.0


class Client(QuicConnectionProtocol):
    """A client that says what it is told to."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.statuses: list[bytes] = []
        self.ended: events.ConnectionTerminated | None = None
        self.stream = b""
        self.news = asyncio.Event()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.ConnectionTerminated):
            self.ended = event
        for found in self.http.handle_event(event):
            if isinstance(found, HeadersReceived):
                self.statuses.append(dict(found.headers)[b":status"])
            elif isinstance(found, WebTransportStreamDataReceived):
                self.stream += found.data
        self.news.set()

    async def until(self, attribute: str, count: int = 1) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            while not (found := getattr(self, attribute)) or (count > 1 and len(found) < count):
                self.news.clear()
                await self.news.wait()
        return found

    def ask(self, path: bytes = b"/socket.io/", method: bytes = b"CONNECT", *more: tuple[bytes, bytes]) -> int:
        stream_id = self._quic.get_next_available_stream_id()
        headers = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path)]
        headers += [(b":protocol", b"webtransport")] if method == b"CONNECT" else []
        self.http.send_headers(stream_id, [*headers, *more])
        self.transmit()
        return stream_id

    def say(self, stream_id: int, data: bytes) -> None:
        self._quic.send_stream_data(stream_id, data)
        self.transmit()


@asynccontextmanager
async def opened(app: Any = None) -> AsyncIterator[tuple[Server, Client]]:
    app = app or socketio.ASGIApp(socketio.AsyncServer(async_mode="asgi"))
    trusting = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65536)
    async with await serve(app, "127.0.0.1", 0) as server:
        # Without waiting, so that a client which the server has closed is not waited for.
        async with connect("127.0.0.1", server.port, configuration=trusting, create_protocol=Client) as client:
            assert isinstance(client, Client)
            yield server, client


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [(b"/socket.io/", b"GET", b"404"), (b"/socket.io/?sid=x", b"CONNECT", b"400"), (b"/nothing", b"CONNECT", b"400")],
)
async def test_who_asks_for_something_else_is_answered(path: bytes, method: bytes, status: bytes) -> None:
    async with opened() as (_, client):
        client.ask(path, method)
        assert await client.until("statuses") == [status]


async def test_a_page_of_the_same_host_and_port_may_come_and_another_may_not() -> None:
    for origin, status in ((b"https://localhost", b"200"), (b"http://localhost", b"403"), (b"https://a.b", b"403")):
        async with opened() as (_, client):
            client.ask(b"/socket.io/", b"CONNECT", (b"origin", origin))
            assert await client.until("statuses") == [status], origin


async def test_a_connection_has_one_session() -> None:
    async with opened() as (server, client):
        client.ask()
        client.ask()
        assert sorted(await client.until("statuses", 2)) == [b"200", b"429"]
        assert len(server.sessions) == 1


@pytest.mark.parametrize("asks", [False, True])
async def test_a_client_that_opens_nothing_is_closed(asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webtransport, "_OPENING_S", 0.3)
    monkeypatch.setattr(webtransport, "_FAREWELL_S", 0.1)
    async with opened() as (server, client):
        if asks:
            client.ask()
        await client.until("ended")
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*server.sessions.values())


async def test_a_header_without_end_is_not_held() -> None:
    async with opened() as (_, client):
        stream_id = client._quic.get_next_available_stream_id()
        client.say(stream_id, b"\x01\x80\x10\x00\x00" + bytes(100_000))  # HEADERS of a megabyte
        ended = await client.until("ended")
        assert ended.error_code == ErrorCode.H3_EXCESSIVE_LOAD


async def test_streams_beyond_the_session_are_few() -> None:
    async with opened() as (_, client):
        session_id = client.ask()
        await client.until("statuses")
        for _ in range(20):
            client.http.create_webtransport_stream(session_id)
        client.transmit()
        ended = await client.until("ended")
        assert ended.error_code == ErrorCode.H3_EXCESSIVE_LOAD


@pytest.mark.parametrize(
    "first", [encode("2probe"), encode('0{"sid":"x"}'), encode(b"0"), b"\x00", b"\x7f" + b"\xff" * 8]
)
async def test_a_stream_that_opens_no_new_session_is_closed(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webtransport, "_FAREWELL_S", 0.1)
    async with opened() as (server, client):
        session_id = client.ask()
        await client.until("statuses")
        client.say(client.http.create_webtransport_stream(session_id), first)
        await client.until("ended")
        assert not client.stream
        assert not server.sessions


async def test_an_application_that_reads_nothing_holds_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webtransport, "_FAREWELL_S", 0.1)
    over = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await over.wait()
        assert (await receive())["type"] == "websocket.disconnect"
        with pytest.raises(OSError, match="over"):
            await send({"type": "websocket.send", "text": "late"})

    async with opened(app) as (server, client):
        session_id = client.ask()
        await client.until("statuses")
        (task,) = server.sessions.values()
        stream_id = client.http.create_webtransport_stream(session_id)
        client.say(stream_id, encode("0") + encode("4" * 500_000) * 5)
        await client.until("ended")
        over.set()
        async with asyncio.timeout(TIMEOUT_S):
            await task


async def test_an_application_that_fails_ends_its_session(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("broken")

    async with opened(app) as (server, client):
        client.ask()
        assert await client.until("statuses") == [b"400"]
        assert not server.sessions
    assert "broken" in caplog.text
