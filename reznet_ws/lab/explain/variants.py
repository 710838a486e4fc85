"""Variants of a payload: timestamps by themselves, another team's spelling, and the mark on every message.

In: data of messages. Out: the same data, changed.
Never: repairs what it changes: some of these lose something, which is what they are here to show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reznet_ws.message.fields import TIMESTAMPS, abbreviate, ms_from_iso
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
