"""An application that runs elsewhere: a proxy before it counts its bytes.

In: its address. Out: an address that clients use in its place, and figures as a server of ours would give them.
Never: sees what the application emits, so nobody can say what it should have sent.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import threading
from typing import Any
from urllib.parse import urlsplit

from reznet_ws.lab.clients.proxy import Proxy, proxying
from reznet_ws.lab.clients.seen import Counts
from reznet_ws.ledger import EventTotals

TIMEOUT_S = 15
ALL_EVENTS = "(all events)"


class Remote:
    """The proxy, in a thread of its own. Raises: ValueError for what is no address, OSError where nothing answers."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        if target.scheme != "http" or not target.hostname:
            raise ValueError(f"{url!r} is not the address of a server, such as http://127.0.0.1:8000")
        self._target = f"http://{target.hostname}:{target.port or 80}"
        self._ready: concurrent.futures.Future[Proxy] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="reznet-proxy", daemon=True)
        self._thread.start()
        self._proxy = self._ready.result(TIMEOUT_S)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._proxy.url

    @property
    def from_server(self) -> int:
        """Every byte that the application has sent to them."""
        return self._proxy.from_server

    @property
    def is_running(self) -> bool:
        """Whether the proxy runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close all connections; doing it twice does nothing."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop may have closed by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            target = urlsplit(self._target)
            _, writer = await asyncio.open_connection(target.hostname, target.port)
            writer.close()
            async with proxying(self._target) as proxy:
                self._ready.set_result(proxy)
                await self._stopping.wait()
        except OSError as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)


class RemoteFigures:
    """What the proxy and the users counted, in the words of `get_stats`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._base_bytes, self._base = remote.from_server, Counts()

    def reset(self, counts: Counts) -> None:
        """Count from now on."""
        self._base_bytes, self._base = self._remote.from_server, counts

    def read(self, counts: Counts) -> tuple[dict[str, Any], float]:
        """Figures, and no seconds of CPU, which are spent elsewhere."""
        wire_bytes = self._remote.from_server - self._base_bytes
        plain_bytes = counts.plain_bytes - self._base.plain_bytes
        received = counts.received - self._base.received
        row = EventTotals(deliveries=received, frames=received, wire_bytes=wire_bytes, off_wire_bytes=plain_bytes)
        wire = {"sent_bytes": wire_bytes, "event_bytes": wire_bytes, "off_event_bytes": plain_bytes}
        return {"wire": wire, "events": {ALL_EVENTS: dataclasses.asdict(row)} if received else {}}, 0.0
