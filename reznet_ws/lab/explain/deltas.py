"""Three well-known ways to send what changed since the last message of an event, to hold against rows.

In: two values or texts; or events. Out: what travels in place of the second, and the second again; packets.
Never: leaves anything out that its receiver could not restore: what does not come back exactly travels whole.

RFC 7396 (merge patch), RFC 6902 (JSON patch), and copies and insertions in a text as in Fossil's delta format, which
Centrifugo offers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reznet_ws.message.json_text import dumps
from reznet_ws.replay.rows_lines import packet_of
from reznet_ws.replay.trace import Event

# Of a text that is looked up in another; Fossil's, too.
_BLOCK_CHARS = 16
# The event that says that a delta follows.
_DELTA_MARK = "~"
Delta = tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]


def merge_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The keys that changed with their values, and null for those that went. Source: RFC 7396."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key in old and isinstance(value, dict) and isinstance(old[key], dict):
            inner = merge_patch(old[key], value)
            if inner:
                patch[key] = inner
        elif key not in old or not _same(value, old[key]):
            patch[key] = value
    return patch


def apply_merge_patch(old: Any, patch: Any) -> Any:
    """The second value again. Source: RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge_patch(result.get(key), value)
    return result


def json_patch(old: Any, new: Any, path: str = "") -> list[dict[str, Any]]:
    """One operation for each leaf that changed; lists of different lengths are replaced. Source: RFC 6902."""
    if isinstance(old, dict) and isinstance(new, dict):
        steps = [{"op": "remove", "path": path + _token(key)} for key in old if key not in new]
        for key, value in new.items():
            if key in old:
                steps += json_patch(old[key], value, path + _token(key))
            else:
                steps.append({"op": "add", "path": path + _token(key), "value": value})
        return steps
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            step
            for number, pair in enumerate(zip(old, new, strict=True))
            for step in json_patch(*pair, f"{path}/{number}")
        ]
    return [] if _same(old, new) else [{"op": "replace", "path": path, "value": new}]


def apply_json_patch(old: Any, steps: list[dict[str, Any]]) -> Any:
    """The second value again. Source: RFC 6902 section 4."""
    root = {"": copy.deepcopy(old)}
    for step in steps:
        at: Any = root
        *way, last = ["", *(part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:])]
        for part in way:
            at = at[int(part) if isinstance(at, list) else part]
        if step["op"] == "remove":
            del at[last]
        else:
            at[int(last) if isinstance(at, list) else last] = step["value"]
    return root[""]


def text_delta(old: str, new: str) -> str:
    """Copies as `length@place,` and insertions as `length:text`."""
    places = {old[at : at + _BLOCK_CHARS]: at for at in range(0, len(old) - _BLOCK_CHARS + 1, _BLOCK_CHARS)}
    parts, done, at = [], 0, 0
    while at + _BLOCK_CHARS <= len(new):
        place = places.get(new[at : at + _BLOCK_CHARS])
        if place is None:
            at += 1
            continue
        while at > done and place and old[place - 1] == new[at - 1]:
            place, at = place - 1, at - 1
        length = _BLOCK_CHARS
        while new[at + length : at + length + 1] == old[place + length : place + length + 1] != "":
            length += 1
        parts += [_insertion(new[done:at]), f"{length}@{place},"]
        done = at = at + length
    return "".join([*parts, _insertion(new[done:])])


def apply_text_delta(old: str, delta: str) -> str:
    """The second text again."""
    parts, at = [], 0
    while at < len(delta):
        sign = min(found for found in (delta.find("@", at), delta.find(":", at)) if found >= 0)
        length = int(delta[at:sign])
        if delta[sign] == ":":
            parts.append(delta[sign + 1 : sign + 1 + length])
            at = sign + 1 + length
        else:
            end = delta.index(",", sign)
            place = int(delta[sign + 1 : end])
            parts.append(old[place : place + length])
            at = end + 1
    return "".join(parts)


DELTAS: Mapping[str, Delta] = {
    "merge patch": (merge_patch, apply_merge_patch),
    "JSON patch": (json_patch, apply_json_patch),
    "text delta": (
        lambda old, new: text_delta(dumps(old, utf8=True), dumps(new, utf8=True)),
        lambda old, delta: apply_text_delta(dumps(old, utf8=True), delta),
    ),
}


def delta_packets(events: Iterable[Event], delta: Delta) -> Iterator[str]:
    """A packet for each event: what changed since the last one of its name, where that is shorter and comes back
    exactly; else the event whole."""
    make, restore = delta
    before: dict[str, Any] = {}
    for event, data in events:
        whole = packet_of(event, data)
        packet = whole
        if event in before:
            change = make(before[event], data)
            shorter = packet_of(event + _DELTA_MARK, change)
            again = restore(before[event], change)
            text = again if isinstance(again, str) else dumps(again, utf8=True)
            if len(shorter) < len(whole) and text == dumps(data, utf8=True):
                packet = shorter
        before[event] = data
        yield packet


def _insertion(text: str) -> str:
    return f"{len(text)}:{text}" if text else ""


def _same(one: Any, other: Any) -> bool:
    """In JSON: 1 is not true, and 1.0 is not 1."""
    return one is other or (type(one) is type(other) and dumps(one, utf8=True) == dumps(other, utf8=True))


def _token(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")
