"""An ASGI application under uvicorn, in a thread of its own where a notebook needs that.

In: an application. Out: a running server with an address, which stops when told to.
Never: takes over signals or the caller's event loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    import uvicorn

Result = TypeVar("Result")

START_TIMEOUT_S = 15
STOP_TIMEOUT_S = 15
# What requests under way may take when the server stops.
GRACE_S = 5


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that port 0 has a number before the server runs.

    Raises: OSError naming the address, ValueError for what is no port.
    """
    if not 0 <= port <= 65_535:
        raise ValueError(f"port {port} is not within 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror).partition(" (while attempting")[0]  # Python repeats the address there
        raise OSError(f"cannot listen on {host}:{port}: {reason}") from error


class ServerThread:
    """One server in a thread with an event loop of its own, so that a busy caller cannot stall it.

    `stopping` is awaited in the server's loop before its connections are closed; `lifespan` as uvicorn has it.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        stopping: Callable[[], Awaitable[None]] | None = None,
        lifespan: Literal["auto", "off"] = "off",
    ) -> None:
        self._socket = listen(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._stopping = stopping
        import uvicorn  # a lab can be read about where nothing can be served

        self._server = uvicorn.Server(_quiet_config(app, lifespan))
        self._ready: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name=f"reznet-server-{self.port}", daemon=True)
        self._thread.start()
        self._loop = self._ready.result(START_TIMEOUT_S)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Run a coroutine in the server's loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[[], Result], timeout_s: float = 5) -> Result:
        """Run a function in the server's loop and wait for what it gives. Raises: what it raises, TimeoutError."""

        async def run() -> Result:
            return function()

        return self.submit(run()).result(timeout_s)

    def stop(self) -> None:
        """Close the connections, stop listening and end the thread; doing it twice does nothing.

        Raises: TimeoutError where the application holds the thread.
        """
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop may have closed by itself
                self._loop.call_soon_threadsafe(self._begin_stop)
            self._thread.join(STOP_TIMEOUT_S)
            if self._thread.is_alive():
                raise TimeoutError(f"the server on port {self.port} has not stopped in {STOP_TIMEOUT_S} s")

    def _begin_stop(self) -> None:
        self._stop_requested.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop_requested = asyncio.Event()
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        try:
            while not self._server.started and not serving.done():  # noqa: ASYNC110 (uvicorn has a flag, not an event)
                await asyncio.sleep(0.001)
            if serving.done():
                await serving
                raise RuntimeError("the application did not start; the log of uvicorn says why")
            self._ready.set_result(asyncio.get_running_loop())
            await self._stop_requested.wait()
            if self._stopping is not None:
                await self._stopping()
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise
        finally:
            self._server.should_exit = True
            await serving


def _quiet_config(app: Any, lifespan: Literal["auto", "off"]) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(app, log_config=None, access_log=False, lifespan=lifespan, timeout_graceful_shutdown=GRACE_S)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
