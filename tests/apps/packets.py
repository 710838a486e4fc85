"""What Engine.IO and Socket.IO messages say, read by the protocols' texts alone (revision 4 and 5).

In: the messages of one session in the order they came. Out: its packets. Never: imports a library of either protocol.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

KINDS = ("connect", "disconnect", "event", "ack", "refused", "event", "ack")
_HEAD = re.compile(r"(\d)(?:(\d+)-)?(?:(/[^,]*),)?(\d+)?", re.ASCII)
Message = str | bytes


class Packet(NamedTuple):
    """One Socket.IO packet with its attachments in place."""

    kind: str
    namespace: str
    ack_id: int | None
    data: Any


def split_payload(body: str) -> list[Message]:
    """The messages of a long-polling response."""
    return [base64.b64decode(part[1:]) if part[:1] == "b" else part for part in body.split("\x1e")]


def read_open(message: Message) -> dict[str, Any] | None:
    """The handshake, if it is that."""
    return json.loads(message[1:]) if isinstance(message, str) and message[:1] == "0" else None


def read_packets(messages: Iterable[Message]) -> Iterator[Packet]:
    """All Socket.IO packets; Engine.IO's own (open, ping, noop) are passed over."""
    waiting: list[Any] = []
    attachments: list[bytes] = []
    due = 0
    for message in messages:
        if isinstance(message, bytes):
            attachments.append(message)
            if len(attachments) == due:
                kind, namespace, ack_id, data = waiting
                yield Packet(kind, namespace, ack_id, _put_back(data, attachments))
                attachments, due = [], 0
            continue
        if message[:1] != "4":
            continue
        if due:
            raise ValueError(f"{due - len(attachments)} attachments are missing")
        head = _HEAD.match(message, 1)
        if head is None:
            raise ValueError(f"not a Socket.IO packet: {message[:80]!r}")
        kind, rest = KINDS[int(head[1])], message[head.end() :]
        fields = (kind, head[3] or "/", int(head[4]) if head[4] else None, json.loads(rest) if rest else None)
        due = int(head[2] or 0)
        if due:
            waiting = list(fields)
        else:
            yield Packet(*fields)


def _put_back(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, list):
        return [_put_back(item, attachments) for item in data]
    if isinstance(data, dict):
        if data.get("_placeholder"):
            return attachments[data["num"]]
        return {key: _put_back(item, attachments) for key, item in data.items()}
    return data
