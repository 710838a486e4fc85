"""HAR files of every make, and what no HAR should be."""

from __future__ import annotations

import base64
import itertools
import json
import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reznet_ws.audit.read import har, har_entries
from reznet_ws.audit.read.capture import Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.har import read_har
from reznet_ws.audit.read.source import Capture, Source

SAMPLE = Path(__file__).parents[2] / "notebooks" / "captures" / "agent-chat.har"
OPEN = '0{"sid":"s1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
BASE_S = 1_700_000_000.0


def message(data: str, at_s: float = 0, kind: str = "receive", opcode: int = 1) -> dict[str, Any]:
    return {"type": kind, "time": BASE_S + at_s, "opcode": opcode, "data": data}


def socket(messages: Sequence[Any], url: str = "ws://x/socket.io/?EIO=4&transport=websocket&sid=s1") -> dict[str, Any]:
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": messages,
        "request": {"method": "GET", "url": url},
        "response": {"status": 101, "content": {}},
        "startedDateTime": moment(0),
        "time": 3,
    }


def poll(received: str, at_s: float, took_ms: float = 0, *, sid: str = "s1", **content: Any) -> dict[str, Any]:
    return {
        "startedDateTime": moment(at_s),
        "time": took_ms,
        "request": {"method": "GET", "url": f"http://x/socket.io/?EIO=4&transport=polling&t=1{sid and f'&sid={sid}'}"},
        "response": {"status": 200, "content": {"text": received, **content}},
    }


def post(sent: str, at_s: float, sid: str = "s1") -> dict[str, Any]:
    entry = poll("ok", at_s, sid=sid)
    entry["request"] |= {"method": "POST", "postData": {"mimeType": "text/plain", "text": sent}}
    return entry


def moment(at_s: float) -> str:
    return f"2023-11-14T22:13:{20 + at_s:06.3f}Z"


def text_of(*entries: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "pages": [], "entries": entries}})


def read(path: Path, content: str | bytes) -> list[Item]:
    path = path / "capture.har"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_har(Source(path, Capture())))


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def problems(items: Sequence[Item]) -> list[tuple[str, str]]:
    return [(item.position, item.reason) for item in items if isinstance(item, Problem)]


# What the exports are like


def test_a_socket_is_opened_before_its_messages_and_named_without_its_query(tmp_path: Path) -> None:
    items = read(tmp_path, text_of(socket([message("2probe", 1, "send"), message('42["a",1]', 2.5)])))
    assert items[0] == Opened(1, "ws://x/socket.io/", str(tmp_path / "capture.har"), 4)
    assert items[1:] == [
        Record(1, Direction.SENT, Kind.PING, ("2probe",), 0.0),
        Record(1, Direction.RECEIVED, Kind.EVENT, ('42["a",1]',), 1500.0, event="a", args=(1,)),
    ]


@pytest.mark.parametrize("order", [*itertools.permutations(["_webSocketMessages", "request", "startedDateTime"])])
def test_keys_come_in_any_order(tmp_path: Path, order: Sequence[str]) -> None:
    entry = socket([message('42["a"]')])
    items = read(tmp_path, text_of({key: entry[key] for key in order}))
    assert [type(item) for item in items] == [Opened, Record]
    assert records(items)[0].event == "a"
    backwards = {"entries": [entry], "version": "1.2"}
    assert read(tmp_path, json.dumps({"log": backwards, "log2": 1})) == items


def test_binary_messages_are_base64(tmp_path: Path) -> None:
    data = base64.b64encode(b"\x00\xff").decode()
    entry = socket([message('451-["a",{"_placeholder":true,"num":0}]'), message(data, opcode=2)])
    [record] = records(read(tmp_path, text_of(entry)))
    assert record.args == (b"\x00\xff",)
    assert record.parts[1] == b"\x00\xff"


