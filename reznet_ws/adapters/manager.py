"""The layers around one Socket.IO server, as an application sees them.

In: the application's own server and `Settings`. Out: what it may say and ask: settings, events, figures.
Never: changes what a client that asked for nothing gets.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import socketio
from socketio.async_pubsub_manager import AsyncPubSubManager

from reznet_ws.adapters.adopting import adopt, put_below, write_packet
from reznet_ws.adapters.checking import CheckingServer
from reznet_ws.adapters.compat import missing
from reznet_ws.adapters.keeping import Keeper
from reznet_ws.adapters.pubsub import SpreadingManager
from reznet_ws.adapters.recovering import RecoveringManager, RecoveringServer
from reznet_ws.adapters.socketio import OptimizedServer
from reznet_ws.adapters.stream_keeping import StreamKeeper
from reznet_ws.adapters.streams import StreamManager
from reznet_ws.adapters.telling import Told, telling, user_room
from reznet_ws.ledger import Ledger
from reznet_ws.message.rows_state import MAX_SHAPES, Seed
from reznet_ws.message.schemas import Schemas
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.encoder import check_arguments
from reznet_ws.recovery.policy import Recovery
from reznet_ws.settings import Settings
from reznet_ws.stats import Report, WindowFigures, report

logger = logging.getLogger("reznet_ws")


class ConnectionManager:
    """The layers around one Socket.IO server.

    `recovery`: for clients that come back after a break. `schemas`: see `Schemas`; an event with a field that is never
    compressed is added to `never_compress`. Raises: TypeError for what is no `AsyncServer` under ASGI, or cannot have
    recovery, ValueError for one that has a manager already, SchemaError.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        settings: Settings | None = None,
        recovery: Recovery | None = None,
        schemas: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(sio, socketio.AsyncServer):
            raise TypeError(f"{type(sio).__name__} is not a socketio.AsyncServer")
        if sio.async_mode != "asgi":
            raise TypeError(f"async_mode {sio.async_mode!r}: only 'asgi' is supported")
        if isinstance(sio, OptimizedServer) and getattr(sio, "reznet", None) is not None:
            raise ValueError("this server has a ConnectionManager already")
        libraries = ["python-socketio", "python-engineio", *(["python-socketio, for recovery"] if recovery else [])]
        lacking = [name for library in libraries for name in missing(library)]
        if lacking:
            raise TypeError(f"this python-socketio lacks {', '.join(lacking)}")
        self.sio = sio
        self._begins: list[Callable[[], object]] = []
        # None where the application gave none.
        self.schemas = None if schemas is None else Schemas(schemas)
        self.road = Broadcast(self._secured(settings or Settings()), write_packet(sio))
        sio.reznet = self
        spreads = isinstance(sio.manager, AsyncPubSubManager)
        above: type | None = SpreadingManager if spreads else None
        # What is kept for clients that are away, if anything is.
        self.recovery: Keeper | None = None
        # Whether the application sends by a way of its own, which each message then takes.
        if recovery is None:
            self.is_watched = adopt(sio, self.road, above=above)
        else:
            if isinstance(sio.manager, socketio.AsyncRedisManager):
                if sio.manager_initialized:
                    raise ValueError("recovery by Redis has to be asked for before the first client comes")
                self.recovery, above = StreamKeeper(recovery, sio, self.road), StreamManager
            else:
                self.recovery = Keeper(recovery, sio, self.road)
            self.is_watched = adopt(sio, self.road, RecoveringServer, RecoveringManager, above)
            if self.is_watched:
                raise TypeError("recovery: the application sends by a way of its own, past what is kept")
        if self.schemas is not None:
            put_below(sio, CheckingServer, OptimizedServer)
            self.road.rows.seed = Seed(self.schemas.example_packets()[:MAX_SHAPES])
        way = "by its own way of sending, each message by itself" if self.is_watched else "by one road"
        logger.info("%s sends %s; %d connections were open", type(sio).__name__, way, len(sio.eio.sockets))

    def when_started(self, begin: Callable[[], object]) -> None:
        """Call something in the server's event loop, once its first client has come."""
        if self.sio.manager_initialized:
            begin()
        else:
            self._begins.append(begin)

    def started(self) -> None:
        """The first client has come."""
        begins, self._begins = self._begins, []
        for begin in begins:
            begin()

    @property
    def settings(self) -> Settings:
        """The settings in force. Assign a new record from the server's event loop to switch layers while it runs."""
        return self.road.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.road.settings = self._secured(settings)

    def _secured(self, settings: Settings) -> Settings:
        """The same, with the events whose schemas say so."""
        secret = frozenset() if self.schemas is None else self.schemas.secret_events
        if secret <= settings.never_compress:
            return settings
        return settings.replace(never_compress=settings.never_compress | secret)

    def check(self, event: Any, data: Any) -> None:
        """Let what fits its schema pass. Raises: PayloadError with the event and the path."""
        if self.schemas is not None and self.settings.schemas:
            self.schemas.check(event, data)

    @property
    def rows_seed(self) -> dict[str, Any]:
        """What a client of format 3 may be given beforehand, so that first messages are short too: a name, and packets.

        Raises: ValueError where there are no schemas.
        """
        seed = self.road.rows.seed
        if seed is None:
            raise ValueError("rows have a seed where the server was attached with schemas")
        return {"name": seed.name, "packets": list(seed.packets)}

    @property
    def ledger(self) -> Ledger:
        """The bytes by event name."""
        return self.road.ledger

    @property
    def active_connections(self) -> int:
        """Open connections; engineio keeps those that are over until it next looks after its clients."""
        return sum(not socket.closed for socket in self.sio.eio.sockets.values())

    async def broadcast(
        self,
        event: str,
        data: Any,
        optimize: bool = True,
        batch: bool | None = None,
        room: str | None = None,
        *,
        skip_sid: str | list[str] | None = None,
        namespace: str = "/",
        latest: str | tuple[str, ...] | None = None,
    ) -> None:
        """Send an event to a room, or to everybody.

        `optimize=False` sends it as it is also to clients of format 2; `batch` says whether it may wait for others;
        `latest` that it makes older ones pointless whose data has the same in these fields, as `Latest.key`. None
        leaves that to the settings, also at other servers behind a PubSubManager.
        Raises: PayloadError for data that JSON cannot carry, and then nothing was sent.
        """
        check_arguments(event, list(data) if isinstance(data, tuple) else [data])
        self.check(event, data)
        with telling(Told(optimize, batch, latest=latest)):
            await self.sio.manager.emit(event, data, namespace, room=room, skip_sid=skip_sid)

    async def send_to_user(self, user: str, event: str, data: Any, optimize: bool = True, namespace: str = "/") -> None:
        """Send an event to every connection of a user, named with `identify`, or to one `sid`, at once.

        Raises: as `broadcast`.
        """
        check_arguments(event, list(data) if isinstance(data, tuple) else [data])
        self.check(event, data)
        manager = self.sio.manager
        room = user if user in manager.rooms.get(namespace, {}).get(None, {}) else user_room(user)
        with telling(Told(optimize, False, user)):
            await manager.emit(event, data, namespace, room=room)

    async def send_snapshot(
        self,
        event: str,
        key: str,
        data: Any,
        *,
        room: str | None = None,
        skip_sid: str | list[str] | None = None,
        namespace: str = "/",
    ) -> None:
        """Send an event that a client may keep, as a profile or a page of history: who holds it is only told so.

        `key` names what it is a version of, beside the event; `room` may be a `sid`. Who keeps nothing is sent it
        whole. Raises: as `broadcast`, TypeError for several arguments.
        """
        if isinstance(data, tuple) or not isinstance(key, str):
            raise TypeError("a snapshot has a text for a key, and data that is one argument")
        check_arguments(event, [data])
        self.check(event, data)
        with telling(Told(snapshot_key=key)):
            await self.sio.manager.emit(event, data, namespace, room=room, skip_sid=skip_sid)

    async def identify(self, sid: str, user: str, namespace: str = "/") -> None:
        """Say which user a connection belongs to, so that `send_to_user` reaches it."""
        await self.sio.enter_room(sid, user_room(user), namespace=namespace)

    def is_recovered(self, sid: str, namespace: str = "/") -> bool:
        """Whether a client has come back to its session; the connect handler may ask, and finds its rooms restored."""
        return self.recovery is not None and self.recovery.is_recovered(namespace, sid)

    def report(self) -> Report:
        """All figures, as one record."""
        connections = self.road.connections.values()
        slow = dataclasses.replace(self.road.slow_readers)
        slow.queued_bytes = sum(connection.queued_bytes for connection in connections)
        slow.held_bytes = self.road.budget.held_bytes
        figures = self.road.histories.figures()
        return report(
            self.road.counts,
            self.road.ledger,
            active_connections=self.active_connections,
            uncounted_connections=sum(
                not (connection.is_counted or socket.closed)
                for sid, socket in self.sio.eio.sockets.items()
                if (connection := self.road.connections.get(sid)) is not None
            ),
            conflated_messages=self.road.conflated.messages,
            slow_readers=slow,
            limits=dataclasses.replace(self.sio.eio.limits.counts),
            recovery=None if self.recovery is None else self.recovery.report(),
            windows=WindowFigures(
                connections=figures.connections,
                histories=figures.histories,
                in_step=figures.largest_share,
                text_bytes=figures.text_bytes,
                messages=figures.messages,
                compressions=figures.compressions,
                kept_compressors=figures.kept_compressors,
                kept_bytes=figures.kept_bytes,
            ),
        )

    def get_stats(self) -> dict[str, Any]:
        """What `GET /api/websocket/stats` answers: the fields of `Report`, as plain data."""
        return dataclasses.asdict(self.report())

    def reset_stats(self) -> None:
        """Start all counts again from nothing."""
        self.road.counts.reset()
        self.road.ledger.reset()
        self.road.conflated.messages = 0

    def close(self) -> None:
        """Send what is held back and end the timers; to be called before the server shuts down."""
        self.road.close()


