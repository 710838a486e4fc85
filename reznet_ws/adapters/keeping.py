"""What one server keeps for clients that are away, and how a client comes back to it.

In: who comes, goes, enters and leaves rooms; what was emitted. Out: offsets, visits that go on, events sent again.
Never: decides who may come in; that is the application's connect handler, each time anew.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import sys
import time
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import socketio

from reznet_ws.adapters.joining import Joining
from reznet_ws.adapters.kept_event import KeptEvent
from reznet_ws.adapters.socketio import as_rooms, as_skipped
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Audience
from reznet_ws.outgoing.encoder import Outgoing
from reznet_ws.recovery import offsets
from reznet_ws.recovery.figures import RecoveryFigures
from reznet_ws.recovery.policy import Recovery
from reznet_ws.recovery.ring import ENTRY_BYTES, Entry, Ring
from reznet_ws.recovery.visit import Visit
from reznet_ws.recovery.visits import Visits, new_pid, resume_after

# What the disconnect handler of a connection that broke may take, before its client comes back as a new one.
_LEAVING_S = 5.0


class Keeper:
    """What is kept in this process; `recovery=` at `attach` makes one."""

    def __init__(self, policy: Recovery, sio: socketio.AsyncServer, road: Broadcast) -> None:
        self.policy, self.sio, self.road = policy, sio, road
        self.figures = RecoveryFigures()
        self.visits = Visits(policy)
        # Whether what is emitted is of the time before this server.
        self.is_behind = False
        self.number = offsets.FIRST + secrets.randbelow(offsets.LAST_FIRST - offsets.FIRST)
        self.ring: Ring[KeptEvent] = Ring(max_bytes=policy.max_bytes, max_s=policy.seconds, number=self.number)
        # Namespace -> Engine.IO sessions of those who come back and have yet to be sent what they missed.
        self._held: dict[str, dict[str, Joining]] = {}
        # Engine.IO session -> the visits on it, and pid -> told when its disconnect handler is through.
        self._here: dict[str, list[Visit]] = {}
        self._leaving: dict[str, asyncio.Event] = {}
        # When it was asked what all have had, and what that was.
        self._had_by_all = 0.0, 0

    # What is emitted

    def keeps(self, event: Any) -> bool:
        """Whether an event that is about to be emitted is kept."""
        return self.policy.keeps(event)

    def next_offset(self) -> str:
        """The offset of the event that is about to be kept."""
        self.number += 1
        return self.last_offset()

    def last_offset(self) -> str:
        """The offset of the last event that had one."""
        return offsets.write(self.number)

    def offset_behind(self, event: Any, args: Sequence[Any]) -> str | None:
        """What goes behind an event that is not kept: the last offset, where a client would take its end for one."""
        return self.last_offset() if isinstance(args[-1] if args else event, str) else None

    def without_held(self, namespace: str, members: list[str], key: Hashable) -> tuple[list[str], Hashable]:
        """The sessions that an event goes to now; who is to be sent older ones first gets it with those."""
        held = self._held.get(namespace)
        if not held:
            return members, key
        return [eio_sid for eio_sid in members if eio_sid not in held], None

    def keep(self, outgoing: Outgoing, room: Any, skip_sid: Any, user: str | None) -> None:
        """Keep the event that has the last number."""
        plain = outgoing.plain
        kept = KeptEvent(outgoing.event, outgoing.namespace, plain.parts, plain.shares, plain.is_secret)
        size_bytes = sum(map(sys.getsizeof, kept.parts)) + ENTRY_BYTES
        now_s, rooms, skipped = time.monotonic(), as_rooms(room), as_skipped(skip_sid)
        entry = Entry(self.number, now_s, kept.namespace, rooms, skipped, kept, size_bytes, user)
        self.ring.append(entry)
        for joining in list(self._held.get(kept.namespace, {}).values()):
            self._let_wait(joining, entry)

    def _let_wait(self, joining: Joining, entry: Entry[KeptEvent]) -> None:
        """Keep an event for who is being let in; a handler that hangs must not fill the memory."""
        joining.waiting_bytes += entry.size_bytes
        connection = self.road.connections.get(joining.eio_sid)
        if joining.waiting_bytes <= self.policy.max_bytes or connection is None:
            joining.entries.append(entry)
        else:
            self._release(joining)
            self.road.close_line(connection)
            connection.session.close_slow()

    # Who comes

    async def begin(self, eio_sid: str, namespace: str, pid: str | None, offset: str | None) -> Joining:
        """A client asks to be let in; with a pid, to what it had."""
        joining = Joining(eio_sid, namespace, offset)
        await self.ready()
        if pid is None or self.sio.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            return joining
        visit = await self._claim(pid, namespace)
        self.ring.expire(time.monotonic())
        after = None if visit is None else resume_after(visit, offset, self.ring, self.number)
        if visit is None or after is None:
            self.figures.missed += 1
            return joining
        joining.visit, joining.after = visit, after
        joining.entries = list(self.ring.after(after))
        self._held.setdefault(namespace, {})[eio_sid] = joining
        session = self.sio.eio.sockets.get(eio_sid)
        if session is not None and visit.session is not None:
            session.session[namespace] = visit.session
        return joining

    async def _claim(self, pid: str, namespace: str) -> Visit | None:
        """The visit that a secret belongs to, to which nobody else comes back from now on; None where there is none."""
        await self._end_old(pid)
        self.visits.expire(time.monotonic())
        visit = self.visits.find(pid)
        if visit is None or visit.namespace != namespace or visit.away_s is None or pid in self._leaving:
            return None
        self.visits.forget(visit)
        return visit

    async def _end_old(self, pid: str) -> None:
        """Let the connection that a client had before be over, and its disconnect handler through."""
        visit = self.visits.find(pid)
        if visit is not None and visit.away_s is None and visit.eio_sid in self.sio.eio.sockets:
            # Its client knows that the connection is dead, and we do not yet.
            old = self.sio.eio.sockets[visit.eio_sid]
            await old.close(wait=False, abort=True, reason=self.sio.reason.TRANSPORT_CLOSE)
        leaving = self._leaving.get(pid)
        if leaving is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(leaving.wait(), _LEAVING_S)

    def let_in(self, joining: Joining, sid: str) -> Iterable[Hashable]:
        """The client has its session; gives the rooms that it comes back to."""
        visit = joining.visit
        if visit is None:
            visit = joining.visit = Visit(new_pid(), sid, joining.namespace, self.number, joining.stale)
            visit.enter(sid, self.number)
        visit.away_s = visit.session = None
        visit.eio_sid, visit.is_told = joining.eio_sid, False
        visit.is_recovered = joining.after is not None
        self.visits.add(visit)
        return [room for room in visit.rooms if room is not None and room != sid]

    async def tell(self, visit: Visit) -> None:
        """The client is about to be told of its pid; from here on it is one of everybody."""
        visit.is_told = True
        visit.enter(None, self.number)
        await self.persist(visit)

    def settle(self, joining: Joining) -> None:
        """The client was let in and told so: send what it has missed; from here on it gets what is new."""
        visit, connection = joining.visit, self.road.connections.get(joining.eio_sid)
        if visit is None or connection is None or connection.is_over:
            return
        self._release(joining)
        joining.is_settled = True
        self._here.setdefault(joining.eio_sid, []).append(visit)
        visit.forget_before(self.ring.dropped_number)
        if joining.after is None:
            return
        self.figures.recovered += 1
        audience = self.road.connections.audience([joining.eio_sid], joining.namespace)
        for entry in joining.entries:
            if visit.is_due(entry):
                self.figures.repeated_events += 1
                if audience.short:
                    self._emit_again(entry, audience)
                else:
                    self.road.repeat(entry.kept.outgoing(), audience, batch=False)

    def end(self, joining: Joining) -> None:
        """The connect handler is through; where the client was not let in, it may come back only if it broke off."""
        self._release(joining)
        visit = joining.visit
        if visit is None or joining.is_settled or self.visits.find(visit.pid) is not visit:
            return
        connection = self.road.connections.get(joining.eio_sid)
        if joining.after is not None and (connection is None or connection.is_over):
            self.visits.leave(visit, time.monotonic())
        elif not self.sio.manager.is_connected(visit.sid, visit.namespace):
            self.visits.forget(visit)

    def report(self) -> RecoveryFigures:
        """The figures at this moment."""
        figures, ring = self.figures, self.ring
        return dataclasses.replace(
            figures, kept_events=len(ring), kept_bytes=ring.bytes, away_connections=self.visits.away
        )

    def is_recovered(self, namespace: str, sid: str) -> bool:
        """Whether a client has come back to what it had."""
        visit = self.visits.get(namespace, sid)
        return visit is not None and visit.is_recovered

    def _release(self, joining: Joining) -> None:
        held = self._held.get(joining.namespace, {})
        if held.pop(joining.eio_sid, None) is not None and not held:
            del self._held[joining.namespace]

    def _emit_again(self, entry: Entry[KeptEvent], audience: Audience) -> None:
        """Encode for a client of format 2, from what was written for all."""
        text, *attachments = entry.kept.parts
        packet = self.sio.packet_class(encoded_packet=text)
        for attachment in attachments:
            packet.add_attachment(attachment)
        event, *args, offset = packet.data
        self.road.emit(event, args, entry.namespace, audience, batch=False, is_counted=False, offset=offset)

    # Who goes

    def leave(self, eio_sid: str) -> list[Visit]:
        """A connection broke; its clients may come back. To be followed by `has_left` with what this gives."""
        left = []
        session = self.sio.eio.sockets.get(eio_sid)
        for visit in self._here.pop(eio_sid, ()):
            if self.visits.find(visit.pid) is visit:
                visit.eio_sid = None
                visit.began = max(visit.began, self.had_by_all())
                visit.session = None if session is None else session.session.get(visit.namespace)
                self._leaving[visit.pid] = asyncio.Event()
                self.visits.leave(visit, time.monotonic())
                left.append(visit)
        return left

    def had_by_all(self) -> int:
        """The number up to which whoever was connected all the time has had what was meant for it.

        A connection whose client does not answer pings is closed after so long; and a client that answers has had what
        was sent before, since nothing overtakes.
        """
        eio, now_s = self.sio.eio, time.monotonic()
        if now_s > self._had_by_all[0] + 1:  # many may leave at once
            self._had_by_all = now_s, self.ring.before(now_s - eio.ping_interval - 2 * eio.ping_timeout)
        return self._had_by_all[1]

    async def has_left(self, left: Iterable[Visit]) -> None:
        """The disconnect handlers of a connection are through."""
        for visit in left:
            self._leaving.pop(visit.pid).set()

    async def ready(self) -> None:
        """Wait until clients can be let in."""

    async def persist(self, visit: Visit | None) -> None:
        """Somebody else may have to know of this visit; in one process nobody does."""

    def ended(self, namespace: str, sid: str) -> None:
        """A session is over, or its connection, which makes it one that is away."""
        visit = self.visits.get(namespace, sid)
        if visit is not None and visit.away_s is None:
            self.visits.forget(visit)

    def forget_away(self, namespace: str, sid: str) -> None:
        """A client is sent away; if it is away already, it comes back as a new one."""
        visit = self.visits.get(namespace, sid)
        if visit is not None and visit.away_s is not None:
            self.visits.forget(visit)

    # Rooms

    def entered(self, namespace: str, sid: str, room: Hashable) -> None:
        """A client was put in a room."""
        visit = self.visits.get(namespace, sid)
        if visit is not None and visit.away_s is None:
            visit.enter(room, self.number)

    def left(self, namespace: str, sid: str, room: Hashable) -> None:
        """A client is taken out of a room."""
        self._take_out(self.visits.get(namespace, sid), room)

    def closed(self, namespace: str, room: Hashable) -> list[Visit]:
        """Everybody is taken out of a room; gives who was in it."""
        members = list(self.visits.of_room(namespace, room))
        for visit in members:
            self._take_out(visit, room)
        return members

    def _take_out(self, visit: Visit | None, room: Hashable) -> None:
        if visit is None or room is None or room == visit.sid:
            return
        if any(joining.visit is visit for joining in self._held.get(visit.namespace, {}).values()):
            visit.rooms.pop(room, None)  # it may no longer see what was said there while it was away
        else:
            visit.leave(room, self.number)