def test_what_is_no_message_of_the_application_is_passed_over(tmp_path: Path) -> None:
    others = [message("", opcode=8), message("", opcode=9), message("x", kind="error", opcode=-1)]
    items = read(tmp_path, text_of(socket([*others, {"type": "send", "data": "2"}])))
    assert [(record.kind, record.time_ms) for record in records(items)] == [(Kind.PING, None)]
    assert problems(items) == []


def test_milliseconds_are_told_from_seconds(tmp_path: Path) -> None:
    first, second, without = (message("2", at_s) for at_s in (1, 3, 4))
    first["time"] *= 1000
    second["time"] *= 1000
    without["time"] = -1
    found = records(read(tmp_path, text_of(socket([first, second, without]))))
    assert [record.time_ms for record in found] == [0.0, 2000.0, None]


def test_other_websockets_are_plain(tmp_path: Path) -> None:
    items = read(tmp_path, text_of(socket([message('42["a"]'), message("{}")], "wss://x/live?token=1")))
    assert items[0] == Opened(1, "wss://x/live", str(tmp_path / "capture.har"), None)
    assert [record.kind for record in records(items)] == [Kind.PLAIN, Kind.PLAIN]


def test_engineio_behind_a_changed_address_is_known_by_its_first_frame(tmp_path: Path) -> None:
    items = read(tmp_path, text_of(socket([message(OPEN), message('42["a"]', 1)], "wss://x/live")))
    assert [item.engineio for item in items if isinstance(item, Opened)] == [4]
    assert [record.kind for record in records(items)] == [Kind.OPEN, Kind.EVENT]


def test_sockets_are_numbered_as_they_stand(tmp_path: Path) -> None:
    entries = [socket([message("a")], f"ws://x/{name}") for name in "ab"]
    items = read(tmp_path, text_of(*entries, socket([], "ws://x/c")))
    assert [(item.connection, item.url) for item in items if isinstance(item, Opened)] == [
        (1, "ws://x/a"),
        (2, "ws://x/b"),
        (3, "ws://x/c"),
    ]
    assert problems(items) == []


# Long-polling


def test_long_polling_belongs_to_the_socket_it_became_in_order_of_time(tmp_path: Path) -> None:
    # As a browser writes them: by when they began, so the poll that waits comes before what it hears.
    items = read(
        tmp_path,
        text_of(
            poll(OPEN, 0, sid=""),
            poll('42["late"]', 0.1, took_ms=900),
            socket([message("2probe", 0.5, "send"), message('42["over"]', 2)]),
            post('40\x1e42["up"]', 0.2),
        ),
    )
    assert [(r.kind, r.event, r.transport, r.time_ms) for r in records(items)] == [
        (Kind.OPEN, None, Transport.POLLING, 0.0),
        (Kind.CONNECT, None, Transport.POLLING, 200.0),
        (Kind.EVENT, "up", Transport.POLLING, 200.0),
        (Kind.PING, None, Transport.WEBSOCKET, 500.0),
        (Kind.EVENT, "late", Transport.POLLING, 1000.0),
        (Kind.EVENT, "over", Transport.WEBSOCKET, 2000.0),
    ]
    assert [item.url for item in items if isinstance(item, Opened)] == ["ws://x/socket.io/"]
    assert {record.direction for record in records(items) if record.event == "up"} == {Direction.SENT}


def test_sessions_that_never_upgrade_are_told_apart(tmp_path: Path) -> None:
    other = OPEN.replace("s1", "s2")
    items = read(
        tmp_path,
        text_of(
            poll(OPEN, 0, sid=""), poll(other, 1, sid=""), post("40", 2), poll('42["a"]', 3, sid="s2"), poll("6", 4)
        ),
    )
    assert [(r.connection, r.kind) for r in records(items)] == [
        (1, Kind.OPEN),
        (1, Kind.CONNECT),
        (1, Kind.NOOP),
        (2, Kind.OPEN),
        (2, Kind.EVENT),
    ]
    assert [item.url for item in items if isinstance(item, Opened)] == ["http://x/socket.io/"] * 2


