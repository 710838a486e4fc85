"""The lab: one server in a thread of this process, its clients, and what both measured.

In: an application, settings, a scenario, a number of users. Out: measurements, frames, figures, verdicts.
Never: leaves a port, a thread or a process behind.
Starting twice is stopping first, and the interpreter's end stops all.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Self

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.adapters.tap import tap
from reznet_ws.demo.topologies import ONE_ROOM, Topology
from reznet_ws.lab.clients.fleet import Fleet, Progress
from reznet_ws.lab.clients.mixture import Shares, check_shares
from reznet_ws.lab.load import Load
from reznet_ws.lab.measurement import Measurement
from reznet_ws.lab.meter import Meter, SiteFigures
from reznet_ws.lab.remote import Remote, RemoteFigures
from reznet_ws.lab.running import Running
from reznet_ws.lab.scenario import Scenario
from reznet_ws.lab.site import Site, bare_site, chat_site, own_site
from reznet_ws.lab.trials import Trials
from reznet_ws.lab.visitors import Visitors
from reznet_ws.settings import Settings

_running = Running()
stop_all = _running.stop


class Lab(Load, Visitors, Trials):
    """A running experiment; `name` tells it from others in the same process.

    `app` is any ASGI application, or its name as uvicorn takes it ("module:app"), and `sio` the Socket.IO server in it
    where that is not found. Without them it is the demo's chat, which `rate_per_s`, `mix`, `topology` and `seed` are
    for. `url` is an application that runs elsewhere: its bytes are counted by a proxy, and what it emits cannot be
    checked. The users do what the `scenario` says, in other processes, from `start` on; `formats` are shares of them,
    see `set_users`. `Lab.quiet` serves nothing by itself to nobody, for clients that join one by one. Units:
    `rate_per_s` messages emitted a second, each to those that the topology says. Raises: ValueError for figures out of
    bounds or an application without a server; when started, also TimeoutError when not all users connect, OSError when
    the port is taken.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        app: Any = None,
        sio: Any = None,
        url: str | None = None,
        scenario: Scenario | None = None,
        name: str = "lab",
        users: int = 100,
        rate_per_s: float = 20,
        mix: str = "chat",
        seed: int = 1,
        topology: Topology = ONE_ROOM,
        formats: Shares | None = None,
    ) -> None:
        self.name, self.users, self.formats = name, users, check_shares(formats or {})
        self.rate_per_s, self.mix, self.seed, self.topology = rate_per_s, mix, seed, topology
        # Called after each start and stop, in whichever thread that happens.
        self.watchers: list[Callable[[], None]] = []
        self.listeners, self.members = [], []
        self._settings = settings or Settings()
        self._scenario = scenario or Scenario()
        self._lock = threading.RLock()
        self._elsewhere, self._is_stock = url, False
        # Of the demo; an application of one's own talks by itself.
        self.has_agents = app is None and sio is None and url is None
        self._server: ServerThread | Remote | None = None
        self._fleet: Fleet | None = None
        self._make_site: Callable[[], Site] = lambda: chat_site(self._adjustable)
        if app is not None or sio is not None:
            if url is not None:
                raise ValueError("an application is given by `app` or by `url`, not by both")
            own = own_site(app, sio, settings)
            self._settings = own.manager.settings
            self._make_site = lambda: own

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
        """Start the server, connect the users, let all of them talk; a lab of the same name is stopped first."""
        _running.stop(self.name)
        with self._lock:
            _running.begin(self, self.name)
            self._plays = 0
            try:
                if self._elsewhere is None:
                    self._start_here(progress)
                else:
                    self._start_elsewhere(self._elsewhere, progress)
                self.talk(True)
            except BaseException:
                self.stop()
                raise
        self._tell()
        return self

    def _start_here(self, progress: Progress | None) -> None:
        self.site = self._make_site()
        server = ServerThread(self.site.app, stopping=self._stopping, lifespan=self.site.lifespan)
        self._server = server
        self._fleet = Fleet(server.url, self._scenario)
        if not self._is_stock:
            server.call(lambda: setattr(self.site.manager, "settings", self._adjustable))
            self._meter = Meter(SiteFigures(server, self.site.manager), self._fleet, tap(self.site.sio))
        self.set_users(progress=progress)
        if not self._is_stock:
            self._meter.reset()  # what greets a client is no part of the traffic

    def _start_elsewhere(self, url: str, progress: Progress | None) -> None:
        remote = self._server = Remote(url)
        # Stock clients only: nobody knows here whether formats are spoken there.
        self._fleet = Fleet(remote.url, self._scenario, count_plain_bytes=True)
        self.formats = {"plain": 1.0}
        self._meter = Meter(RemoteFigures(remote), self._fleet, None)
        self.set_users(progress=progress)
        self._meter.reset()

    def stop(self) -> None:
        """Stop the traffic, the clients and the server; doing it twice does nothing."""
        with self._lock:
            if self._server is not None:
                if self._server.is_running and self._fleet is not None:
                    with contextlib.suppress(OSError):  # a process of users may have ended
                        self.talk(False)
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
        """Where clients connect. Raises: RuntimeError while stopped."""
        return self._at_work.url

    @property
    def server(self) -> ServerThread:
        """The thread that serves. Raises: RuntimeError while stopped, or where the application runs elsewhere."""
        if isinstance(self._at_work, Remote):
            raise RuntimeError("the application runs elsewhere: its settings and its server are not within reach")
        return self._at_work

    @property
    def _at_work(self) -> ServerThread | Remote:
        if self._server is None:
            raise RuntimeError(f"the lab {self.name!r} is not running; start it first")
        return self._server

    @property
    def fleet(self) -> Fleet:
        """The users in other processes. Raises: RuntimeError while stopped."""
        assert self._at_work
        assert self._fleet
        return self._fleet

    # Switching while it runs

    @property
    def settings(self) -> Settings:
        """The settings in force; assigning switches the layers for running connections.

        Raises: RuntimeError where the application runs elsewhere.
        """
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        if self.is_running and not self._is_stock:
            self.server.call(lambda: setattr(self.site.manager, "settings", _adjustable(settings)))
        self._settings = settings

    # Measuring

    @property
    def stats(self) -> dict[str, Any]:
        """What the server counted."""
        return self.server.call(self.site.manager.get_stats)

    def reset(self) -> None:
        """Count everything from now on."""
        with self._lock:
            self.meter.reset()

    def measure(self) -> Measurement:
        """What happened since the last reset, and the rates since the last call. Raises: RuntimeError while stopped."""
        with self._lock:
            return self.meter.measure()

    @property
    def meter(self) -> Meter:
        """What joins both ends. Raises: RuntimeError while stopped."""
        assert self._at_work  # or raises
        return self._meter

    @property
    def _adjustable(self) -> Settings:
        return _adjustable(self._settings)

    async def _stopping(self) -> None:
        for member in self.members:
            await member.leave()
        await self.site.close()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()


def _adjustable(settings: Settings) -> Settings:
    """As the lab serves: clients that connect now can be given other windows later."""
    return settings.replace(deflate_adjustable=True)
