"""A python-socketio client in the server's own event loop, and the bytes that it costs.

In: what it asks for when it connects. Out: what its handlers got, and the bytes that came for it.
Never: tells the server who it is but by its query string.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

import socketio

from reznet_ws.client import decoder
from reznet_ws.lab.clients.proxy import Proxy, proxying
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.replay.trace import Event

TIMEOUT_S = 20


@dataclass(eq=False)
class Member:
    """One client. `asks` is what its query string says, `decodes` whether our helper is attached."""

    name: str = "member"
    asks: str = ""
    transport: str = "websocket"
    deflate: bool = False
    decodes: bool = False
    events: list[Event] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    _proxy: Proxy = field(default_factory=Proxy)
    _open: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def received_bytes(self) -> int:
        """All that came for it, HTTP headers included, counted by a proxy before it."""
        return self._proxy.from_server

    @property
    def is_deflated(self) -> bool:
        """Whether permessage-deflate was negotiated."""
        return bool(self.sio.eio.ws.compress)

    @property
    def told(self) -> dict[str, Any] | None:
        """What it was granted; None where it asked for nothing."""
        return self.grants[-1] if self.grants else None

    async def join(self, url: str) -> None:
        """Connect, and wait for whatever the server says to newcomers."""
        self._proxy = await self._open.enter_async_context(proxying(url))
        # A client of long-polling gives up on more than 16 packets at once; the lab's bursts are smaller.
        options = {"compress": 15} if self.deflate else {}
        self.sio = socketio.AsyncClient(handle_sigint=False, reconnection=False, websocket_extra_options=options)
        if self.decodes:
            decoder.attach(self.sio)
        self.sio.on("*", self._arrive)
        await self.sio.connect(f"{self._proxy.url}?{self.asks}", transports=[self.transport])
        # An answer to a request comes behind whatever was told before.
        await self.sio.call("hello")

    async def receive(self, count: int) -> None:
        """Wait until so many events have come. Raises: TimeoutError."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.events) < count:  # noqa: ASYNC110 (the library has no event for it)
                await asyncio.sleep(0.005)

    async def leave(self, server: socketio.AsyncServer | None = None) -> None:
        """Hang up at once: python-engineio would leave the poll of one that says goodbye unanswered for 45 s.

        Given the server, it waits until that has noticed.
        """
        if hasattr(self, "sio"):
            sid = self.sio.get_sid()
            await self.sio.eio.disconnect(abort=True)
            await self._open.aclose()
            while server is not None and server.manager.is_connected(sid, "/"):  # noqa: ASYNC110 (there is no event)
                await asyncio.sleep(0.005)

    async def _arrive(self, event: str, data: Any) -> None:
        if event == GRANT_EVENT:
            self.grants.append(data)
        else:
            self.events.append((event, data))