def test_a_response_may_be_base64(tmp_path: Path) -> None:
    encoded = base64.b64encode('42["é"]'.encode()).decode()
    items = read(tmp_path, text_of(poll(OPEN, 0, sid=""), poll(encoded, 1, encoding="base64")))
    assert [record.event for record in records(items)] == [None, "é"]


def test_the_third_revisions_bodies_are_read(tmp_path: Path) -> None:
    opening = OPEN.replace(',"maxPayload":1000000', "")
    entries = [poll(f"{len(opening)}:{opening}2:40", 0, sid=""), post('7:42["a"]', 1)]
    binary = poll(base64.b64encode(b'\x00\x07\xff42["b"]').decode(), 2, encoding="base64")
    for entry in (*entries, binary):
        entry["request"]["url"] = entry["request"]["url"].replace("EIO=4", "EIO=3")
    items = read(tmp_path, text_of(*entries, binary))
    assert [record.kind for record in records(items)] == [Kind.OPEN, Kind.CONNECT, Kind.EVENT, Kind.EVENT]
    assert [item.engineio for item in items if isinstance(item, Opened)] == [3]


def test_refused_requests_do_not_count(tmp_path: Path) -> None:
    refused = poll('{"code":1,"message":"Session ID unknown"}', 1)
    refused["response"]["status"] = 400
    assert len(records(read(tmp_path, text_of(poll(OPEN, 0, sid=""), refused)))) == 1


def test_more_long_polling_than_is_held_still_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har, "MAX_HELD_CHARACTERS", 150)
    entries = [poll(OPEN, 0, sid=""), *(poll(f'42["{name}"]', 1) for name in "abcdefgh")]
    found = records(read(tmp_path, text_of(*entries)))
    assert [record.event for record in found] == [None, *"abcdefgh"]


def test_the_sample_holds_two_tabs_of_one_conversation() -> None:
    items = list(read_har(Source(SAMPLE, Capture())))
    assert problems(items) == []
    assert [item.engineio for item in items if isinstance(item, Opened)] == [4, 4]
    for connection in (1, 2):
        found = [record for record in records(items) if record.connection == connection]
        moments = [record.time_ms for record in found if record.time_ms is not None]
        assert len(moments) == len(found) > 300
        assert moments == sorted(moments)
        assert 30_000 < moments[-1] < 60_000
        assert {Transport.POLLING, Transport.WEBSOCKET} == {record.transport for record in found}
        assert {Kind.EVENT, Kind.ACK, Kind.UPGRADE, Kind.OPEN} <= {record.kind for record in found}


def test_the_sample_holds_nothing_of_the_machine_it_was_recorded_on() -> None:
    log = json.loads(SAMPLE.read_text(encoding="utf-8"))["log"]
    for entry in log["entries"]:
        assert entry["request"]["url"].partition("/socket.io/")[0] in ("http://localhost:8000", "ws://localhost:8000")
        assert entry["request"]["headers"] == entry["response"]["headers"] == entry["request"]["cookies"] == []
        assert "serverIPAddress" not in entry


# What cannot be read


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"log":{}}', "no HAR file"),
        ('{"log":[]}', "no HAR file"),
        ('{"a":{"entries":[{}]}}', "no HAR file"),
        ("{}", "no HAR file"),
        ("[]", "no HAR file"),
        ("<html>", "no HAR file"),
        ("{" * 9, "no HAR file"),
        (text_of({"request": {"url": "https://x/"}}), "no WebSocket"),
        (text_of(), "no HAR file"),
        (text_of({"request": {"url": "wss://x/"}}), "without messages"),
        (text_of(poll("", 0)), "without content"),
    ],
)
def test_a_file_without_messages_says_why(tmp_path: Path, content: str, reason: str) -> None:
    items = read(tmp_path, content)
    assert all(isinstance(item, Problem) for item in items) or reason == "without content"
    assert [said for _, said in problems(items) if reason in said]


