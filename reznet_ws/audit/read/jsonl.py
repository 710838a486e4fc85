"""Captures that are lines of `{"event", "data", "ts_ms", "dir"}`.

In: a file; `dir` is "in" or "out" as the client sees it, `stream` names a connection and `namespace` a namespace, where
there is more than one; `ts_ms` may also be seconds since 1970 or a date, which is told by the first of each stream.
Out: records of events, whose frame is written as a JavaScript client would.
Never: ends at a line that is broken.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, NoReturn

from reznet_ws.audit.read.capture import Direction, Item, Kind, Record
from reznet_ws.audit.read.clock import MAX_MOMENT_MS, ValueClock, parse_date
from reznet_ws.audit.read.source import Source, TooManyConnections
from reznet_ws.message.json_text import dumps

_DIRECTIONS = {"in": Direction.RECEIVED, "out": Direction.SENT}


class _NoEvent(Exception):
    """Why a line is no event."""


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    args: tuple[Any, ...]
    direction: Direction
    moment: float | str | None
    stream: bytes
    namespace: str


def read_jsonl(source: Source) -> Iterator[Item]:
    """The events of a JSON Lines file, one connection for each `stream`."""
    connections: dict[bytes, tuple[int, ValueClock]] = {}
    for number, content in source.lines():
        if content is not None and not content.strip():
            continue
        position = f"line {number}"
        if content is None:
            yield source.problem(position, "it is longer than 64 MB; left out")
            continue
        try:
            line, repeated = _parsed(content)
            event = _event(line)
            # A number beyond what a float holds reads as infinity.
            json.dumps(event.args, default=str, allow_nan=False)
            text = dumps([event.name, *event.args], utf8=True)
        except (_NoEvent, ValueError) as error:
            yield source.problem(position, f"{error}; left out")
            continue
        except RecursionError:
            yield source.problem(position, "it is nested too deep; left out")
            continue
        if repeated:
            yield source.problem(position, "a key comes twice in one object; the last counts")
        if event.stream not in connections:
            try:
                connection, _ = source.connect()
            except TooManyConnections as error:
                yield source.problem(position, str(error))
                return
            connections[event.stream] = connection, ValueClock("milliseconds")
            # A stream's name may be a user's, so it is no address.
            yield source.opened(connection, "", engineio=4)
        connection, clock = connections[event.stream]
        at_ms = None if event.moment is None else clock.ms(event.moment)
        prefix = "" if event.namespace == "/" else f"{event.namespace},"
        yield Record(
            connection=connection,
            direction=event.direction,
            kind=Kind.EVENT,
            parts=(f"42{prefix}{text}",),
            time_ms=source.capture.since_first(at_ms),
            event=event.name,
            namespace=event.namespace,
            args=event.args,
        )
    guesses = Counter(clock.guess for _, clock in connections.values() if clock.guess)
    for guess, count in guesses.items():
        position = "the whole file" if count == len(connections) else f"{count} of {len(connections)} streams"
        yield source.assumed(position, f'"ts_ms": {guess}')


def is_event_line(content: bytes) -> bool:
    """Whether a line looks like one of ours, whatever else may be wrong with it."""
    try:
        line = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and "event" in line


def _parsed(content: bytes) -> tuple[Any, bool]:
    """The line's JSON, and whether a key comes twice in any object."""
    repeated = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        values = dict(pairs)
        repeated = repeated or len(values) < len(pairs)
        return values

    try:
        return json.loads(content, object_pairs_hook=unique, parse_constant=_refuse), repeated
    except UnicodeDecodeError:
        raise _NoEvent("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _NoEvent(f"it is not JSON: {error.msg} at column {error.colno}") from None
    except ValueError:
        raise _NoEvent("a number in it has more digits than are read") from None


def _refuse(constant: str) -> NoReturn:
    raise _NoEvent(f"JSON has no {constant}")


def _event(line: Any) -> _Event:
    if not isinstance(line, dict):
        raise _NoEvent("it is no object")
    name, way, namespace, moment = line.get("event"), line.get("dir"), line.get("namespace", "/"), line.get("ts_ms")
    if not isinstance(name, str):
        raise _NoEvent('"event" must be a text')
    if not isinstance(way, str) or way not in _DIRECTIONS:
        raise _NoEvent('"dir" must be "in" or "out"')
    if not isinstance(namespace, str) or not namespace.startswith("/") or "," in namespace:
        raise _NoEvent('"namespace" must be a text that begins with "/"')
    if isinstance(moment, str) and parse_date(moment) is None:
        raise _NoEvent('"ts_ms" must be a number of milliseconds, or a date')
    if not isinstance(moment, (str, NoneType)) and (
        type(moment) not in (int, float) or not abs(moment) <= MAX_MOMENT_MS
    ):
        raise _NoEvent(f'"ts_ms" must be a number of milliseconds, at most {MAX_MOMENT_MS:g}')
    return _Event(
        name=name,
        args=(line["data"],) if "data" in line else (),
        direction=_DIRECTIONS[way],
        moment=moment,
        stream=hashlib.blake2b(json.dumps(line.get("stream")).encode(), digest_size=16).digest(),
        namespace=namespace,
    )
