"""Format 3 at a Python client: one line, and its handlers get what the server emitted.

In: a `socketio.AsyncClient` or `socketio.Client` that connects with `?reznet=3` in its URL. Out: the same client.
Never: touches packets that are none of rows, or goes on after one that cannot be right.

Leans on python-engineio 4.15 (`async_client.py` and `client.py`: `_trigger_event`, which whoever reads calls for one
packet after the other, and `ws`, `http`, which it reads from).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import socketio

from reznet_ws.client.rows_decoder import MAX_CHARS, RowsDecoder, RowsError
from reznet_ws.message.rows_state import Seed

logger = logging.getLogger("reznet_ws.client")


def attach_rows(
    client: socketio.AsyncClient | socketio.Client, *, max_chars: int = MAX_CHARS, seed: Seed | None = None
) -> Any:
    """Understand rows beside all that the client understands; with a `seed`, which its URL names with `&seed=`.

    Units: `max_chars` bounds what one line may come to. After a frame that cannot be right the connection is closed,
    and the client connects again as it does after every break.
    """
    inbox = _Inbox(RowsDecoder(max_chars, seed))
    trigger_event, eio = client.eio._trigger_event, client.eio

    async def trigger_async(event: str, *args: Any, **options: Any) -> Any:
        result = None
        for several in inbox.take(event, args):
            result = await trigger_event(event, *several, **options)
        if inbox.must_close(event):
            await source(eio).close()
        return result

    def trigger(event: str, *args: Any, **options: Any) -> Any:
        result = None
        for several in inbox.take(event, args):
            result = trigger_event(event, *several, **options)
        if inbox.must_close(event):
            source(eio).close()
        return result

    eio._trigger_event = trigger_async if isinstance(client, socketio.AsyncClient) else trigger
    return client


class _Inbox:
    """What arrives on one connection after the other."""

    def __init__(self, decoder: RowsDecoder) -> None:
        self._decoder = decoder
        self._is_broken = False

    def take(self, event: str, args: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
        """The arguments of each event that comes of one."""
        if event == "connect":
            self._decoder.forget()
            self._is_broken = False
        if event != "message":
            return [args]
        if self._is_broken:
            return []
        if not isinstance(args[0], str):
            return [args]
        try:
            return [(packet, *args[1:]) for packet in self._decoder.decode(args[0])]
        except RowsError as error:
            logger.error("Connection closed: %s", error)
            self._is_broken = True
            return []

    def must_close(self, event: str) -> bool:
        """Whether nothing that arrives can be trusted any more."""
        return self._is_broken and event == "message"


def source(eio: Any) -> Any:
    """What a client reads from; when it is closed, the client takes the connection for broken."""
    return eio.ws if eio.current_transport == "websocket" else eio.http
