"""The road of every message: from `emit` to the sockets.

In: an event, and the connections it is for. Out: frames on their lines; packets in the queues of who has none.
Never: awaits: whatever is emitted leaves in that order, and one slow receiver holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reznet_ws.deflate.frame import Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.ledger import Ledger, Tally
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import pack
from reznet_ws.outgoing.backlog import Backlog
from reznet_ws.outgoing.connection import Audience, Connection, Connections, Recipients
from reznet_ws.outgoing.cork import Cork
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Encoder, Outgoing, WritePacket
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.payload_log import PayloadLog
from reznet_ws.outgoing.queued import QueueBudget
from reznet_ws.outgoing.rows_packets import RowsPackets
from reznet_ws.settings import Settings
from reznet_ws.stats import MessageCounts, SlowReaders


class Broadcast:
    """The way out of one server; holds the settings in force."""

    def __init__(self, settings: Settings, write_packet: WritePacket | None = None) -> None:
        """`write_packet`: see `Encoder`."""
        self.connections = Connections()
        self.ledger = Ledger()
        self.counts = MessageCounts()
        self.slow_readers = SlowReaders()
        self.histories = Histories()
        self.rows = RowsPackets(settings)
        self.cork = Cork(self.ledger, lambda: self.settings.coalesce_ms)
        # Told of each packet and who gets it.
        self.on_post: Callable[[Recipients, Dispatch], object] | None = None
        self.budget = QueueBudget()
        self._backlog = Backlog(self.budget)
        self._write_packet = write_packet
        self._batcher: MessageBatcher[Connection, Outgoing]
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._log = PayloadLog()
        self._settings = settings
        self._use(settings)

    @property
    def settings(self) -> Settings:
        """The settings in force; a new record counts from the next message on."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.flush()
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._batcher = MessageBatcher(settings)  # whose window has yet to open, since it may be a shorter one
        self._encoder = Encoder(settings, self._write_packet)
        self.rows.use(settings)

    @property
    def is_holding(self) -> bool:
        """Whether a batch's window is open."""
        return self._batcher.closes_ms is not None

    # The road

    def emit(
        self,
        event: Any,
        args: list[Any],
        namespace: str,
        audience: Audience,
        *,
        optimize: bool = True,
        batch: bool | None = None,
        is_counted: bool = True,
        offset: str | None = None,
    ) -> Outgoing:
        """Encode an event once for each format, and send it, or let it wait for others.

        `batch`: whether it may wait; None leaves it to the settings. Raises: as `Encoder.encode`.
        """
        is_short = bool(audience.short)
        outgoing = self._encode(
            event, args, namespace, short=is_short, optimize=optimize, is_counted=is_counted, offset=offset
        )
        self.repeat(outgoing, audience, batch=batch)
        return outgoing

    def repeat(self, outgoing: Outgoing, audience: Audience, *, batch: bool | None = None) -> None:
        """Send what is encoded, or let it wait for others."""
        if audience.plain:
            self.post(audience.plain, self._single(outgoing))
        if audience.short:
            self._post_or_wait(audience.short, outgoing, may_wait=self._may_wait(outgoing, batch))
        if audience.rows:
            self._post_or_wait(audience.rows, outgoing, may_wait=self.rows.may_wait(outgoing, batch))

    def post(self, receivers: Recipients, dispatch: Dispatch) -> None:
        """Compress a packet once for each history, and put its frames on the lines of all who get it."""
        lines = receivers.lines
        if self._backlog:
            size_bytes = sum(len(frame.data) for frame in dispatch.frames)
            lines, full = self._backlog.divide(lines, size_bytes, self.budget.most_for_one(self._settings))
            for connection in full:
                self._miss(connection, dispatch)
        if lines:
            for index, frame in enumerate(dispatch.frames):
                self._put(frame, lines, dispatch.tally, index == 0)
        if self.on_post is not None:
            self.on_post(receivers, dispatch)
        for connection in receivers.queued:
            if not connection.session.enqueue(dispatch):
                self._miss(connection, dispatch)
        if self.budget.held_bytes > self._settings.max_held_bytes:
            self.shed()

    def post_part(self, connection: Connection, dispatch: Dispatch, index: int) -> None:
        """Put one part of a packet on the line of one connection, whose turn it is by engineio's way."""
        if connection.line is not None:
            self._put(dispatch.frames[index], [connection.line], dispatch.tally, index == 0)

    def _put(self, frame: Frame, lines: Sequence[Line], tally: Tally, first: bool) -> None:
        for wire, to in self.histories.frames(frame, lines, self._settings):
            booked = tally.booking(len(frame.data), len(wire), first=first)
            self.cork.put(self._backlog.queue(wire, to, booked) if self._backlog else to, wire, booked)

    def emit_asking(
        self,
        event: Any,
        args: list[Any],
        namespace: str,
        connection: Connection,
        ack_id: int,
        *,
        optimize: bool = True,
        is_counted: bool = True,
    ) -> None:
        """Send an event whose receiver answers; what waits for it goes first."""
        is_short = namespace in connection.granted
        outgoing = self._encode(
            event, args, namespace, short=is_short, optimize=optimize, is_counted=is_counted, ack_id=ack_id
        )
        parts, share = outgoing.parts, outgoing.short_share
        if outgoing.short is not None:
            packet = pack([outgoing.short], utf8=self._settings.utf8, ack_id=ack_id)
            parts = (packet.text, *packet.attachments)
        self.flush([connection])
        self.post(Recipients([connection]), self._dispatch(parts, [share]))

    def prepare(self, event: Any, args: list[Any], namespace: str) -> Dispatch:
        """Encode an event that somebody else sends."""
        return self._single(self._encode(event, args, namespace, short=False, optimize=False))

    def send(self, connection: Connection, parts: Sequence[str | bytes], *, is_secret: bool) -> None:
        """Send a packet that is no event: its bytes belong to none."""
        self.post(Recipients([connection]), Dispatch(parts, self.ledger, (), is_secret=is_secret))

    def flush(self, connections: Iterable[Connection] | None = None) -> None:
        """Send what is held back, for some connections or for all."""
        for group in self._batcher.flush(connections):
            self._post_batch(group.receivers, group.messages)

    # Who comes and goes

    def open_line(self, connection: Connection, line: Line) -> None:
        """From now on a connection is written directly."""
        line.on_backlog = lambda line, backed_up: self._backlog.note(connection, line, backed_up)
        connection.line, connection.is_counted = line, True
        self.connections.changed()

    def close_line(self, connection: Connection) -> None:
        """From now on nothing can be sent to it any more."""
        if not connection.is_over:
            connection.is_over = True
            if connection.line is not None:
                self._backlog.pop(connection.line, None)
                connection.line = None
            self.connections.changed()

    def lose_line(self, line: Line) -> None:
        """Its connection is gone, and all that was for it; the histories that others share go on without it."""
        if line.inflater is not None:
            self.histories.leave(line.inflater)
        self.cork.forget(line)
        line.drop()

    def forget(self, connection: Connection) -> None:
        """A client is gone."""
        self._batcher.discard(connection)
        self.rows.forget(connection)
        self.close_line(connection)
        self.connections.pop(connection.sid, None)
        self.connections.changed()

    def close(self) -> None:
        """Send what is held back and stop the timers."""
        self.flush()
        self.cork.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._log.close()

    # Encoding

    def _encode(
        self, event: Any, args: list[Any], namespace: str, *, is_counted: bool = True, **options: Any
    ) -> Outgoing:
        outgoing = self._encoder.encode(event, args, namespace, **options)
        if is_counted:
            share = outgoing.short_share
            self.counts.add(share, is_gzipped=outgoing.is_gzipped)
            if share.gzipped_bytes < share.plain_bytes > self._settings.log_threshold_bytes:
                self._log.add(share.event, share.plain_bytes, share.gzipped_bytes)
        return outgoing

    def _single(self, outgoing: Outgoing) -> Dispatch:
        return self._dispatch(outgoing.parts, [outgoing.share])

    def _dispatch(self, parts: Sequence[str | bytes], shares: Sequence[Any]) -> Dispatch:
        never = self._settings.never_compress
        is_secret = bool(never) and any(share.event in never for share in shares)
        return Dispatch(parts, self.ledger, shares, is_secret=is_secret)

    # Batches

    def _may_wait(self, outgoing: Outgoing, batch: bool | None) -> bool:
        short, settings = outgoing.short, self._settings
        if short is None:
            return False
        return short.may_wait(settings) if batch is None else batch and short.fits(settings)

    def _post_or_wait(self, connections: Sequence[Connection], outgoing: Outgoing, *, may_wait: bool) -> None:
        now_ms = asyncio.get_running_loop().time() * 1000
        for group in self._batcher.add(connections, outgoing, now_ms, may_wait=may_wait):
            self._post_batch(group.receivers, group.messages)
        self._set_timer()

    def _post_batch(self, connections: Sequence[Connection], batch: Sequence[Outgoing]) -> None:
        """Messages that travel together, to clients of formats 2 and 3."""
        rows = [connection for connection in connections if connection.granted_rows]
        for parts, shares, group in self.rows.packets(batch, rows) if rows else ():
            self.post(Recipients(group), self._dispatch(parts, shares))
        short = [connection for connection in connections if not connection.granted_rows] if rows else connections
        if short:
            self._post_short(Recipients(short), batch)

    def _post_short(self, receivers: Recipients, batch: Sequence[Outgoing]) -> None:
        """In format 2: those of one namespace share an envelope."""
        run: list[Outgoing] = []
        for outgoing in batch:
            if run and (outgoing.namespace != run[0].namespace or outgoing.short is None or run[0].short is None):
                self.post(receivers, self._together(run))
                run = []
            run.append(outgoing)
        self.post(receivers, self._together(run))

    def _together(self, run: Sequence[Outgoing]) -> Dispatch:
        if run[0].short is None:
            return self._single(run[0])
        messages = [outgoing.short for outgoing in run if outgoing.short is not None]
        packet = pack(messages, utf8=self._settings.utf8)
        return self._dispatch((packet.text, *packet.attachments), [outgoing.short_share for outgoing in run])

    def _set_timer(self) -> None:
        closes_ms = self._batcher.closes_ms
        # A loop that ended took its timers along.
        if closes_ms is not None and (self._timer is None or self._loop.is_closed()):
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_at(closes_ms / 1000, self._window_closed)

    def _window_closed(self) -> None:
        self._timer = None
        # The window may have moved since the timer was set, and clocks may fire a little early.
        for group in self._batcher.due(asyncio.get_running_loop().time() * 1000):
            self._post_batch(group.receivers, group.messages)
        self._set_timer()

    def _miss(self, connection: Connection, dispatch: Dispatch) -> None:
        if self._settings.skip_slow_readers and dispatch.messages:
            self.slow_readers.skipped_messages += dispatch.messages
            self.rows.forget(connection)  # it holds less now than those who were sent the same
        else:
            self._close_slow(connection)

    def shed(self) -> None:
        """Close those who hold most while all queues together hold too much."""
        if not self._settings.skip_slow_readers:
            for connection in self._backlog.excess(self.connections, self._settings.max_held_bytes):
                self.slow_readers.shed_connections += 1
                self._close_slow(connection)

    def _close_slow(self, connection: Connection) -> None:
        self.slow_readers.closed_connections += 1
        self.close_line(connection)
        connection.session.close_slow()
