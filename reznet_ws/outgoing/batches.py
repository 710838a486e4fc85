"""What waits for others to travel with them, for clients of formats 2 and 3.

In: encoded events, the connections that they are for, whether they may wait. Out: packets and who gets them, to `post`.
Never: overtakes: what must not wait takes along what waits for the same connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.latest import Conflated
from reznet_ws.message.packet import pack
from reznet_ws.outgoing.connection import Connection, Recipients
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Outgoing
from reznet_ws.outgoing.joined import EncodeAgain, join_batch
from reznet_ws.outgoing.rows_packets import RowsPackets
from reznet_ws.settings import Settings


class Batches:
    """Those of one server; holds the settings in force."""

    def __init__(
        self,
        settings: Settings,
        rows: RowsPackets,
        conflated: Conflated,
        post: Callable[[Recipients, Dispatch], None],
        encode_again: EncodeAgain,
    ) -> None:
        self._rows, self._conflated, self._post, self._encode_again = rows, conflated, post, encode_again
        self._batcher: MessageBatcher[Connection, Outgoing]
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by other settings; what waits has been flushed before."""
        self._settings = settings
        self._joins = {rule.event: rule for rule in settings.join}
        # Its window has yet to open, since it may be a shorter one.
        self._batcher = MessageBatcher(settings, self._conflated)

    @property
    def is_holding(self) -> bool:
        """Whether a window is open."""
        return self._batcher.closes_ms is not None

    def add(
        self, connections: Sequence[Connection], outgoing: Outgoing, batch: bool | None, *, as_rows: bool = False
    ) -> None:
        """Post an event, or let it wait. `batch`: whether it may; None leaves it to the settings."""
        may_wait = self._rows.may_wait(outgoing, batch) if as_rows else self._may_wait(outgoing, batch)
        now_ms = asyncio.get_running_loop().time() * 1000
        for group in self._batcher.add(connections, outgoing, now_ms, may_wait=may_wait, latest=outgoing.latest):
            self._post_batch(group.receivers, group.messages)
        self._set_timer()

    def flush(self, connections: Iterable[Connection] | None = None) -> None:
        """Post what waits, for some connections or for all."""
        for group in self._batcher.flush(connections):
            self._post_batch(group.receivers, group.messages)

    def discard(self, connection: Connection) -> None:
        """A client is gone."""
        self._batcher.discard(connection)

    def close(self) -> None:
        """Post what waits and end the timer."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_wait(self, outgoing: Outgoing, batch: bool | None) -> bool:
        message, settings = outgoing.message, self._settings
        if message is None:
            return False
        return message.may_wait(settings) if batch is None else batch and message.fits(settings)

    def _post_batch(self, connections: Sequence[Connection], batch: Sequence[Outgoing]) -> None:
        """Messages that travel together."""
        if self._joins:
            batch = join_batch(batch, self._joins, self._encode_again)
        rows = [connection for connection in connections if connection.granted_rows]
        for dispatch, group in self._rows.packets(batch, rows) if rows else ():
            self._post(Recipients(group), dispatch)
        short = [connection for connection in connections if not connection.granted_rows] if rows else connections
        if short:
            self._post_short(Recipients(short), batch)

    def _post_short(self, receivers: Recipients, batch: Sequence[Outgoing]) -> None:
        """In format 2: those of one namespace share an envelope."""
        run: list[Outgoing] = []
        for outgoing in batch:
            if run and (outgoing.namespace != run[0].namespace or outgoing.message is None or run[0].message is None):
                self._post(receivers, self._together(run))
                run = []
            run.append(outgoing)
        self._post(receivers, self._together(run))

    def _together(self, run: Sequence[Outgoing]) -> Dispatch:
        if len(run) == 1:
            return run[0].short
        packet = pack([outgoing.message for outgoing in run if outgoing.message is not None], utf8=self._settings.utf8)
        return Dispatch(
            (packet.text, *packet.attachments), [share for outgoing in run for share in outgoing.short.shares]
        )

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
