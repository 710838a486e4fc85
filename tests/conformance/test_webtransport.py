"""The unmodified socket.io-client in Chromium, over WebTransport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import socketio
from conformance.javascript import STOCK_CLIENT, TIMEOUT_S
from playwright.async_api import Browser
from playwright.async_api import Page as BrowserPage

from reznet_ws import attach
from reznet_ws.adapters import webtransport_session
from reznet_ws.adapters.certificate import make_certificate
from reznet_ws.adapters.webtransport_session import HIGH_WATER_BYTES
from reznet_ws.webtransport import Server, serve

OPEN = """([url, hash, options]) => new Promise((resolve, reject) => {
  window.got = []
  const hashes = [{algorithm: 'sha-256', value: Uint8Array.from(hash)}]
  window.socket = io(url, {transports: ['webtransport'], reconnection: false, ...options,
    transportOptions: {webtransport: {serverCertificateHashes: hashes}}})
  socket.on('connect', () => resolve([socket.id, socket.io.engine.transport.name]))
  socket.on('connect_error', error => resolve(['error', String(error.message)]))
  socket.onAny((...args) => got.push(args))
  socket.on('disconnect', reason => { window.left = reason })
})"""


def application(origin: str) -> socketio.AsyncServer:
    sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[origin])

    @sio.event
    async def echo(sid: str, *args: Any) -> list[Any]:
        return list(args)

    @sio.event
    async def room(sid: str, name: str) -> None:
        await sio.enter_room(sid, name)

    return sio


@asynccontextmanager
async def served(sio: socketio.AsyncServer, **options: Any) -> AsyncIterator[Server]:
    async with await serve(socketio.ASGIApp(sio), "127.0.0.1", 0, **options) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin() -> AsyncIterator[str]:
    """A page with the client on this machine: Chromium keeps a page of unknown origin from such a server."""
    script = (Path(STOCK_CLIENT).parent / "socket.io.js").read_bytes()
    body = b"<!doctype html><meta charset=utf-8><title>client</title><script>" + script + b"</script>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def opened(browser: Browser, origin: str) -> AsyncIterator[BrowserPage]:
    page = await browser.new_page()
    await page.goto(f"{origin}/")
    try:
        yield page
    finally:
        await page.close()


async def connect(page: BrowserPage, server: Server, **options: Any) -> list[str]:
    assert server.certificate is not None
    url = f"https://127.0.0.1:{server.port}"
    found: list[str] = await page.evaluate(OPEN, [url, list(server.certificate.sha256), options])
    return found


async def until(true: Any) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_attached", [True, False], ids=["attached", "stock"])
@pytest.mark.asyncio(loop_scope="module")
async def test_events_answers_binary_rooms_and_a_hundred_in_order(
    browser: Browser, origin: str, is_attached: bool
) -> None:
    sio = application(origin)
    manager = attach(sio) if is_attached else None
    async with served(sio) as server, opened(browser, origin) as page:
        sid, transport = await connect(page, server)
        assert transport == "webtransport"
        if manager is not None:
            assert manager.get_stats()["wire"]["uncounted_connections"] == 1
        answer = await page.evaluate(
            "async () => { const [a, b] = await socket.emitWithAck('echo', {text: 'Ада'}, new Uint8Array([1, 2, 255]));"
            " return [a, [...new Uint8Array(b)]] }"
        )
        assert answer == [{"text": "Ада"}, [1, 2, 255]]
        long = "x" * 200_000  # eight bytes of length, and more than may wait
        assert await page.evaluate("text => socket.emitWithAck('echo', text)", long) == [long]
        await page.evaluate("() => socket.on('ask', (n, answer) => answer(n + 1, new Uint8Array([7])))")
        assert await sio.call("ask", 41, to=sid) == (42, b"\x07")
        await page.evaluate("() => { got.length = 0; socket.emit('room', 'blue') }")
        await until(lambda: "blue" in sio.rooms(sid))
        for number in range(100):
            await sio.emit("tick", {"number": number, "text": "a" * (number * 7)}, room="blue")
        await page.wait_for_function("() => got.length >= 100")
        assert await page.evaluate("() => got.map(args => args[1].number)") == list(range(100))
        numbers: list[int] = []
        sio.on("number", lambda sid, number: numbers.append(number))
        await page.evaluate("() => { for (let n = 0; n < 100; n++) socket.emit('number', n) }")
        await until(lambda: len(numbers) == 100)
        assert numbers == list(range(100))
        left: list[str] = []
        sio.on("disconnect", lambda sid, reason: left.append(reason))
        await page.evaluate("() => socket.disconnect()")
        await until(lambda: left and not server.sessions)
        await until(lambda: not server._quic._protocols)
        assert not sio.environ
        assert not list(sio.manager.get_namespaces())
        assert left == ["client disconnect"]
        assert not sio.eio.sockets
        if manager is not None:
            assert not sio.eio.broadcast.connections


@pytest.mark.asyncio(loop_scope="module")
async def test_a_server_that_disconnects_or_stops_says_so_behind_what_it_sent(browser: Browser, origin: str) -> None:
    sio = application(origin)
    attach(sio)
    async with served(sio) as server, opened(browser, origin) as page:
        sid, _ = await connect(page, server)
        await sio.emit("last", to=sid)
        await sio.disconnect(sid)
        await page.wait_for_function("() => window.left")
        assert await page.evaluate("() => [left, got]") == ["io server disconnect", [["last"]]]
        await until(lambda: not server.sessions)
        await connect(page, server)
        await page.evaluate("() => { window.left = '' }")
        await server.close()
        await page.wait_for_function("() => window.left")
        # The session ends and so does its connection: the client tells of whichever it learns of first.
        assert await page.evaluate("() => left") in ("transport close", "transport error")
        assert not server.sessions
        assert not sio.environ


@pytest.mark.asyncio(loop_scope="module")
async def test_who_is_refused(browser: Browser, origin: str) -> None:
    sio = application("https://elsewhere.example")
    attach(sio)
    async with served(sio) as server, opened(browser, origin) as page:
        assert (await connect(page, server))[0] == "error"
        assert not sio.eio.sockets
        sio.eio.cors_allowed_origins = [origin]
        assert (await connect(page, server, path="/elsewhere/"))[0] == "error"
        assert (await connect(page, server))[1] == "webtransport"
    sio.on("connect", lambda sid, environ: False)
    async with served(sio, max_packet_bytes=1000) as server, opened(browser, origin) as page:
        assert (await connect(page, server))[0] == "error"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_packet_that_is_too_long_closes_its_session_alone(browser: Browser, origin: str) -> None:
    sio = application(origin)
    attach(sio)
    async with (
        served(sio, max_packet_bytes=1000) as server,
        opened(browser, origin) as page,
        opened(browser, origin) as other,
    ):
        await connect(page, server)
        await connect(other, server)
        await page.evaluate("() => { socket.emit('echo', 'x'.repeat(2000)) }")
        await page.wait_for_function("() => window.left")
        await until(lambda: len(server.sessions) == 1)
        assert await other.evaluate("() => socket.emitWithAck('echo', 1)") == [1]


NOT_READING = """async ([url, hash]) => {
  const hashes = [{algorithm: 'sha-256', value: Uint8Array.from(hash)}]
  window.wt = new WebTransport(url, {serverCertificateHashes: hashes})
  wt.closed.then(info => { window.goodbye = [info.closeCode, info.reason] })
  await wt.ready
  window.stream = await wt.createBidirectionalStream()
  await stream.writable.getWriter().write(Uint8Array.from([1, 48, 2, 52, 48]))
}"""
READ = """async () => {
  const reader = stream.readable.getReader()
  let bytes = 0
  while (bytes < 20_000_000) bytes += (await reader.read()).value.length
  return bytes
}"""


@pytest.mark.parametrize("reads_at_last", [True, False], ids=["reads-at-last", "never-reads"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_client_that_does_not_read_holds_up_who_sends_to_it(
    browser: Browser, origin: str, reads_at_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stock client reads at once, so this one is the browser's own.
    if not reads_at_last:
        monkeypatch.setattr(webtransport_session, "STALLED_S", 0.5)
    sio = application(origin)
    async with served(sio) as server, opened(browser, origin) as page:
        assert server.certificate is not None
        await page.evaluate(
            NOT_READING, [f"https://127.0.0.1:{server.port}/socket.io/", list(server.certificate.sha256)]
        )
        await until(lambda: list(sio.manager.get_namespaces()))
        ((sid, _),) = sio.manager.get_participants("/", None)
        (session,) = server.sessions
        for _ in range(100):
            await sio.emit("page", "x" * 200_000, to=sid)
        await until(lambda: session._wire.waiting_bytes() > HIGH_WATER_BYTES)
        assert session._wire.waiting_bytes() < HIGH_WATER_BYTES + 200_100
        if reads_at_last:
            assert await page.evaluate(READ) >= 20_000_000
            await page.evaluate("() => wt.close()")
        else:
            await page.wait_for_function("() => window.goodbye")
            assert await page.evaluate("() => window.goodbye") == [1013, "reads too slowly"]
        await until(lambda: not server.sessions and not sio.environ)


def test_a_certificate_is_what_browsers_take_by_its_hash() -> None:
    made = make_certificate("127.0.0.1")
    valid = made.certificate.not_valid_after_utc - made.certificate.not_valid_before_utc
    assert valid.days < 14
    assert made.key.curve.name == "secp256r1"
    assert len(made.sha256) == 32
