"""Variants of a payload: timestamps by themselves, another team's spelling, and the mark on every message.

In: data of messages. Out: the same data, changed.
Never: repairs what it changes: some of these lose something, which is what they are here to show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reznet_ws.message.fields import TIMESTAMPS, VERSION_KEY, abbreviate, iso_from_ms, ms_from_iso
from reznet_ws.message.payload import FORMAT

_MARK = "_w"


def shorten_timestamps(value: Any) -> Any:
    """Timestamps in ms at every depth, under their full keys."""
    if isinstance(value, list):
        return [shorten_timestamps(item) for item in value]
    if not isinstance(value, dict):
        return value
    shortened = {}
    for key, item in value.items():
        ms = ms_from_iso(item) if key in TIMESTAMPS and isinstance(item, str) else None
        shortened[key] = shorten_timestamps(item) if ms is None else ms
    return shortened


def shorten_always(value: Any) -> Any:
    """Abbreviated, and always with the mark, whether that pays or not.

    The mark is called `_w`, as long as `_v`: a payload that brings a `_v` of its own would be escaped on its way.
    """
    return {**abbreviate(value), _MARK: FORMAT}


def camel_case(value: Any) -> Any:
    """The same data as another team would spell it: `messageId` for `message_id`."""
    return _rename(value, _to_camel)


def _to_camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.capitalize() for part in others)


def _rename(value: Any, name: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_rename(item, name) for item in value]
    if isinstance(value, dict):
        return {name(key): _rename(item, name) for key, item in value.items()}
    return value


def seed_decode(data: Any) -> Any:
    """The document's `decodePayload`, line by line; what is undefined in JavaScript is left out.

    In its favour, dates count as equal to the strings that they came from.
    """
    if not isinstance(data, dict) or data.get("_v") != 2:
        return data
    metadata: dict[str, Any] = data.get("m") or {}
    decoded = {
        "message_id": data.get("mid"),
        "channel_id": data.get("cid"),
        "author_type": data.get("at"),
        "author_name": data.get("an"),
        "content": data.get("c"),
        "created_at": _iso(data.get("ts")),
        "metadata": _defined({"model": metadata.get("mdl"), "provider": metadata.get("prv"), **metadata}),
    }
    return _defined(decoded)


def _defined(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def mark(data: dict[str, Any]) -> dict[str, Any]:
    """What the document sends to everybody: short keys, and the flag beside them."""
    return {**abbreviate(data), VERSION_KEY: FORMAT}


def _iso(ms: Any) -> str | None:
    return iso_from_ms(ms) if isinstance(ms, int) else None
