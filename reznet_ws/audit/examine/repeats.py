"""What comes again in a capture: keys, values, whole payloads.

In: messages. Out: counts and bytes, and the names of keys that may be shown.
Never: keeps a value: a set of 64-bit hashes, salted anew in each run, tells whether one was there before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from reznet_ws.audit.examine.binary_json import json_in
from reznet_ws.audit.examine.findings import KeyRepeat, Repeats
from reznet_ws.audit.examine.names import HIDDEN, Names
from reznet_ws.audit.read.spool import Kept
from reznet_ws.deflate.frame import BINARY

# A set of as many hashes takes 30 MB.
_MAX_HASHES = 400_000
_MAX_MESSAGES = 30_000
_MAX_KEYS = 20_000
_SHOWN_KEYS = 40
# Shorter values cost less than what points back to them.
_LEAST_CHARACTERS = 4
_HASH_BYTES = 8
_QUOTES_AND_COLON = 3


def find_repeats(messages: Iterable[Kept], names: Names) -> Repeats:
    """Look at messages until the bounds are reached."""
    counter = _Counter()
    is_everything = True
    for kept in messages:
        if counter.messages >= _MAX_MESSAGES or counter.is_full:
            is_everything = False
            break
        counter.add(kept)
    shown: Counter[str] = Counter()
    shown_bytes: Counter[str] = Counter()
    for key, count in counter.keys.items():
        name = names.key(key)
        shown[name] += count
        shown_bytes[name] += count * key_bytes(key)
    if counter.other_keys:
        shown[HIDDEN] += counter.other_keys
        shown_bytes[HIDDEN] += counter.other_key_bytes
    top = sorted(shown, key=lambda name: (-shown_bytes[name], name))[:_SHOWN_KEYS]
    return Repeats(
        messages=counter.messages,
        json_bytes=counter.json_bytes,
        keys=tuple(KeyRepeat(name, shown[name], shown_bytes[name]) for name in top),
        key_bytes=shown_bytes.total(),
        values=counter.values,
        value_bytes=counter.value_bytes,
        repeated_values=counter.repeated_values,
        repeated_value_bytes=counter.repeated_value_bytes,
        payloads=counter.messages,
        repeated_payloads=counter.repeated_payloads,
        repeated_payload_bytes=counter.repeated_payload_bytes,
        is_everything=is_everything,
        binary_bytes=counter.binary_bytes,
        binary_json_bytes=min(counter.binary_bytes, counter.binary_json_bytes),
    )


def key_bytes(key: str) -> int:
    """What a key takes in JSON, with its quotes and its colon."""
    return len(key.encode(errors="surrogatepass")) + _QUOTES_AND_COLON


class _Counter:
    def __init__(self) -> None:
        self.messages = self.json_bytes = 0
        self.keys: Counter[str] = Counter()
        self.other_keys = self.other_key_bytes = 0
        self.values = self.value_bytes = self.repeated_values = self.repeated_value_bytes = 0
        self.repeated_payloads = self.repeated_payload_bytes = 0
        self.binary_bytes = self.binary_json_bytes = 0
        self._seen: set[bytes] = set()
        self._salt = os.urandom(16)

    @property
    def is_full(self) -> bool:
        return len(self._seen) >= _MAX_HASHES

    def add(self, kept: Kept) -> None:
        frames = kept.frames
        size = sum(len(data) for _, data in frames)
        self.messages += 1
        self.json_bytes += size
        if self._is_repeated(b"payload", *(data for _, data in frames)):
            self.repeated_payloads += 1
            self.repeated_payload_bytes += size
        if kept.args is not None:
            self._walk(list(kept.args))
        else:
            for opcode, data in frames:
                self._walk(data if opcode is BINARY else json_in(data))
        self.binary_bytes += sum(len(data) for opcode, data in frames if opcode is BINARY)

    def _walk(self, root: Any) -> None:
        stack = [root]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack.extend(value.values())
                for key in value:
                    if key in self.keys or len(self.keys) < _MAX_KEYS:
                        self.keys[key] += 1
                    else:
                        self.other_keys += 1
                        self.other_key_bytes += key_bytes(key)
            elif isinstance(value, list):
                stack.extend(value)
            elif isinstance(value, bytes):
                within = json_in(value)
                if within is not None:
                    self.binary_json_bytes += len(value)
                    stack.append(within)
            elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
                self._count(value)

    def _count(self, value: str | int | float) -> None:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        if len(text) < _LEAST_CHARACTERS + 2 * isinstance(value, str):
            return
        body = text.encode(errors="surrogatepass")
        self.values += 1
        self.value_bytes += len(body)
        if self._is_repeated(b"value", body):
            self.repeated_values += 1
            self.repeated_value_bytes += len(body)

    def _is_repeated(self, kind: bytes, *parts: bytes) -> bool:
        digest = hashlib.blake2b(key=self._salt, digest_size=_HASH_BYTES, person=kind)
        for part in parts:
            digest.update(b"%d " % len(part))
            digest.update(part)
        found = digest.digest()
        if found in self._seen:
            return True
        if not self.is_full:
            self._seen.add(found)
        return False
