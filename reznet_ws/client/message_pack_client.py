"""Format m at a Python client: one line, and its handlers get what the server emitted.

In: a `socketio.AsyncClient` or `socketio.Client` that connects with `?reznet=m` in its URL. Out: the same client.
Never: takes an attachment for an event, or goes on after a message that cannot be right.

Leans on python-engineio 4.15 (`async_client.py` and `client.py`: `_trigger_event`, which whoever reads calls for one
packet after the other, and `handlers`) and python-socketio 5.18 (`_handle_event`). Needs `msgpack`.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import socketio

from reznet_ws.client.rows_client import source
from reznet_ws.message.fields import DecodeError
from reznet_ws.message.message_pack import Unpacked, decode

logger = logging.getLogger("reznet_ws.client")

# Packets whose attachments follow. Source: socket.io-protocol 5, "Binary event" and "Binary ack".
_ANNOUNCEMENT = re.compile(r"[56](\d{1,6})-")


def attach_message_pack(client: socketio.AsyncClient | socketio.Client) -> Any:
    """Understand events of MessagePack beside all that the client understands.

    After a message that cannot be right the connection is closed, and the client connects again as it does after every
    break.
    """
    inbox = _Inbox()
    trigger_event, eio = client.eio._trigger_event, client.eio
    handle = eio.handlers["message"]

    async def handle_async(data: Any) -> None:
        if isinstance(data, Unpacked):
            await client._handle_event(data.namespace, data.ack_id, data.data)
        elif data is not None:
            await handle(data)
        else:
            await source(eio).close()

    def handle_threaded(data: Any) -> None:
        if isinstance(data, Unpacked):
            client._handle_event(data.namespace, data.ack_id, data.data)
        elif data is not None:
            handle(data)
        else:
            source(eio).close()

    eio._trigger_event = lambda event, *args, **options: trigger_event(event, *inbox.take(event, args), **options)
    eio.on("message", handle_async if isinstance(client, socketio.AsyncClient) else handle_threaded)
    return client


class _Inbox:
    """What arrives on one connection after the other, in the order in which it is read."""

    def __init__(self) -> None:
        self._attachments_due = 0
        self._is_broken = False

    def take(self, event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of what the client is to handle; a message is None once nothing can be trusted any more."""
        if event == "connect":
            self._attachments_due, self._is_broken = 0, False
        return (self._read(args[0]),) if event == "message" else args

    def _read(self, data: str | bytes) -> Any:
        if self._is_broken:
            return None
        if isinstance(data, str):
            announced = _ANNOUNCEMENT.match(data)
            self._attachments_due = int(announced[1]) if announced else 0
            return data
        if self._attachments_due:
            self._attachments_due -= 1
            return data
        try:
            return decode(bytes(data))
        except DecodeError as error:
            logger.error("Connection closed: %s", error)
            self._is_broken = True
            return None
