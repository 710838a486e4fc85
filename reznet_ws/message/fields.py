"""Layer 1: short keys for known fields, milliseconds for timestamps, and the way back.

In: a JSON value (bytes are let through, for Socket.IO's attachments). Out: a new JSON value; the input stays as it is.
Never: loses a key. What collides with an abbreviation gets a `~` in front and loses it on the way back.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

FIELD_MAP = {
    # Messages
    "message_id": "mid",
    "channel_id": "cid",
    "author_type": "at",
    "author_name": "an",
    "author_id": "aid",
    "content": "c",
    "created_at": "ts",
    "updated_at": "uts",
    "metadata": "m",
    # Agents
    "agent_name": "ag",
    "agent_id": "agid",
    "status": "s",
    # Workflows
    "workflow_id": "wid",
    "description": "d",
    "orchestrator": "orch",
    "plan": "p",
    "total_tasks": "tt",
    "tasks": "t",
    "order": "o",
    "depends_on": "dep",
    # LLM metadata
    "model": "mdl",
    "provider": "prv",
    "in_reply_to": "irt",
    "tokens": "tok",
    # Streaming
    "chunk": "ch",
    "is_final": "fin",
    "streaming": "str",
}

EXPANSIONS = {short: full for full, short in FIELD_MAP.items()}
TIMESTAMPS = frozenset({"created_at", "updated_at"})
ESCAPE = "~"
# `_v` marks the format and `gz` a gzipped payload; a key of the application's that looks like either is escaped.
VERSION_KEY, GZIP_KEY = "_v", "gz"
_COLLIDING = frozenset({*EXPANSIONS, VERSION_KEY, GZIP_KEY})

# Deeper nesting is refused, so that no value can exhaust the stack (Python's own limit is 1000 frames).
MAX_DEPTH = 256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MIN_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_MAX_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)


class PayloadError(ValueError):
    """Data that JSON cannot carry: names the path to the value and, once known, the event."""

    def __init__(self, path: str, reason: str, event: str | None = None) -> None:
        super().__init__(f"{event or 'payload'}: {path} {reason}")
        self.path, self.reason, self.event = path, reason, event


class DecodeError(ValueError):
    """A payload that claims to be format 2 and is not: cut, forged or too large."""


def abbreviate(value: Any) -> Any:
    """Shorten the known keys and timestamps at every depth.

    Shape: JSON value -> JSON value. Raises: PayloadError for what JSON lacks (NaN, other types, keys that are no
    strings, cycles, more than `MAX_DEPTH` levels).
    """
    return _walk(value, shorten=True)


def check(value: Any) -> Any:
    """Copy a value as JSON sees it: tuples become lists. Raises: PayloadError, as `abbreviate` does."""
    return _walk(value, shorten=False)


def expand(value: Any) -> Any:
    """Undo `abbreviate`. Raises: DecodeError for a value that `abbreviate` cannot have made."""
    return _expand(value, 0)


def ms_from_iso(text: str) -> int | None:
    """Milliseconds since the epoch, or None where `iso_from_ms` would not give the same string back."""
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    ms = (moment - _EPOCH) // _MILLISECOND
    return ms if iso_from_ms(ms) == text else None


def iso_from_ms(ms: int) -> str:
    """The string that JavaScript's `Date.prototype.toISOString` gives for years 1 to 9999. Raises: DecodeError."""
    if isinstance(ms, bool) or not isinstance(ms, int) or not _MIN_MS <= ms <= _MAX_MS:
        # Not its repr: that of what was forged can be endless, or nested too deep to be made.
        raise DecodeError("a timestamp is a whole number of milliseconds, from year 1 to 9999")
    moment = _EPOCH + ms * _MILLISECOND
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


# What is copied as it is: most of what there is, so it is told apart without a call.
_ATOMS = frozenset({str, int, bool, bytes, type(None)})


def _walk(value: Any, *, shorten: bool) -> Any:
    try:
        return _copy(value, shorten, ())
    except _NotJson as refused:
        path = "$" + "".join(reversed(refused.steps))
        raise PayloadError(path, refused.reason) from None


class _NotJson(Exception):
    """Carries the path up while the walk unwinds, so that the good case builds none."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.steps: list[str] = []


def _copy(value: Any, shorten: bool, parents: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (str, int, bytes)):
        return value
    if isinstance(value, bytearray):
        return bytes(value)  # a buffer may be filled again before its message leaves
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise _NotJson(f"is {value!r}, which JSON lacks")
    if not isinstance(value, (dict, list, tuple)):
        raise _NotJson(f"is of type {type(value).__name__}, which JSON lacks")
    if id(value) in parents:
        raise _NotJson("contains itself")
    if len(parents) == MAX_DEPTH:
        raise _NotJson(f"is nested deeper than {MAX_DEPTH} levels")
    parents = (*parents, id(value))
    if isinstance(value, dict):
        return _copy_object(value, shorten, parents)
    copied = []
    for index, item in enumerate(value):
        try:
            copied.append(item if type(item) in _ATOMS else _copy(item, shorten, parents))
        except _NotJson as refused:
            refused.steps.append(f"[{index}]")
            raise
    return copied


def _copy_object(value: dict[Any, Any], shorten: bool, parents: tuple[int, ...]) -> dict[str, Any]:
    copied = {}
    for key, item in value.items():
        new_key = key
        if type(key) is not str:
            if not isinstance(key, str):
                raise _NotJson(f"has the key {key!r}, which is not a string")
            new_key = str.__str__(key)  # an enum's member may have the hash of another text
        if shorten:
            known = FIELD_MAP.get(new_key)
            if known is not None:
                if new_key not in TIMESTAMPS:
                    new_key = known
                elif isinstance(item, str) and (ms := ms_from_iso(item)) is not None:
                    new_key, item = known, ms
            elif new_key in _COLLIDING or new_key.startswith(ESCAPE):
                new_key = ESCAPE + new_key
        try:
            copied[new_key] = item if type(item) in _ATOMS else _copy(item, shorten, parents)
        except _NotJson as refused:
            refused.steps.append(f".{key}")
            raise
    return copied


def _expand(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise DecodeError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_expand(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    expanded = {}
    for key, item in value.items():
        full = EXPANSIONS.get(key)
        if full is None:
            full = key.removeprefix(ESCAPE)
        elif full in TIMESTAMPS:
            item = iso_from_ms(item)
        if full in expanded:
            raise DecodeError(f"the key {full!r} comes twice")
        expanded[full] = _expand(item, depth + 1)
    return expanded
