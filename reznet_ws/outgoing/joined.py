"""Texts in pieces on their way: those of one batch as one event.

In: encoded events that travel together. Out: the same, with pieces of one text as one event that is encoded anew.
Never: looks at what an application emitted, which it may have changed since: it goes by the text that was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reznet_ws.message.joining import Chunk, join_chunks, join_runs
from reznet_ws.message.packet import prefix
from reznet_ws.outgoing.encoder import Outgoing
from reznet_ws.settings import Join

# Shape: event, data, namespace -> the event in both formats.
EncodeAgain = Callable[[str, Any, str], Outgoing]


def join_batch(batch: Sequence[Outgoing], rules: Mapping[str, Join], encode: EncodeAgain) -> Sequence[Outgoing]:
    """Each piece is booked as it was emitted: a joined event has the shares of all its pieces."""
    if len(batch) < 2 or not any(outgoing.event in rules for outgoing in batch):
        return batch
    chunks = [_chunk(outgoing, rules.get(outgoing.event)) for outgoing in batch]
    joined = []
    for run in join_runs(chunks):
        pieces = [batch[number] for number in run]
        if len(run) > 1:
            found = [chunk for number in run if (chunk := chunks[number]) is not None]
            joined.append(_as_one(pieces, encode(pieces[0].event, join_chunks(found), pieces[0].namespace)))
        else:
            joined.append(pieces[0])
    return joined


def _chunk(outgoing: Outgoing, rule: Join | None) -> Chunk | None:
    """What may be joined: an event with one object, without attachments, that is not sent as it is."""
    parts, head = outgoing.plain.parts, len("2" + prefix(outgoing.namespace))
    if rule is None or not outgoing.may_join or len(parts) != 1 or not isinstance(parts[0], str):
        return None
    _, *args = json.loads(parts[0][head:])
    return Chunk(rule, outgoing.namespace, args[0]) if len(args) == 1 and isinstance(args[0], dict) else None


def _as_one(pieces: Sequence[Outgoing], whole: Outgoing) -> Outgoing:
    """The first piece's share has the weight of all."""
    for made, shares in (
        (whole.plain, [piece.plain.shares[0] for piece in pieces]),
        (whole.short, [piece.short.shares[0] for piece in pieces]),
    ):
        made.shares = [
            share._replace(weight=0 if number else made.shares[0].weight) for number, share in enumerate(shares)
        ]
    return whole
