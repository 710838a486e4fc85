"""Many real servers on one port, each with settings of its own and one real client: what a replay is compared with.

In: settings, bursts of events. Out: what each server's ledger counted, and what its client got.
Never: lets the clock close a batch in the middle of a burst: windows are as long as they may be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import socketio

from reznet_ws import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.client import attach_message_pack, attach_rows
from reznet_ws.client import decoder as client
from reznet_ws.ledger import EventTotals
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.settings import Settings

TIMEOUT_S = 30.0
WINDOW_MS = 1000.0
# From the beginning of one burst to that of the next: by then no window is open any more.
APART_MS = 10 * WINDOW_MS

# Name, data as `emit` takes them, namespace.
Emitted = tuple[str, Any, str]


class RealSite:
    """One server and its client; `rows` is what the server's ledger held at the end."""

    def __init__(self, settings: Settings, *, wire_format: int | str = 2, namespaces: Sequence[str] = ("/",)) -> None:
        self.settings = settings.replace(deflate_adjustable=True, batch_window_ms=WINDOW_MS)
        self.wire_format, self.namespaces = wire_format, list(namespaces)
        self.sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000, namespaces="*")
        # The greetings hold random ids: uncompressed, they never enter the window.
        self.manager = attach(self.sio, self.settings.replace(deflate=False))
        self.received: list[tuple[str, tuple[Any, ...]]] = []
        self.rows: dict[str, EventTotals] = {}
        self._granted, self._has_news = asyncio.Semaphore(0), asyncio.Event()

    @property
    def counted(self) -> dict[str, int]:
        """Frames and bytes of all events."""
        names = ("frames", "frame_bytes", "wire_bytes")
        return {name: sum(getattr(row, name) for row in self.rows.values()) for name in names}

    async def connect(self, url: str, path: str) -> None:
        self.client = socketio.AsyncClient(
            handle_sigint=False, reconnection=False, websocket_extra_options={"compress": 15}
        )
        attachments = {2: client.attach, 3: attach_rows, "m": attach_message_pack}
        if self.wire_format in attachments:
            attachments[self.wire_format](self.client)

        async def arrive(event: str, *args: Any) -> None:
            if event == GRANT_EVENT:
                self._granted.release()
            else:
                self.received.append((event, args))
                self._has_news.set()

        for namespace in self.namespaces:
            self.client.on("*", arrive, namespace=namespace)
        await self.client.connect(
            url if self.wire_format == 1 else f"{url}?reznet={self.wire_format}",
            socketio_path=path,
            transports=["websocket"],
            namespaces=self.namespaces,
            wait_timeout=TIMEOUT_S,
        )
        if self.wire_format != 1:
            for _ in self.namespaces:
                await self._granted.acquire()

    async def emit(self, bursts: Sequence[Sequence[Emitted]]) -> None:
        """In the server's loop."""
        self.manager.settings = self.settings
        self.manager.reset_stats()
        for burst in bursts:
            for event, data, namespace in burst:
                await self.sio.emit(event, data, namespace=namespace)  # never gives the loop a turn
            while self.manager.road.is_holding:  # noqa: ASYNC110 (there is no event for it)
                await asyncio.sleep(0.01)

    async def got(self, count: int) -> None:
        """Wait until its client has so many events."""
        while len(self.received) < count:
            self._has_news.clear()
            await self._has_news.wait()


@contextlib.asynccontextmanager
async def played(sites: Sequence[RealSite], bursts: Sequence[Sequence[Emitted]]) -> AsyncIterator[None]:
    """Each has emitted everything, its client has got as much, and its rows are there."""
    by_path = {f"site{number}": site for number, site in enumerate(sites)}
    apps = {path: socketio.ASGIApp(site.sio, socketio_path=f"{path}/socket.io") for path, site in by_path.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"].split("/")[1]](scope, receive, send)

    async def stopping() -> None:
        for site in sites:
            site.manager.close()
            await site.sio.shutdown()

    server = await asyncio.to_thread(ServerThread, app, stopping=stopping)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for path, site in by_path.items():
                await site.connect(server.url, f"{path}/socket.io")
            emitting = [asyncio.wrap_future(server.submit(site.emit(bursts))) for site in sites]
            await asyncio.gather(*emitting, *(site.got(sum(map(len, bursts))) for site in sites))
        for site in sites:
            site.rows = server.call(lambda site=site: site.manager.ledger.rows())
        yield
    finally:
        await asyncio.gather(*(site.client.disconnect() for site in sites))
        await asyncio.to_thread(server.stop)
    assert not server.is_running