def attach(
    sio: socketio.AsyncServer,
    settings: Settings | None = None,
    *,
    recovery: Recovery | None = None,
    schemas: Mapping[str, Any] | None = None,
) -> ConnectionManager:
    """Give an application's own server all layers; its `sio.emit` stays as it is.

    `recovery`: for clients that come back after a break; `schemas`: event -> JSON Schema, or a type that msgspec or
    pydantic knows, which `emit` then holds data to; both off unless given. A server that has a manager keeps it, with
    new settings where some are given. Raises: as `ConnectionManager`; ValueError for recovery or schemas that come too
    late.
    """
    manager = getattr(sio, "reznet", None)
    if isinstance(manager, ConnectionManager):
        if settings is not None:
            manager.settings = settings
        if recovery is not None and manager.recovery is None:
            raise ValueError("recovery has to be asked for where the server is attached first")
        if schemas is not None:
            raise ValueError("schemas have to be given where the server is attached first")
        return manager
    return ConnectionManager(sio, settings, recovery, schemas)


class AsyncServer(OptimizedServer):
    """python-socketio's server with all layers in it, as `attach` puts them into one that exists."""

    def __init__(
        self,
        *args: Any,
        settings: Settings | None = None,
        recovery: Recovery | None = None,
        schemas: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """`settings`, `recovery`, `schemas`: as at `attach`; all other arguments are python-socketio's own."""
        super().__init__(*args, **options)
        attach(self, settings, recovery=recovery, schemas=schemas)
