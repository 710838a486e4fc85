"""Format 3's part of the road: which events travel as rows, and what each group of their receivers is sent.

In: encoded events that travel together, and their connections. Out: packets, each with its connections.
Never: sends, or encodes a value again: a row is made of the text that the application's own codec wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from reznet_ws.ledger import Saved, Share
from reznet_ws.message.rows import join
from reznet_ws.message.rows_sharing import RowsSharing, bounds_of, may_be_row
from reznet_ws.message.rows_state import Seed
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.encoder import Outgoing
from reznet_ws.settings import Settings


class RowsPackets:
    """Those of one server; holds the settings in force."""

    def __init__(self, settings: Settings) -> None:
        self._sharing: RowsSharing[Connection] = RowsSharing()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by other settings from the next message on."""
        self._settings = settings
        self._sharing.use(bounds_of(settings), settings.rows_all_chars)

    @property
    def seed(self) -> Seed | None:
        """What clients may know before their first message."""
        return self._sharing.seed

    @seed.setter
    def seed(self, seed: Seed) -> None:
        self._sharing.seed = seed

    def forget(self, connection: Connection) -> None:
        """The client is gone, or has missed something."""
        self._sharing.forget(connection)

    def may_wait(self, outgoing: Outgoing, batch: bool | None) -> bool:
        """Whether an event may wait for others; `batch`: None leaves it to the settings."""
        settings = self._settings
        if not self._is_row(outgoing) or outgoing.plain.shares[0].encoded_bytes > settings.batch_max_bytes:
            return False
        return outgoing.event in settings.batch_events if batch is None else batch

    def packets(
        self, batch: Sequence[Outgoing], connections: Sequence[Connection]
    ) -> Iterator[tuple[Dispatch, Sequence[Connection]]]:
        """The lines of what fits share a packet; what does not fit goes to all as it is."""
        for fits, run in groupby(batch, self._is_row):
            messages = list(run)
            if not fits:
                for outgoing in messages:
                    yield outgoing.plain, connections
                continue
            texts = [str(outgoing.plain.parts[0]) for outgoing in messages]
            for lines, group in self._sharing.ways(texts, connections):
                shares = [share for one, line in zip(messages, lines, strict=True) for share in _shares(one, line)]
                yield Dispatch([join(lines)], shares), group

    def _is_row(self, outgoing: Outgoing) -> bool:
        return may_be_row(outgoing.event, outgoing.plain.parts, self._settings)


def _shares(outgoing: Outgoing, line: str) -> Iterator[Share]:
    """Those of one line; a joined event has several, of which the first has the weight."""
    for number, share in enumerate(outgoing.plain.shares):
        if number:
            yield share._replace(weight=0)
        else:
            rows = _size(str(outgoing.plain.parts[0])) - _size(line)
            yield share._replace(weight=len(line), saved=(share.saved or Saved())._replace(rows=rows))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
