"""The road of every message: from `emit` to the sockets.

In: an event, and the connections it is for. Out: frames on their lines; packets in the queues of who has none.
Never: awaits: whatever is emitted leaves in that order, and one slow receiver holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from reznet_ws.deflate.frame import Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.ledger import Ledger, Share
from reznet_ws.message.latest import Conflated, Key, LatestKeys
from reznet_ws.outgoing.backlog import Backlog
from reznet_ws.outgoing.batches import Batches
from reznet_ws.outgoing.connection import Audience, Connection, Connections, Recipients
from reznet_ws.outgoing.cork import Cork
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Encoder, Outgoing, WritePacket
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.packed_packets import packed_packets
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
        self.conflated = Conflated()
        self._batches = Batches(settings, self.rows, self.conflated, self.post, self._encode_again)
        self.cork = Cork(self.ledger, settings.coalesce_ms)
        # Told of each packet and who gets it.
        self.on_post: Callable[[Recipients, Dispatch], object] | None = None
        self.budget = QueueBudget()
        self._backlog = Backlog(self)
        self._write_packet = write_packet
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
        self.latest_keys = LatestKeys(settings)
        self._encoder = Encoder(settings, self._write_packet)
        self.cork.most_ms = settings.coalesce_ms
        self.rows.use(settings)
        self._batches.use(settings)

    @property
    def is_holding(self) -> bool:
        """Whether a batch's window is open."""
        return self._batches.is_holding

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
        latest: Key | None = None,
    ) -> Outgoing:
        """Encode an event once for each format, and send it, or let it wait for others.

        `batch`: whether it may wait; None leaves it to the settings. `latest`: what makes those pointless that have the
        same and still wait (`LatestKeys`). Raises: as `Encoder.encode`.
        """
        outgoing = self._encoder.encode(
            event, args, namespace, short=audience.short is not None, optimize=optimize, offset=offset
        )
        if is_counted:
            self._count(outgoing.short.shares[0])
        if latest is not None:
            outgoing.latest = outgoing.plain.latest = outgoing.short.latest = latest
        if not optimize:
            outgoing.may_join = False
        self.repeat(outgoing, audience, batch=batch)
        return outgoing

    def repeat(self, outgoing: Outgoing, audience: Audience, *, batch: bool | None = None) -> None:
        """Send what is encoded, or let it wait for others."""
        plain, short, rows = audience.plain, audience.short, audience.rows
        if plain is not None:
            self.post(plain, outgoing.plain)
        if self._backlog:
            short = short and self._backlog.postpone(short, outgoing, batch)
            rows = rows and self._backlog.postpone(rows, outgoing, batch)
        if short is not None:
            if self._settings.batch:
                self._batches.add(short.connections, outgoing, batch)
            else:
                self.post(short, outgoing.short)
        if rows is not None:
            if self._settings.batch:
                self._batches.add(rows.connections, outgoing, batch, as_rows=True)
            else:
                for dispatch, group in self.rows.packets([outgoing], rows.connections):
                    self.post(rows if group is rows.connections else Recipients(group), dispatch)
        if audience.packed is not None:
            for dispatch, group in packed_packets(outgoing, audience.packed):
                self.post(Recipients(group), dispatch)

    def _encode_again(self, event: str, data: Any, namespace: str) -> Outgoing:
        return self._encoder.encode(event, [data], namespace, short=True)

    def post(self, receivers: Recipients, dispatch: Dispatch) -> None:
        """Compress a packet once for each history, and put its frames on the lines of all who get it."""
        if self._backlog:
            receivers = self._backlog.pass_by(receivers, dispatch)
        if lines := receivers.lines:
            for index, frame in enumerate(dispatch.frames):
                self._put(frame, lines, dispatch.shares, index == 0)
        if self.on_post is not None:
            self.on_post(receivers, dispatch)
        for connection in receivers.queued:
            if not connection.session.enqueue(dispatch):
                self.miss(connection, dispatch)
        if self.budget.held_bytes > self._settings.max_held_bytes:
            self.shed()

    def post_part(self, connection: Connection, dispatch: Dispatch, index: int) -> None:
        """Put one part of a packet on the line of one connection, whose turn it is by engineio's way."""
        if connection.line is not None:
            self._put(dispatch.frames[index], [connection.line], dispatch.shares, index == 0)

    def _put(self, frame: Frame, lines: Sequence[Line], shares: Sequence[Share], first: bool) -> None:
        for wire, to in self.histories.frames(frame, lines, self._settings):
            booked = partial(self.ledger.record, shares, len(frame.data), len(wire), first=first) if shares else None
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
        outgoing = self._encoder.encode(event, args, namespace, short=is_short, optimize=optimize, ack_id=ack_id)
        if is_counted:
            self._count(outgoing.short.shares[0])
        self.flush([connection])
        dispatch = outgoing.short
        if namespace in connection.granted_packed:
            ((dispatch, _),) = packed_packets(outgoing, [connection])
        self.post(Recipients([connection]), dispatch)

    def write(self, event: Any, args: list[Any], namespace: str, *, short: bool) -> Outgoing:
        """Encode an event as it is, for `repeat`; it counts as none."""
        return self._encoder.encode(event, args, namespace, short=short, optimize=False)

    def prepare(self, event: Any, args: list[Any], namespace: str) -> Dispatch:
        """Encode an event that somebody else sends."""
        outgoing = self._encoder.encode(event, args, namespace, short=False, optimize=False)
        self._count(outgoing.plain.shares[0])
        return outgoing.plain

    def send(self, connection: Connection, parts: Sequence[str | bytes], *, is_secret: bool) -> None:
        """Send a packet that is no event: its bytes belong to none."""
        self.post(Recipients([connection]), Dispatch(parts, (), is_secret=is_secret))

    def flush(self, connections: Iterable[Connection] | None = None) -> None:
        """Send what waits in batches, for some connections or for all."""
        self._batches.flush(connections)

    def finish(self, connections: Sequence[Connection]) -> None:
        """Send all that is for some connections, also what was postponed for a slow reader: a goodbye follows."""
        self.flush(connections)
        for connection in connections:
            self._backlog.release(connection, is_last=True)

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
                self._backlog.forget(connection.line)
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
        self._batches.discard(connection)
        self.rows.forget(connection)
        self.close_line(connection)
        self.connections.pop(connection.sid, None)
        self.connections.changed()

    def close(self) -> None:
        """Send what is held back and stop the timers."""
        self.finish(list(self._backlog.values()))
        self._batches.close()
        self.cork.close()
        self._log.close()

    def _count(self, share: Share) -> None:
        self.counts.add(share)
        if share.gzipped_bytes < share.plain_bytes > self._settings.log_threshold_bytes:
            self._log.add(share.event, share.plain_bytes, share.gzipped_bytes)

    def miss(self, connection: Connection, dispatch: Dispatch) -> None:
        """There is no room for what a connection should be sent."""
        if self._settings.skip_slow_readers and dispatch.shares:
            self.slow_readers.skipped_messages += len(dispatch.shares)
            self.rows.forget(connection)  # it holds less now than those who were sent the same
            if connection.holding is not None:
                connection.holding.forget_sent()
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
