"""Messages, and the Socket.IO packets that carry them.

In: an event with its arguments, or several to travel together. Out: the packet's text and its attachments.
Never: sends; knows nothing of Engine.IO, connections or formats' negotiation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reznet_ws.codec import split_attachments
from reznet_ws.optimizer import Payload

BATCH_EVENT = "message_batch"


@dataclass(frozen=True, slots=True)
class Message:
    """An event with its arguments, encoded in one format."""

    event: str
    payloads: tuple[Payload, ...]
    namespace: str = "/"


@dataclass(frozen=True, slots=True)
class Packet:
    """One Socket.IO packet: its text, and the bytes that follow it, each in a frame of its own."""

    text: str
    attachments: tuple[bytes, ...] = ()


def event_packet(message: Message, *, utf8: bool, ack_id: int | None = None) -> Packet:
    """One event by itself.

    Source: socket.io-protocol 5; without attachments the same text as socketio/packet.py's `encode`.
    """
    texts = [payload.text for payload in message.payloads]
    if None not in texts:
        body = ",".join([json.dumps(message.event), *filter(None, texts)])
        return Packet(f"2{_prefix(message.namespace, ack_id)}[{body}]")
    values = [message.event, *(payload.value for payload in message.payloads)]
    text, attachments = split_attachments(values, utf8=utf8)
    return Packet(f"5{len(attachments)}-{_prefix(message.namespace, ack_id)}{text}", tuple(attachments))


def batch_packet(messages: Sequence[Message], *, utf8: bool) -> Packet:
    """Several events of one namespace, each with one argument or none, in the seed document's envelope."""
    namespace = messages[0].namespace
    if all(payload.text is not None for message in messages for payload in message.payloads):
        entries = ",".join(
            f'{{"e":{json.dumps(message.event)}' + "".join(f',"d":{payload.text}' for payload in message.payloads) + "}"
            for message in messages
        )
        text = f'["{BATCH_EVENT}",{{"batch":true,"messages":[{entries}]}}]'
        return Packet(f"2{_prefix(namespace)}{text}")
    values = [
        {"e": message.event, "d": message.payloads[0].value} if message.payloads else {"e": message.event}
        for message in messages
    ]
    text, attachments = split_attachments([BATCH_EVENT, {"batch": True, "messages": values}], utf8=utf8)
    return Packet(f"5{len(attachments)}-{_prefix(namespace)}{text}", tuple(attachments))


def _prefix(namespace: str, ack_id: int | None = None) -> str:
    return ("" if namespace == "/" else f"{namespace},") + ("" if ack_id is None else str(ack_id))
