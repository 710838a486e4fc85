"""Format 2 at a Python client: one line, and its handlers get what the server emitted.

In: a client of python-socketio, also a simple one, that connects with `?reznet=2` in its URL. Out: the same client.
Never: changes events before the server has granted format 2, or those of a server that knows nothing of it.

Leans on python-socketio 5.18 (`async_client.py` and `client.py`: `_handle_connect`, `_handle_event`, `_handle_ack`,
`_handle_disconnect` and `_handle_error`) and python-engineio 4.15 (`_trigger_event`: each packet is handled in a task
or thread of its own, begun in the order of the packets).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import socketio

from reznet_ws.message.fields import DecodeError
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.message.packet import BATCH_EVENT
from reznet_ws.message.payload import FORMAT, MAX_BYTES, decode_payload

logger = logging.getLogger("reznet_ws.client")

# What marks a client that has a decoder.
_ATTACHED = "_reznet_attached"

OnError = Callable[[DecodeError, str], None]


def attach(
    client: socketio.AsyncClient | socketio.Client | socketio.AsyncSimpleClient | socketio.SimpleClient,
    *,
    max_bytes: int = MAX_BYTES,
    on_error: OnError | None = None,
) -> Any:
    """Decode everything a client receives, batches included, in order; a client that does so already stays as it is.

    Units: `max_bytes` bounds what one payload may inflate to. An event that cannot be decoded is dropped and given to
    `on_error(error, event)`, by default to the log; those after it go on.
    """
    if is_attached(client):
        return client
    setattr(client, _ATTACHED, True)
    if isinstance(client, (socketio.AsyncSimpleClient, socketio.SimpleClient)):
        make = client.client_class  # with each connection a new one

        def make_attached(*args: Any, **options: Any) -> Any:
            return attach(make(*args, **options), max_bytes=max_bytes, on_error=on_error)

        client.client_class = make_attached
        if client.client is not None:
            attach(client.client, max_bytes=max_bytes, on_error=on_error)
        return client
    decoder = _Decoder(max_bytes, on_error or _log_error)
    if isinstance(client, socketio.AsyncClient):
        _attach_async(client, decoder)
    else:
        _attach_threaded(client, decoder)
    return client


def is_attached(client: Any) -> bool:
    """Whether a client decodes format 2 already."""
    return bool(getattr(client, _ATTACHED, False))


def _attach_async(client: socketio.AsyncClient, decoder: _Decoder) -> None:
    handle_connect, handle_event = client._handle_connect, client._handle_event

    async def connect(namespace: str | None, data: Any) -> None:
        decoder.forget(namespace)
        await handle_connect(namespace, data)

    async def event(namespace: str | None, ack_id: int | None, data: list[Any]) -> None:
        # A task for each event, as without batches: a handler that waits holds up none of those after it.
        events = decoder.decode(namespace, ack_id, data)
        await asyncio.gather(*(handle_event(namespace, ack_id, decoded) for decoded in events))

    def after_events(handle: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def handle_late(*args: Any) -> None:
            await asyncio.sleep(0)  # the handlers of events received before begin first
            await handle(*args)

        return handle_late

    client._handle_connect, client._handle_event = connect, event
    client._handle_ack = after_events(client._handle_ack)
    client._handle_disconnect = after_events(client._handle_disconnect)


def _attach_threaded(client: socketio.Client, decoder: _Decoder) -> None:
    """Take packets apart in the thread that reads them, in order; what they call has threads of its own, as before."""
    trigger_event = client.eio._trigger_event

    def trigger(event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        return trigger_event(event, *args, run_async=run_async and event != "message", **options)

    def in_thread(handle: Callable[..., None]) -> Callable[..., None]:
        return lambda *args: client.start_background_task(handle, *args)

    handle_connect, handle_event = in_thread(client._handle_connect), in_thread(client._handle_event)

    def connect(namespace: str | None, data: Any) -> None:
        decoder.forget(namespace)
        handle_connect(namespace, data)

    def event(namespace: str | None, ack_id: int | None, data: list[Any]) -> None:
        for decoded in decoder.decode(namespace, ack_id, data):
            handle_event(namespace, ack_id, decoded)

    client.eio._trigger_event = trigger
    client._handle_connect, client._handle_event = connect, event
    client._handle_ack = in_thread(client._handle_ack)
    client._handle_disconnect = in_thread(client._handle_disconnect)
    client._handle_error = in_thread(client._handle_error)


def unpack(envelope: Any) -> list[tuple[str, list[Any]]]:
    """The events in a batch, each with its arguments, still encoded. Raises: DecodeError."""
    messages = envelope.get("messages") if isinstance(envelope, dict) and envelope.get("batch") is True else None
    if not isinstance(messages, list):
        raise DecodeError("a batch holds `batch: true` and a list of `messages`")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("e"), str):
            raise DecodeError("a message in a batch has its event's name in `e`")
    # `o`, where there is one, is the offset by which a client that comes back names an event: its last argument.
    return [(message["e"], [message[key] for key in ("d", "o") if key in message]) for message in messages]


class _Decoder:
    def __init__(self, max_bytes: int, on_error: OnError) -> None:
        self._max_bytes, self._on_error = max_bytes, on_error
        self._granted: set[str] = set()

    def forget(self, namespace: str | None) -> None:
        """A new connection: nothing is granted yet."""
        self._granted.discard(namespace or "/")

    def decode(self, namespace: str | None, ack_id: int | None, data: list[Any]) -> Iterator[list[Any]]:
        """The events in one packet as the server emitted them: name, arguments."""
        namespace = namespace or "/"
        event, *args = data
        if namespace in self._granted:
            # An envelope has one argument and nobody waits for its answer; any other is the application's own event.
            yield from self._decode(event, args, is_envelope=event == BATCH_EVENT and len(args) == 1 and ack_id is None)
            return
        if event == GRANT_EVENT and args and isinstance(args[0], dict) and args[0].get("format") == FORMAT:
            self._granted.add(namespace)
        yield data

    def _decode(self, event: str, args: list[Any], *, is_envelope: bool) -> Iterator[list[Any]]:
        try:
            events = unpack(args[0]) if is_envelope else [(event, args)]
        except DecodeError as error:
            return self._on_error(error, event)
        for name, encoded in events:
            try:
                decoded = [decode_payload(arg, self._max_bytes) for arg in encoded]
            except DecodeError as error:
                self._on_error(error, name)
            else:
                yield [name, *decoded]


def _log_error(error: DecodeError, event: str) -> None:
    logger.error("Event %s dropped: %s", event, error)
