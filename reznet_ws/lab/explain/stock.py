"""A stock server: python-socketio under uvicorn as they come.

In: options of python-socketio, events. Out: what clients asked for when they connected.
Never: differs from a stock server, but for one thing: its session ids count up, so that a connection carries the same
bytes each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import socketio
import uvicorn

from reznet_ws.adapters.serving import GRACE_S, ServerThread
from reznet_ws.lab.explain.journey import Event
from reznet_ws.lab.running import Running

Result = TypeVar("Result")

TIMEOUT_S = 20

_running = Running()
# A notebook's last word, whether it started a server or not.
stop = _running.stop


class _StockThread(ServerThread):
    """A server thread with uvicorn's own protocols in place of ours."""

    def _run(self) -> None:
        app = self._server.config.app
        quiet: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
        self._server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=GRACE_S, **quiet))
        super()._run()


class StockServer:
    """python-socketio as it comes, under uvicorn. One by each name at a time: another stops the one before.

    `options` are python-socketio's own. `offers` holds what each client offered in `Sec-WebSocket-Extensions`.
    """

    def __init__(self, name: str = "stock", **options: Any) -> None:
        _running.stop(name)
        self.name = name
        self.sio = socketio.AsyncServer(async_mode="asgi", **options)
        self.offers: list[str] = []
        numbers = itertools.count()
        self.sio.eio.generate_id = lambda: f"{next(numbers):020}"
        self.sio.on("connect", self._connect)
        self._server = _StockThread(socketio.ASGIApp(self.sio), stopping=self.sio.shutdown)
        _running.begin(self, name)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def is_running(self) -> bool:
        """Whether its thread lives."""
        return self._server.is_running

    def emit(self, events: Iterable[Event]) -> None:
        """Emit events to everybody, one right after the other."""

        async def emit_all() -> None:
            for event, data in events:
                await self.sio.emit(event, data)

        self.run(emit_all())

    def stop(self) -> None:
        """Stop the server; doing it twice does nothing."""
        self._server.stop()
        _running.end(self, self.name)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Await something in the server's loop: a notebook's own runs already."""
        return self._server.submit(coroutine).result(TIMEOUT_S)

    async def _connect(self, _sid: str, environ: dict[str, Any]) -> None:
        self.offers.append(environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))
