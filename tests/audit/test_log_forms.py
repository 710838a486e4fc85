"""Logs in the forms that people have: whatever is around a packet, the same is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from audit import lifts

from reznet_ws.audit.read import engineio_log
from reznet_ws.audit.read.capture import Assumption, Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.reading import read

EXPECTED = Counter({Kind.OPEN: 2, Kind.CONNECT: 2, Kind.EVENT: 2 * lifts.EVENTS})


def read_text(folder: Path, text: str | bytes, name: str = "server.log") -> list[Item]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read([path]))


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def assumed(items: Sequence[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Assumption)]


def problems(items: Sequence[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Problem)]


def check(items: Sequence[Item], *, lasts_ms: float | None = lifts.LASTS_MS) -> None:
    """Two connections over WebSocket, and everything that the server said."""
    assert problems(items) == []
    assert sum(isinstance(item, Opened) for item in items) == 2
    received = [record for record in records(items) if record.direction is Direction.RECEIVED]
    assert Counter(record.kind for record in received) == EXPECTED
    assert {record.transport for record in received} == {Transport.WEBSOCKET}
    events = [record for record in received if record.kind is Kind.EVENT]
    assert [record.args[0]["floor"] for record in events] == [at for at in range(1, lifts.EVENTS + 1) for _ in "ab"]
    moments = [record.time_ms for record in records(items)]
    if lasts_ms is None:
        assert set(moments) == {None}
    else:
        assert moments[0] == 0
        assert moments[-1] == pytest.approx(lasts_ms, abs=0.01)


@pytest.mark.parametrize("form", lifts.FORMS)
def test_whatever_is_around_a_packet_it_is_read_with_its_time(tmp_path: Path, form: str) -> None:
    rough = form == "on a wide terminal"
    check(read_text(tmp_path, lifts.written(lifts.FORMS[form])), lasts_ms=8000 if rough else lifts.LASTS_MS)


def test_syslog_counts_whole_seconds(tmp_path: Path) -> None:
    check(read_text(tmp_path, lifts.written(lifts.ROUGH["syslog"])), lasts_ms=8000)


def test_a_bare_log_has_no_clock(tmp_path: Path) -> None:
    check(read_text(tmp_path, lifts.written(lifts.bare)), lasts_ms=None)


@pytest.mark.parametrize("form", ["time of day", "half days", "on a wide terminal"])
def test_the_date_that_is_missing_is_named_as_a_guess(tmp_path: Path, form: str) -> None:
    # The conversation lasts over midnight.
    [guess] = assumed(read_text(tmp_path, lifts.written(lifts.FORMS[form])))
    assert "no date" in guess


def test_an_array_of_cloud_logging_is_read(tmp_path: Path) -> None:
    entries = [
        {"insertId": str(at), "timestamp": lifts.iso(at), "textPayload": text, "resource": {"type": "x"}}
        for at, text in lifts.said()
    ]
    check(read_text(tmp_path, json.dumps(entries, indent=2), "downloaded.json"))


# Lines that are there twice


def test_a_handler_of_its_own_and_the_roots_count_once(tmp_path: Path) -> None:
    items = read_text(tmp_path, lifts.written(lambda at, text: f"{text}\n{lifts.plain(at, text)}"))
    check(items)
    [said] = assumed(items)
    assert "repeat what another handler wrote" in said


def test_two_handlers_whose_lines_do_not_alternate_count_once(tmp_path: Path) -> None:
    said = list(lifts.said())
    text = ""
    for begin in range(0, len(said), 5):
        some = said[begin : begin + 5]
        text += "".join(f"{lifts.plain(*one)}\n" for one in some) + "".join(f"{lifts.bare(*one)}\n" for one in some)
    check(read_text(tmp_path, text))


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("form", [lifts.plain, lifts.bare])
def test_the_same_handler_several_times_counts_once(tmp_path: Path, form: lifts.Form, copies: int) -> None:
    text = lifts.written(lambda at, text: "\n".join([form(at, text)] * copies))
    check(read_text(tmp_path, text), lasts_ms=None if form is lifts.bare else lifts.LASTS_MS)


def test_what_is_sent_twice_counts_twice(tmp_path: Path) -> None:
    lines = [line for line in lifts.written(lifts.plain).splitlines() if "MESSAGE data 2" in line]
    twice = [line for number, line in enumerate(lines) for _ in range(2 if number % 3 else 1)]
    assert len(records(read_text(tmp_path, "\n".join(twice)))) == len(twice)


def test_several_threads_are_no_copies(tmp_path: Path) -> None:
    tick = 'Received packet MESSAGE data 2["tick"]'
    names = ["Reader", "Writer", "Writer", "Reader", "Reader", "Reader", "Writer", "Reader"] * 5
    lines = [f"2026-01-01 00:00:{at:02} {name} {tick}" for at, name in enumerate(names)]
    assert len(records(read_text(tmp_path, "\n".join(lines)))) == len(lines)


# Logs that begin or end where they should not


def test_a_log_that_begins_in_the_middle_is_one_of_websockets_and_says_so(tmp_path: Path) -> None:
    items = read_text(tmp_path, lifts.written(lifts.plain, with_greeting=False))
    assert {record.transport for record in records(items)} == {Transport.WEBSOCKET}
    assert len(records(items)) == 2 * lifts.EVENTS
    [guess] = assumed(items)
    assert "2 connections are older than the log" in guess


def test_a_session_that_becomes_a_websocket_later_polled_before(tmp_path: Path) -> None:
    display = lifts.DISPLAYS[0]
    before = f'{display}: Sending packet MESSAGE data 2["first"]'
    after = f'{display}: Sending packet MESSAGE data 2["second"]'
    items = read_text(tmp_path, f"{before}\n{display}: Upgrade to websocket successful\n{after}\n")
    assert [(record.event, record.transport) for record in records(items)] == [
        ("first", Transport.POLLING),
        ("second", Transport.WEBSOCKET),
    ]
    assert assumed(items) == []


def test_long_polling_that_may_not_become_a_websocket_stays_it(tmp_path: Path) -> None:
    display = lifts.DISPLAYS[0]
    opened = {"sid": display, "upgrades": [], "pingTimeout": 1, "pingInterval": 1}
    lines = [f"{display}: Sending packet OPEN data {opened}", f'{display}: Sending packet MESSAGE data 2["a"]']
    assert {record.transport for record in records(read_text(tmp_path, "\n".join(lines)))} == {Transport.POLLING}


@pytest.mark.parametrize("prefix", ["", "Mar  9 23:59:55 host app[12]: "])
def test_a_packet_that_was_cut_in_two_is_put_together_and_told(tmp_path: Path, prefix: str) -> None:
    text = f'{lifts.DISPLAYS[0]}: Sending packet MESSAGE data 2["lift_moved",{{"floor":1,"doors":"half open"}}]'
    lines = [text, text[:90], text[90:], text]
    items = read_text(tmp_path, "\n".join(f"{prefix}{line}" for line in lines))
    assert [record.args for record in records(items)] == [({"floor": 1, "doors": "half open"},)] * 3
    assert any("1 packets were cut in two" in reason for reason in assumed(items))


def test_a_packet_whose_end_is_missing_is_told_and_counts_as_nothing(tmp_path: Path) -> None:
    text = f'{lifts.DISPLAYS[0]}: Sending packet MESSAGE data 2["lift_moved",{{"floor":1}}]'
    items = read_text(tmp_path, f"{text}\n{text[:-9]}\n{text}\n{text[:-12]}")
    assert len(records(items)) == 2
    assert problems(items) == ["the line ends in the middle of a packet; left out"] * 2


def test_a_log_is_read_in_bounded_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engineio_log, "_MOST_PARTS", 4)
    text = f'{lifts.DISPLAYS[0]}: Sending packet MESSAGE data 2["a",["\n' + "part\n" * 10
    assert problems(read_text(tmp_path, text)) == ["the line ends in the middle of a packet; left out"]


# Consoles


def test_the_place_that_a_console_puts_behind_a_line_is_no_part_of_it(tmp_path: Path) -> None:
    lines = ["engine.io-client:socket setting transport websocket +0ms client.js:1:2"]
    for number in range(5):
        packet = f'2["moved",{{"floor":{number},"note":"at \\"5\\" +3ms"}}]'
        said = f'engine.io-client:socket socket receive: type "message", data "{packet}" +250ms client.js:7:{number}'
        lines.append(said)
    items = read_text(tmp_path, "\n".join(lines))
    assert [record.args[0]["floor"] for record in records(items)] == [0, 1, 2, 3, 4]
    assert [record.time_ms for record in records(items)] == [0, 250, 500, 750, 1000]


# Logs without what is needed


@pytest.mark.parametrize(
    ("line", "switch"),
    [
        ('2026-01-01 00:00:00 INFO socketio.server: emitting event "moved" to all [/]', "engineio_logger=True"),
        ('emitting event "moved" to lobby [/]', "engineio_logger=True"),
        ("socket.io:client connected to namespace / +0ms", "DEBUG=engine*"),
        ('  socket.io:socket emitting event ["moved",{"floor":1}] +2ms', "DEBUG=engine*"),
        ('INFO: 10.0.0.1 - "GET /socket.io/?EIO=4&transport=polling&t=x HTTP/1.1" 200 OK', "engineio_logger=True"),
    ],
)
def test_a_log_without_payloads_says_which_switch_to_set(tmp_path: Path, line: str, switch: str) -> None:
    [problem] = problems(read_text(tmp_path, f"Started\n{line}\n" * 3))
    assert "no payloads" in problem
    assert switch in problem


# Files that are packed


def zipped(content: bytes, name: str = "logs/server.log") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(content)  # type: ignore[no-any-return]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, zlib.compress, zstd, zipped])
def test_packed_files_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    check(read_text(tmp_path, pack(lifts.written(lifts.plain).encode()), "server.log.packed"))


def test_a_packed_file_that_is_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = gzip.compress(lifts.written(lifts.plain).encode())
    items = read_text(tmp_path, packed[:-30])
    assert records(items)
    assert any("cut off" in problem for problem in problems(items))


@pytest.mark.parametrize("content", [b"\x1f\x8bnothing", b"PK\x03\x04nothing", b"\xfd7zXZ\x00nothing", b"\x78\x9cno"])
def test_what_only_looks_packed_is_a_problem(tmp_path: Path, content: bytes) -> None:
    [problem] = problems(read_text(tmp_path, content))
    assert "cannot be unpacked" in problem


def test_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    items = read_text(tmp_path, zipped(lifts.written(lifts.plain).encode(), "../../escaped.log"), "a.zip")
    check(items)
    assert not (tmp_path.parent.parent / "escaped.log").exists()
