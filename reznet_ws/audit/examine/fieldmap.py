"""Which abbreviations would pay on this traffic, and whether they still do behind a compressor.

In: a sample, and which keys may be shown. Out: a map without collisions, and the bytes with and without it, as they
would be sent.
Never: proposes what format 2 could not undo: every abbreviation is new to this traffic, to the built-in map and to the
marks of format 2 (`_v`, `gz`, `~`).
"""

from __future__ import annotations

import itertools
import json
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reznet_ws.audit.examine.departures import Departure, EncodedMessage, depart, encode
from reznet_ws.audit.examine.names import HIDDEN, Names
from reznet_ws.audit.examine.replayed import Abbreviation, FieldMap
from reznet_ws.audit.read.spool import Kept
from reznet_ws.message.fields import ESCAPE, FIELD_MAP, GZIP_KEY, VERSION_KEY
from reznet_ws.message.json_text import split_attachments
from reznet_ws.message.packet import Message
from reznet_ws.message.payload import FORMAT, Payload
from reznet_ws.replay.link import Link
from reznet_ws.settings import Settings

_MOST_ENTRIES = 40
_LEAST_SAVED_BYTES = 50
# What an abbreviation must take off to be worth clients that decode it.
WORTH_PERCENT = 2.0

_PLAIN = Settings.off().replace(utf8=True)
_DEFLATED = _PLAIN.replace(deflate=True)


def propose(sample: Sequence[Sequence[Kept]], names: Names) -> FieldMap:
    """A field map for the sample's keys, and what it would be worth."""
    counts, present = _count_keys(kept for connection in sample for kept in connection)
    shorts = choose_shorts({key: count for key, count in counts.items() if names.key(key) != HIDDEN}, present)
    builtin = _PLAIN.replace(abbreviate=True)
    plain = deflated = builtin_plain = builtin_deflated = proposed_plain = proposed_deflated = 0
    for connection in sample:
        encoded = list(encode(connection, _PLAIN))
        plain_bytes, deflated_bytes = _send(encoded)
        plain, deflated = plain + plain_bytes, deflated + deflated_bytes
        plain_bytes, deflated_bytes = _send(encode(connection, builtin))
        builtin_plain, builtin_deflated = builtin_plain + plain_bytes, builtin_deflated + deflated_bytes
        plain_bytes, deflated_bytes = _send(_abbreviated(encoded, shorts))
        proposed_plain, proposed_deflated = proposed_plain + plain_bytes, proposed_deflated + deflated_bytes
    entries = (
        Abbreviation(names.key(key), names.key_like(short), counts[key], counts[key] * (_size(key) - _size(short)))
        for key, short in shorts.items()
    )
    return FieldMap(
        entries=tuple(sorted(entries, key=lambda entry: (-entry.saved_bytes, entry.key))),
        plain_bytes=plain,
        plain_builtin_bytes=builtin_plain,
        plain_proposed_bytes=proposed_plain,
        deflated_bytes=deflated,
        deflated_builtin_bytes=builtin_deflated,
        deflated_proposed_bytes=proposed_deflated,
        pays_plain=_pays(plain, proposed_plain),
        pays_deflated=_pays(deflated, proposed_deflated),
        worth_percent=WORTH_PERCENT,
    )


def choose_shorts(counts: Mapping[str, int], present: Iterable[str]) -> dict[str, str]:
    """The keys worth a short name, most bytes first, each with one that nothing else has.

    `present`: every key of the traffic, so that none gets a second meaning.
    """
    taken = {*present, *FIELD_MAP, *FIELD_MAP.values(), VERSION_KEY, GZIP_KEY}
    shorts: dict[str, str] = {}
    for key in sorted(counts, key=lambda key: (-counts[key] * _size(key), key)):
        if key.startswith(ESCAPE) or key in (VERSION_KEY, GZIP_KEY):
            continue  # format 2 escapes these
        short = next(name for name in _candidates(key) if name not in taken)
        if counts[key] * (_size(key) - _size(short)) < _LEAST_SAVED_BYTES:
            continue
        shorts[key] = short
        taken.add(short)
        if len(shorts) == _MOST_ENTRIES:
            break
    return shorts


def shorten(value: Any, shorts: Mapping[str, str]) -> Any:
    """Every key that has a short name gets it, at every depth."""
    if isinstance(value, dict):
        return {shorts.get(key, key): shorten(item, shorts) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item, shorts) for item in value]
    return value


def _candidates(key: str) -> Iterator[str]:
    """Its first letter, the initials of its words, then any letters: for `created_at` `c`, `ca`, `a`, `b`, ..."""
    words = [word for word in "".join(c if c.isalnum() else " " for c in key).split() if word]
    initials = "".join(word[0] for word in words).lower()
    if initials:
        yield initials[0]
        yield initials
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)


def _count_keys(messages: Iterable[Kept]) -> tuple[Counter[str], set[str]]:
    """How often each key comes where format 2 could abbreviate it (in arguments that are objects), and all keys."""
    counts: Counter[str] = Counter()
    present: set[str] = set()
    for kept in messages:
        for arg in kept.args or ():
            keys = list(_keys(arg))
            present.update(keys)
            if isinstance(arg, dict):
                counts.update(keys)
    return counts, present


def _keys(root: Any) -> Iterator[str]:
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield from value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _abbreviated(encoded: Iterable[EncodedMessage], shorts: Mapping[str, str]) -> Iterator[EncodedMessage]:
    """The same messages with another map, each only where it is shorter, as `PayloadOptimizer` does."""
    for kept, message in encoded:
        if message is None:
            yield EncodedMessage(kept, None)
            continue
        payloads = tuple(_shorter(payload, shorts) for payload in message.payloads)
        yield EncodedMessage(kept, Message(message.event, payloads, message.namespace))


def _shorter(payload: Payload, shorts: Mapping[str, str]) -> Payload:
    if not isinstance(payload.value, dict):
        return payload
    value = {**shorten(payload.value, shorts), VERSION_KEY: FORMAT}
    text, attachments = split_attachments(value, utf8=True)
    size = len(text.encode()) + sum(map(len, attachments))
    if size >= payload.encoded_bytes:
        return payload
    return Payload(value, None if attachments else text, payload.plain_bytes, size, size, size)


def _send(encoded: Iterable[EncodedMessage]) -> tuple[int, int]:
    plain, deflated = Link(_PLAIN), Link(_DEFLATED)
    departures: Iterator[Departure] = depart(encoded, _PLAIN)
    frames: Iterator[tuple[int, bytes]] = (frame for departure in departures for frame in departure.frames)
    plain_bytes = deflated_bytes = 0
    for opcode, data in frames:
        plain_bytes += plain.carry(opcode, data)
        deflated_bytes += deflated.carry(opcode, data)
    return plain_bytes, deflated_bytes


def _pays(before: int, after: int) -> bool:
    return after <= before * (1 - WORTH_PERCENT / 100)


def _size(key: str) -> int:
    return len(json.dumps(key, ensure_ascii=False).encode(errors="surrogatepass"))
