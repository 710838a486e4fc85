"""Messages, and the Socket.IO packets that carry them.

In: an event with its arguments, or several to travel together. Out: the packet's text and its attachments.
Never: sends; knows nothing of Engine.IO, connections or formats' negotiation.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reznet_ws.message.json_text import dumps, split_attachments
from reznet_ws.message.payload import Payload
from reznet_ws.settings import Settings

BATCH_EVENT = "message_batch"


@dataclass(frozen=True, slots=True)
class Message:
    """An event with its arguments, encoded in one format."""

    event: str
    payloads: tuple[Payload, ...]
    namespace: str = "/"
    # What a client that comes back names it by; its last argument.
    offset: str | None = None

    def may_wait(self, settings: Settings) -> bool:
        """Whether the settings let it wait for others."""
        return self.event in settings.batch_events and self.fits(settings)

    def fits(self, settings: Settings) -> bool:
        """Whether a batch can hold it: small, with one argument or none, and nothing beside its text.

        A client's parser takes ten attachments in all (socket.io-parser 4.2, `maxAttachments`), so a batch has none.
        """
        sizes = [payload.gzipped_bytes for payload in self.payloads if payload.text is not None]
        return (
            len(self.payloads) <= 1
            and len(sizes) == len(self.payloads)
            and sum(sizes) <= settings.batch_max_bytes
            and self.event not in settings.never_compress  # or all that travels with it would stay uncompressed
        )


@dataclass(frozen=True, slots=True)
class Packet:
    """One Socket.IO packet: its text, and the bytes that follow it, each in a frame of its own."""

    text: str
    attachments: tuple[bytes, ...] = ()


def pack(messages: Sequence[Message], *, utf8: bool, ack_id: int | None = None) -> Packet:
    """What travels together, of one namespace: an event by itself, or several in a batch's envelope.

    With an `ack_id` it is one event, whose receiver answers.
    """
    first = messages[0]
    # An application's own `message_batch` goes into an envelope, or the receiver would open it.
    is_envelope = first.event == BATCH_EVENT and len(first.payloads) == 1 and ack_id is None
    if len(messages) == 1 and not is_envelope:
        return event_packet(first, utf8=utf8, ack_id=ack_id)
    return batch_packet(messages, utf8=utf8)


def event_packet(message: Message, *, utf8: bool, ack_id: int | None = None) -> Packet:
    """One event by itself.

    Source: socket.io-protocol 5; without attachments the same text as socketio/packet.py's `encode`.
    """
    body = event_text(message.event, utf8=utf8)
    for payload in message.payloads:
        if payload.text is None:
            break
        body += "," + payload.text
    else:
        if message.offset is not None:
            body += f',"{message.offset}"'
        return Packet(f"2{prefix(message.namespace, ack_id)}[{body}]")
    values = [message.event, *(payload.value for payload in message.payloads)]
    if message.offset is not None:
        values.append(message.offset)
    text, attachments = split_attachments(values, utf8=utf8)
    return Packet(f"5{len(attachments)}-{prefix(message.namespace, ack_id)}{text}", tuple(attachments))


def batch_packet(messages: Sequence[Message], *, utf8: bool) -> Packet:
    """Several events of one namespace, each with one argument or none, in one envelope."""
    namespace = messages[0].namespace
    if all(payload.text is not None for message in messages for payload in message.payloads):
        entries = ",".join(
            f'{{"e":{event_text(message.event, utf8=utf8)}'
            + "".join(f',"d":{payload.text}' for payload in message.payloads)
            + (f',"o":"{message.offset}"}}' if message.offset is not None else "}")
            for message in messages
        )
        text = f'["{BATCH_EVENT}",{{"batch":true,"messages":[{entries}]}}]'
        return Packet(f"2{prefix(namespace)}{text}")
    values = [_entry(message) for message in messages]
    text, attachments = split_attachments([BATCH_EVENT, {"batch": True, "messages": values}], utf8=utf8)
    return Packet(f"5{len(attachments)}-{prefix(namespace)}{text}", tuple(attachments))


def _entry(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"e": message.event}
    if message.payloads:
        entry["d"] = message.payloads[0].value
    if message.offset is not None:
        entry["o"] = message.offset
    return entry


@functools.lru_cache(maxsize=1024)
def prefix(namespace: str, ack_id: int | None = None) -> str:
    """What stands between a packet's type and its data. Source: socket.io-protocol 5."""
    return ("" if namespace == "/" else f"{namespace},") + ("" if ack_id is None else str(ack_id))


# An application has few events, and emits each many times.
@functools.lru_cache(maxsize=1024)
def event_text(event: str, *, utf8: bool) -> str:
    """An event's name in JSON."""
    return dumps(event, utf8=utf8)


@functools.lru_cache(maxsize=1024)
def event_sizes(event: str, *, utf8: bool) -> tuple[int, int]:
    """The bytes of an event's name in JSON: as Python escapes it, and as it travels."""
    return len(event_text(event, utf8=False)), len(event_text(event, utf8=utf8).encode())