@given(st.integers(0, 10_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_file_cut_off_anywhere_keeps_what_came_before(tmp_path: Path, cut: int) -> None:
    whole = text_of(socket([message(f'42["é{number}"]') for number in range(9)])).encode()
    cut %= len(whole) - 1
    items = read(tmp_path, whole[:cut])
    everything = records(read(tmp_path, whole))
    found = records(items)
    assert [(said, len(found)) for said in problems(items)]
    if b'&sid=s1"' in whole[:cut]:
        assert found == everything
    else:  # its address was behind it, so nothing says that it is Engine.IO
        assert [record.parts for record in found] == [record.parts for record in everything[: len(found)]]
        assert len(found) == whole[:cut].count(b'"}')


def test_where_a_file_ends_is_told(tmp_path: Path) -> None:
    whole = text_of(socket([message("2"), message("3")])).encode()
    cut = whole.index(b'"3"')
    told = problems(read(tmp_path, whole[:cut]))
    assert (f"entry 1, message 2, byte {cut}", "the file ends in the middle; what comes before it counts") in told


BROKEN: dict[str, Any] = {
    "base64": message("no base64!", opcode=2),
    'no "type"': {"data": "2"},
    'no "type" of': message("2", kind="sent"),
    "no text": {"type": "send", "data": 2},
    "no text as": {"type": "send", "data": {"a": [1]}},
    "no object": "2",
    "is no object": [1, [2]],
}


@pytest.mark.parametrize(("reason", "broken"), BROKEN.items(), ids=BROKEN)
def test_a_broken_message_is_told_with_its_place_and_the_rest_counts(tmp_path: Path, reason: str, broken: Any) -> None:
    items = read(tmp_path, text_of(socket([]), socket([message("2"), broken, message("3")])))
    assert [record.kind for record in records(items)] == [Kind.PING, Kind.PONG]
    [(position, said)] = problems(items)
    assert position == "entry 2, message 2"
    assert reason in said


def test_a_key_that_comes_twice_is_told_and_the_last_counts(tmp_path: Path) -> None:
    content = text_of(socket([message("2")])).replace('"data": "2"', '"data": "2", "data": "3"')
    items = read(tmp_path, content)
    assert [record.kind for record in records(items)] == [Kind.PONG]
    assert problems(items) == [("entry 1, message 1", "a key comes twice; the last counts")]


def test_lone_surrogates_and_other_bytes_are_told(tmp_path: Path) -> None:
    for broken, reason in ((rb"\ud83dx", "U+FFFD"), (rb"x\ude00", "U+FFFD"), (b"\xff", "question marks")):
        content = text_of(socket([message("HERE"), message("2")])).encode().replace(b"HERE", broken)
        items = read(tmp_path, content)
        assert [record.kind for record in records(items)] == [Kind.PLAIN, Kind.PING]
        assert reason in problems(items)[0][1]
        assert problems(items)[0][0] == f"bytes 0 to {len(content)}"
    for whole in (r"\ud83d\ude00", r"\\ud83d", r"\\\ud83d\ude00"):
        content = text_of(socket([message("HERE", opcode=1)], "wss://x/")).replace("HERE", whole)
        assert problems(read(tmp_path, content)) == []


def test_an_escaped_lone_surrogate_within_a_payload_is_kept(tmp_path: Path) -> None:
    items = read(tmp_path, text_of(socket([message('42["a","\\ud800"]')])))
    assert records(items)[0].args == ("\ud800",)
    assert problems(items) == []


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    items = read(tmp_path, b"\xef\xbb\xbf" + text_of(socket([message("2")])).encode())
    assert [type(item) for item in items] == [Opened, Record]


def test_what_follows_the_end_is_told(tmp_path: Path) -> None:
    items = read(tmp_path, text_of(socket([message("2")])) + " x")
    assert len(records(items)) == 1
    assert "follows the end" in problems(items)[0][1]


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, "1e999999999", "{]"])
def test_values_that_no_har_has_end_nothing_but_themselves(tmp_path: Path, value: str) -> None:
    content = text_of(socket([message("2")]), {"HERE": 1}).replace('"HERE": 1', f'"HERE": {value}')
    items = read(tmp_path, content)
    assert [record.kind for record in records(items)] == [Kind.PING]


