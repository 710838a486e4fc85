"""The lab: one server in a thread of this process, its clients, and what both measured.

In: settings, traffic, a number of users. Out: measurements, frames, figures.
Never: leaves a port, a thread or a process behind.
Starting twice is stopping first, and the interpreter's end stops all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Self, TypeVar

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab.clients.fleet import Fleet, Progress
from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.clients.member import Member
from reznet_ws.lab.clients.simulated import REPORT_INTERVAL_S
from reznet_ws.lab.measurement import Measurement
from reznet_ws.lab.meter import Meter
from reznet_ws.lab.running import Running
from reznet_ws.lab.site import Site, bare_site, chat_site
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

Result = TypeVar("Result")

# Twice the clients' reporting interval and a batch's window.
_QUIET_S = 2 * REPORT_INTERVAL_S + 0.1
_TIMEOUT_S = 30

_running = Running()
stop_all = _running.stop


class Lab:
    """A running experiment; `name` tells it from others in the same process.

    As made here it serves the demo's chat to users in other processes, from `start` on. `Lab.quiet` serves nothing by
    itself to nobody, for clients that join one by one. Units: `rate_per_s` messages emitted a second, each to all
    users; `stock_share` from 0 to 1 of the users are stock clients (format 1). Raises, when started: ValueError for
    figures out of bounds, TimeoutError when not all users connect, OSError when the port is taken.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        name: str = "lab",
        users: int = 100,
        rate_per_s: float = 20,
        mix: str = "chat",
        seed: int = 1,
        stock_share: float = 0.0,
    ) -> None:
        self.name, self.users, self.stock_share = name, users, stock_share
        self.rate_per_s, self.mix, self.seed = rate_per_s, mix, seed
        # Called after each start and stop, in whichever thread that happens.
        self.watchers: list[Callable[[], None]] = []
        self.listeners: list[Listener] = []
        self.members: list[Member] = []
        self._settings = settings or Settings()
        self._lock = threading.RLock()
        self._make_site: Callable[[], Site] = lambda: chat_site(self._adjustable)
        self._is_stock = False
        self._server: ServerThread | None = None
        self._fleet: Fleet | None = None

    @classmethod
    def quiet(
        cls,
        settings: Settings | None = None,
        *,
        name: str = "lab",
        stock: bool = False,
        clients: int = 0,
        **options: Any,
    ) -> Self:
        """A lab that has started and where nobody talks: what is emitted carries the same bytes each time.

        `clients` of them listen at once. `stock`: python-socketio under uvicorn as they come, with nothing attached.
        `options` are python-socketio's.
        """
        lab = cls(settings, name=name, users=0, rate_per_s=0)
        lab._is_stock = stock
        lab._make_site = lambda: bare_site(None if stock else lab._adjustable, **options)
        lab.start()
        for _ in range(clients):
            lab.listen()
        return lab

    def start(self, progress: Progress | None = None) -> Self:
        """Start the server, connect the users, let the agents talk; a lab of the same name is stopped first."""
        _running.stop(self.name)
        with self._lock:
            _running.begin(self, self.name)
            self._plays = 0
            self.site = self._make_site()
            self._server = ServerThread(self.site.app, stopping=self._stopping)
            try:
                self._fleet = Fleet(self._server.url, stock_share=self.stock_share)
                self.set_users(self.users, progress)
                if not self._is_stock:
                    self._meter = Meter(self._server, self.site, self._fleet)
                if self.site.simulation is not None:
                    self.set_traffic()
            except BaseException:
                self.stop()
                raise
        self._tell()
        return self

    def stop(self) -> None:
        """Stop the traffic, the clients and the server; doing it twice does nothing."""
        with self._lock:
            if self._server is not None:
                if self._server.is_running and self.site.simulation is not None:
                    self._server.call(self.site.simulation.stop)
                for listener in self.listeners:
                    listener.close()
                if self._fleet is not None:
                    self._fleet.stop()
                self._server.stop()
            self._server = self._fleet = None
            self.listeners, self.members = [], []
            _running.end(self, self.name)
        self._tell()

    def restart(self, progress: Progress | None = None) -> Self:
        """Stop, then start with the same figures."""
        self.stop()
        return self.start(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the server runs."""
        server = self._server  # another thread may stop the lab between two looks
        return server is not None and server.is_running

    @property
    def url(self) -> str:
        """Where the server listens. Raises: RuntimeError while stopped."""
        return self.server.url

    @property
    def server(self) -> ServerThread:
        """The thread that serves. Raises: RuntimeError while stopped."""
        if self._server is None:
            raise RuntimeError(f"the lab {self.name!r} is not running; start it first")
        return self._server

    @property
    def fleet(self) -> Fleet:
        """The users in other processes. Raises: RuntimeError while stopped."""
        assert self.server
        assert self._fleet
        return self._fleet

    # Switching while it runs

    @property
    def settings(self) -> Settings:
        """The settings in force; assigning switches the layers for running connections."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        if self.is_running and not self._is_stock:
            self.server.call(lambda: setattr(self.site.manager, "settings", self._adjustable))

    def set_traffic(self, *, rate_per_s: float | None = None, mix: str | None = None) -> None:
        """Change what the agents do, from the workload's beginning; a rate of 0 silences them."""
        self.rate_per_s = self.rate_per_s if rate_per_s is None else rate_per_s
        self.mix = mix or self.mix
        simulation = self.site.simulation
        assert simulation is not None, "nobody talks in a quiet lab"
        if self.rate_per_s == 0:
            self.server.call(simulation.stop)
        else:
            # Another seed each time: what was played before is still in the deflate windows, and would cost nothing.
            seed, self._plays = self.seed + self._plays, self._plays + 1
            figures: dict[str, Any] = {"seed": seed, "rate_per_s": self.rate_per_s, "mix": self.mix}
            self.server.call(lambda: simulation.start(**figures))

    def set_users(self, users: int, progress: Progress | None = None) -> None:
        """Connect or disconnect users until there are as many."""
        self.users = users
        if (fleet := self._fleet) is not None:
            fleet.resize(users)
            fleet.wait(progress=progress)

    def silence(self) -> None:
        """Stop the traffic and wait until nothing arrives any more."""
        if self.site.simulation is not None:
            self.server.call(self.site.simulation.stop)
        received = -1
        while received != (received := self.fleet.counts.received):
            time.sleep(_QUIET_S)

    # Clients that join one by one

    def listen(self, query: str = "", *, deflate: bool = True) -> Listener:
        """A client on a plain socket joins; `query` is what it asks for."""
        with self._greeting_clear():
            self.listeners.append(Listener(self.url, query=query, deflate=deflate))
        return self.listeners[-1]

    def connect(self, member: Member) -> Member:
        """A python-socketio client joins."""
        self.members.append(member)
        with self._greeting_clear():
            self.run(member.join(self.url))
        return member

    @contextlib.contextmanager
    def _greeting_clear(self) -> Iterator[None]:
        """What greets a client holds random ids: uncompressed, it stays out of the client's deflate window."""
        settings = self._settings
        self.settings = settings.replace(deflate=False)
        yield
        self.settings = settings

    def disconnect(self, member: Member) -> None:
        """A python-socketio client goes, and the server has noticed."""
        self.run(member.leave(self.site.sio))
        self.members = [other for other in self.members if other is not member]

    def emit(self, events: Iterable[Event], to: Sequence[int] | None = None, *, pause_s: float | None = None) -> None:
        """Emit events one right after the other to some listeners by their places, by default to everybody.

        `pause_s`: with a pause after each; 0 gives the loop a turn.
        """
        room = None if to is None else [self.listeners[place].sid for place in to]

        async def emit_all() -> None:
            for event, data in events:
                await self.site.sio.emit(event, data, room=room)
                if pause_s is not None:
                    await asyncio.sleep(pause_s)

        self.run(emit_all())

    def play(self, script: Iterable[tuple[Event, Sequence[int] | None]]) -> list[list[bytes]]:
        """Emit each event to those named beside it; the frames that each listener got. Raises: TimeoutError."""
        due = [0 for _ in self.listeners]
        for event, to in script:
            for place in range(len(due)) if to is None else to:
                due[place] += 1
            self.emit([event], to)
        return [listener.read(count) for listener, count in zip(self.listeners, due, strict=True)]

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Await something in the server's loop: a notebook's own runs already."""
        return self.server.submit(coroutine).result(_TIMEOUT_S)

    # Measuring

    @property
    def stats(self) -> dict[str, Any]:
        """What the server counted."""
        return self.server.call(self.site.manager.get_stats)

    def reset(self) -> None:
        """Count everything from now on."""
        with self._lock:
            self._running_meter.reset()

    def measure(self) -> Measurement:
        """What happened since the last reset, and the rates since the last call. Raises: RuntimeError while stopped."""
        with self._lock:
            return self._running_meter.measure()

    @property
    def _running_meter(self) -> Meter:
        assert self.server is not None  # or raises
        return self._meter

    @property
    def _adjustable(self) -> Settings:
        return self._settings.replace(deflate_adjustable=True)

    async def _stopping(self) -> None:
        for member in self.members:
            await member.leave()
        await self.site.close()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()
