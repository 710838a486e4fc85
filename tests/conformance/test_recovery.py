"""Connection state recovery: the real socket.io-client and python-socketio's, which break off and come back.

A break is the server's doing, in one go with what is then emitted, so that all of it is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import socketio
from conformance.harness import (
    NEW_POLLING,
    NEW_WS,
    OLD_POLLING,
    OLD_UPGRADED,
    OLD_WS,
    ROWS_WS,
    Client,
    Event,
    Kind,
    Site,
    new_sio,
    open_site,
    until,
)
from conformance.javascript import NEW_KINDS, ROOM, ROWS_KINDS, STOCK_KINDS, JsClient, Node, open_web_site, ready
from conformance.javascript import joined as joined_in_javascript

from reznet_ws import Recovery, attach
from reznet_ws.client import attach_recovery
from reznet_ws.settings import Settings

BATCHING = Settings(batch=True, batch_window_ms=200)
KINDS = (OLD_WS, OLD_POLLING, OLD_UPGRADED, NEW_WS, NEW_POLLING, ROWS_WS)
MESSAGE = {"message_id": "m-1", "content": "hello", "created_at": "2025-10-25T12:00:00.000Z"}


class Returning(Client):
    """A client that connects again, and keeps what recovery gives it to keep."""

    def __init__(self, kind: Kind) -> None:
        self.kept_first = True
        super().__init__(kind, decode=False)
        self.sio.reconnection, self.sio.reconnection_delay, self.sio.randomization_factor = True, 0.02, 0
        attach_recovery(self.sio)
        if kind.is_new:
            from reznet_ws.client import attach as attach_decoder

            attach_decoder(self.sio)

    async def back(self, count: int, *, recovered: bool = True) -> None:
        """Wait until it has been let in so many times."""
        await until(lambda: self.joins >= count, f"join {count}")
        assert self.sio.recovered["/"] is recovered


async def cut(site: Site, eio_sids: Sequence[str]) -> None:
    """Break connections off as a network does; the server learns of it later."""
    for eio_sid in eio_sids:
        session = site.sio.eio.sockets[eio_sid]
        if session.connection.line is not None:
            session.connection.line.inner.abort()
        else:
            await session.close(wait=False, abort=True, reason=site.sio.reason.TRANSPORT_CLOSE)