@pytest.mark.parametrize("number", ["9" * 10_000, "1e400", "9" * 20])
def test_a_number_that_no_har_has_is_told_and_ends_nothing_but_the_file(tmp_path: Path, number: str) -> None:
    # Where Python refuses to convert one, ijson's C code ended the process.
    messages = [message("2"), {**message("2"), "time": "HERE"}, message("2")]
    content = text_of(socket(messages)).replace('"HERE"', number)
    items = read(tmp_path, content)
    assert len(records(items)) == 1
    assert "not JSON from here on" in problems(items)[0][1]


def test_what_is_no_moment_is_no_time(tmp_path: Path) -> None:
    messages = [{**message("2"), "time": time} for time in (1e299, -1e299, 1e18, BASE_S)]
    items = read(tmp_path, text_of(socket(messages)))
    assert [record.time_ms for record in records(items)] == [None, None, None, 0.0]


@given(st.binary(max_size=200), st.integers(0, 2_000), st.integers(0, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_anywhere_can_be_read(tmp_path: Path, junk: bytes, at: int, over: int) -> None:
    whole = text_of(poll(OPEN, 0, sid=""), socket([message("2"), message("AAE=", opcode=2)]), post("40", 1)).encode()
    items = read(tmp_path, whole[:at] + junk + whole[at + over :])
    assert all(isinstance(item, (Opened, Record, Problem)) for item in items)


# Large ones


def test_a_hundred_thousand_messages_in_one_socket(tmp_path: Path) -> None:
    body = ",".join(json.dumps(message(f'42["a",{number}]', number / 1000)) for number in range(100_000))
    items = read(tmp_path, text_of(socket(["HERE"])).replace('"HERE"', body))
    found = records(items)
    assert len(found) == 100_000
    assert (found[-1].args, found[-1].time_ms) == ((99_999,), 99_999.0)


def test_a_message_of_50_mb_is_read_and_one_above_the_limit_is_told(tmp_path: Path) -> None:
    large = '42["a","' + "x" * 50 * 2**20 + '"]'
    content = text_of(socket([message("LARGE"), message("LONG"), message("2", 1)]))
    content = content.replace('"LARGE"', json.dumps(large)).replace("LONG", "x" * (100 * 2**20))
    items = read(tmp_path, content)
    assert [len(record.parts[0]) for record in records(items)] == [len(large), 1]
    assert problems(items) == [("entry 1, message 2", "it is longer than 64 MB; left out")]


def test_memory_is_bounded_by_the_largest_message(tmp_path: Path) -> None:
    path = tmp_path / "large.har"
    draw = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"log":{"entries":[{"_webSocketMessages":[')
        for number in range(60):
            block = [message(f'42["a","{draw.randbytes(8192).hex()}"]', number) for _ in range(60)]
            file.write("," * (number > 0) + ",".join(map(json.dumps, block)))
        file.write('],"request":{"url":"ws://x/?EIO=4"}}]}}')
    assert path.stat().st_size > 55 * 2**20
    tracemalloc.start()
    count = sum(isinstance(item, Record) for item in read_har(Source(path, Capture())))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3600
    assert peak_bytes < 4 * 2**20


def test_the_parser_is_the_fast_one() -> None:
    # The pure Python one takes fifty times as long and reads lone surrogates otherwise.
    assert har_entries.ijson.backend_name == "yajl2_c"
