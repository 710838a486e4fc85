"""JSON Lines of events, and lines that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import event_names, exactly, json_values

from reznet_ws.audit.read.capture import Direction, Item, Kind, Opened, Problem, Record
from reznet_ws.audit.read.jsonl import is_event_line, read_jsonl
from reznet_ws.audit.read.protocol import ProtocolDecoder
from reznet_ws.audit.read.source import Capture, Source


def read(folder: Path, *lines: str | bytes | dict[str, Any]) -> list[Item]:
    path = folder / "capture.jsonl"
    path.write_bytes(
        b"\n".join(
            line if isinstance(line, bytes) else line.encode() if isinstance(line, str) else json.dumps(line).encode()
            for line in lines
        )
    )
    return list(read_jsonl(Source(path, Capture())))


def event(name: str = "a", way: str = "in", **more: Any) -> dict[str, Any]:
    return {"event": name, "dir": way, **more}


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def test_a_line_is_an_event(tmp_path: Path) -> None:
    items = read(tmp_path, event(data={"é": 1}, ts_ms=1000), "", event("b", "out", ts_ms=1250.5, namespace="/n"))
    assert items == [
        Opened(1, "", str(tmp_path / "capture.jsonl"), 4),
        Record(1, Direction.RECEIVED, Kind.EVENT, ('42["a",{"é":1}]',), 0.0, event="a", args=({"é": 1},)),
        Record(1, Direction.SENT, Kind.EVENT, ('42/n,["b"]',), 250.5, event="b", namespace="/n"),
    ]


def test_each_stream_is_a_connection_whose_name_is_not_shown(tmp_path: Path) -> None:
    streams: list[Any] = ["user-7", 1, "1", "user-7", None, {"a": 1}]
    items = read(tmp_path, *(event(stream=stream) for stream in streams), event())
    assert [record.connection for record in records(items)] == [1, 2, 3, 1, 4, 5, 4]
    assert not [item for item in items if "user-7" in repr(item)]


def test_without_times_there_is_no_clock(tmp_path: Path) -> None:
    assert [record.time_ms for record in records(read(tmp_path, event(), event(ts_ms=5), event()))] == [None, 0.0, None]


BROKEN: dict[str, str | bytes | dict[str, Any]] = {
    "not JSON: Expecting": '{"event":',
    "not JSON: Extra data": '{"event":"a","dir":"in"} x',
    "not UTF-8": b'{"event":"\xff"}',
    "no object": "[1]",
    '"event" must': {"dir": "in"},
    '"dir" must': {"event": "a"},
    '"dir" must be': event(way="up"),
    '"dir" must be "in"': {"event": "a", "dir": ["in"]},
    '"namespace" must': event(namespace="chat"),
    '"namespace" must be': event(namespace="/a,b"),
    '"ts_ms" must': event(ts_ms="1"),
    '"ts_ms" must be': event(ts_ms=True),
    '"ts_ms" must be a number': '{"event":"a","dir":"in","ts_ms":1' + "0" * 400 + "}",
    '"ts_ms" must be a number of': event(ts_ms=-1e16),
    "no NaN": '{"event":"a","dir":"in","data":NaN}',
    "no Infinity": '{"event":"a","dir":"in","ts_ms":Infinity}',
    "Out of range": '{"event":"a","dir":"in","data":1e999}',
    "a number in it has more digits than are read": '{"event":"a","dir":"in","data":' + "9" * 5000 + "}",
    "nested": '{"event":"a","dir":"in","data":' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize(("reason", "broken"), BROKEN.items(), ids=BROKEN)
def test_a_broken_line_is_told_with_its_number_and_the_rest_counts(
    tmp_path: Path, reason: str, broken: str | bytes | dict[str, Any]
) -> None:
    items = read(tmp_path, event("before"), "", broken, event("after"))
    assert [record.event for record in records(items)] == ["before", "after"]
    [problem] = [item for item in items if isinstance(item, Problem)]
    assert problem.position == "line 3"
    assert reason in problem.reason
    assert problem.reason.endswith("left out")


def test_a_key_that_comes_twice_is_told_and_the_last_counts(tmp_path: Path) -> None:
    items = read(tmp_path, '{"event":"a","dir":"in","data":{"k":1,"k":2}}')
    assert records(items)[0].args == ({"k": 2},)
    assert [item.reason for item in items if isinstance(item, Problem)] == [
        "a key comes twice in one object; the last counts"
    ]


def test_lone_surrogates_are_kept_escaped(tmp_path: Path) -> None:
    [record] = records(read(tmp_path, '{"event":"a","dir":"in","data":"\\ud800é"}'))
    assert record.args == ("\ud800é",)
    assert record.parts == ('42["a","\\ud800\\u00e9"]',)


def test_a_line_of_50_mb_is_read_and_one_above_the_limit_is_passed_over(tmp_path: Path) -> None:
    large = json.dumps(event(data="x" * (50 * 2**20)))
    items = read(tmp_path, large, "y" * (70 * 2**20), event("after"))
    assert [record.event for record in records(items)] == ["a", "after"]
    assert [item.position for item in items if isinstance(item, Problem)] == ["line 2"]


@given(event_names, json_values, st.sampled_from(["/", "/chat"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_frame_says_what_the_line_said(tmp_path: Path, name: str, data: Any, namespace: str) -> None:
    line = event(name, data=data, namespace=namespace)
    [record] = records(read(tmp_path, line))
    [frame] = record.parts
    [decoded] = ProtocolDecoder(1, 4).frame(Direction.RECEIVED, frame)
    assert exactly(decoded) == exactly(record)
    assert (record.event, record.namespace) == (name, namespace)
    assert exactly(record.args) == exactly((data,))
    assert is_event_line(json.dumps(line).encode())


def test_other_lines_are_no_events() -> None:
    assert not any(map(is_event_line, [b"", b"[]", b'{"log":{}}', b"event", b'"event"', b"[" * 100_000, b"\xff"]))
