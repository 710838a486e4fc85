"""Clients that join a lab one by one, and what is emitted to them.

In: a running lab. Out: listeners on plain sockets, members with python-socketio, and the frames that they got.
Never: starts or stops the lab.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.clients.member import Member
from reznet_ws.lab.site import Site
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

Result = TypeVar("Result")

_TIMEOUT_S = 30


class Visitors:
    """The part of a lab that lets clients in one by one."""

    site: Site
    settings: Settings
    listeners: list[Listener]
    members: list[Member]

    if TYPE_CHECKING:

        @property
        def server(self) -> ServerThread: ...

    def listen(self, query: str = "", *, deflate: bool = True) -> Listener:
        """A client on a plain socket joins; `query` is what it asks for."""
        with self._greeting_clear():
            self.listeners.append(Listener(self.server.url, query=query, deflate=deflate))
        return self.listeners[-1]

    def connect(self, member: Member) -> Member:
        """A python-socketio client joins."""
        self.members.append(member)
        with self._greeting_clear():
            self.run(member.join(self.server.url))
        return member

    @contextlib.contextmanager
    def _greeting_clear(self) -> Iterator[None]:
        """What greets a client holds random ids: uncompressed, it stays out of the client's deflate window."""
        settings = self.settings
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
