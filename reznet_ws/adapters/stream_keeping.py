"""What several servers keep together for clients that are away, in a Redis server.

In: who comes, goes, enters and leaves rooms here; the stream's messages. Out: visits that go on at any server.
Never: trusts that the server that had a client lives: each visit is written before its client is told of it, and again
whenever its rooms or its session change.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import socketio

from reznet_ws.adapters.keeping import Keeper
from reznet_ws.adapters.visit_store import VisitStore
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.recovery import visit_text
from reznet_ws.recovery.policy import Recovery
from reznet_ws.recovery.visit import Visit

logger = logging.getLogger("reznet_ws")

# The number of the message in the stream that is handled by what runs.
stream_number: contextvars.ContextVar[int | None] = contextvars.ContextVar("stream_number", default=None)

# What reading what the others have read may take, before a client that comes back begins anew.
_CATCH_UP_S = 5.0
# Times within `Recovery.seconds` that a server says of its clients that they are there.
_SIGNS = 4
# Who was taken out of a room or sent away: beyond so many, who was away before them begins anew.
_MAX_NOTES = 50_000


class StreamKeeper(Keeper):
    """What is kept where the manager's URL names a Redis server."""

    def __init__(self, policy: Recovery, sio: socketio.AsyncServer, road: Broadcast) -> None:
        super().__init__(policy, sio, road)
        # The stream gives the numbers.
        self.number = 0
        self.ring.restart(0)
        self.store = VisitStore(sio.manager, policy.seconds)
        # Up to there events are of the time before this server: kept, and sent to nobody.
        self.behind_until: int | None = None
        # Told of each message that was handled.
        self.moved = asyncio.Event()
        self._notes: deque[tuple[int, dict[str, Any]]] = deque()
        self._notes_dropped = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    # What is emitted

    def keeps(self, event: Any) -> bool:
        """Only what has its place in the stream can be found again at another server."""
        return stream_number.get() is not None and super().keeps(event)

    def next_offset(self) -> str:
        """The stream has given its number."""
        return self.last_offset()

    def note(self, data: dict[str, Any]) -> None:
        """A message that is no event: who was taken out of a room, or sent away."""
        if data.get("method") in ("leave_room", "close_room", "disconnect"):
            self._notes.append((self.number, data))
            while self._notes[0][0] <= self.ring.dropped_number or len(self._notes) > _MAX_NOTES:
                self._notes_dropped = self._notes.popleft()[0]
                if not self._notes:
                    break

    def restart(self, number: int) -> None:
        """The stream begins anew, and nobody can come back to what was before."""
        self.number = number
        self.ring.restart(number)
        self._notes.clear()
        self._notes_dropped = number  # a higher one of before would count against all who go from now on
        for visit in self.visits.all():
            visit.restart(number)

    # Who comes

    async def _claim(self, pid: str, namespace: str) -> Visit | None:
        await self._end_old(pid)
        try:
            if not await self._catch_up():
                return None
            claimed = await self.store.claim(pid)
        except Exception as error:
            logger.error("A client begins anew, since Redis does not answer: %r", error)
            return None
        found = None if claimed is None else visit_text.read(claimed.text)
        if claimed is None or found is None:
            return None
        visit, number = found
        self.visits.forget(self.visits.find(pid))
        visit.began = max(visit.began, claimed.had_by_all)
        if visit.pid != pid or visit.namespace != namespace or number < self._notes_dropped:
            return None
        for at, note in self._notes:
            if at > number and (note.get("namespace") or "/") == namespace and not _heed(visit, at, note):
                return None
        if not claimed.was_ours:
            self._start(self.store.tell_moved(pid))
        return visit

    async def _catch_up(self) -> bool:
        """Read what there is, so that an offset means the same here; whether that went well."""
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                tail = await self.store.tail()
                while self.behind_until is None or self.number < max(tail, self.behind_until):
                    self.moved.clear()
                    await self.moved.wait()
        except TimeoutError:
            return False
        except Exception as error:
            logger.error("A server does not know what the others have sent, since Redis does not answer: %r", error)
            return False
        return True

    async def ready(self) -> None:
        """Wait until what was before this server has been read: a client would else be sent it."""
        if self.behind_until is None or self.number < self.behind_until:
            await self._catch_up()

    async def persist(self, visit: Visit | None) -> None:
        """Let the other servers know of a visit as it is now."""
        if visit is None or not visit.is_told:
            return
        session = visit.session
        if visit.eio_sid is not None and visit.eio_sid in self.sio.eio.sockets:
            session = self.sio.eio.sockets[visit.eio_sid].session.get(visit.namespace)
        try:
            is_ours = await self.store.save(
                visit.pid, visit_text.write(visit, self.number, session), visit.away_s is None
            )
        except Exception as error:
            logger.error("A visit is not kept, since Redis does not answer: %r", error)
            return
        if not is_ours:
            self.visits.forget(visit)

    # Who goes

    async def has_left(self, left: Iterable[Visit]) -> None:
        """The disconnect handlers of a connection are through: from here on any server may have its clients."""
        left = list(left)
        for visit in left:
            await self.persist(visit)
            self.visits.forget(visit)
        await super().has_left(left)

    def ended(self, namespace: str, sid: str) -> None:
        """A session is over."""
        visit = self.visits.get(namespace, sid)
        super().ended(namespace, sid)
        if visit is not None and visit.is_told and self.visits.find(visit.pid) is None:
            self._start(self.store.forget(visit.pid))

    async def lose(self, pid: str) -> None:
        """A client has come back at another server."""
        visit = self.visits.find(pid)
        if visit is None:
            return
        self.visits.forget(visit)
        if visit.eio_sid in self.sio.eio.sockets:
            old = self.sio.eio.sockets[visit.eio_sid]
            await old.close(wait=False, abort=True, reason=self.sio.reason.TRANSPORT_CLOSE)

    async def give_signs(self) -> None:
        """Say of the clients that are here that they are, as long as this server lives."""
        while True:
            await asyncio.sleep(self.policy.seconds / _SIGNS)
            try:
                here = [visit.pid for visit in self.visits.all() if visit.is_told and visit.away_s is None]
                await self.store.give_sign(here, self.had_by_all())
            except Exception as error:
                logger.error("Redis does not answer: %r", error)

    def _start(self, call: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _heed(visit: Visit, number: int, note: dict[str, Any]) -> bool:
    """What happened to a client while it was away; whether it may still come back."""
    method, room = note["method"], note.get("room")
    if method == "close_room" or (method == "leave_room" and note.get("sid") == visit.sid):
        if isinstance(room, (str, int)) and room != visit.sid:
            visit.leave(room, number)
        return True
    return not (method == "disconnect" and note.get("sid") == visit.sid)
