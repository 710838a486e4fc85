"""Messages that a HAR has in files of their own, as Playwright attaches them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from reznet_ws.audit.read.capture import Direction, Item, Kind, Problem, Record, Transport
from reznet_ws.audit.read.reading import read

NAME = "9f1c0d.jsonl"
BODY = "5ab2.txt"
OPEN = '0{"sid":"s1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'


def messages() -> str:
    """One a line, in milliseconds."""
    texts = [
        "2probe",
        *(f'42["moved",{{"floor":{at}}}]' for at in range(5)),
        '451-["map",{"_placeholder":true,"num":0}]',
    ]
    lines: list[dict[str, Any]] = [
        {"type": "receive", "time": 1.79e12 + 250 * (at + 1), "opcode": 1, "data": text}
        for at, text in enumerate(texts)
    ]
    lines.append({"type": "receive", "time": 1.79e12 + 2000, "opcode": 2, "data": base64.b64encode(b"\0\1").decode()})
    return "".join(json.dumps(line) + "\n" for line in lines)


def har(name: str = NAME) -> str:
    """A poll whose body is attached, and a WebSocket whose messages are."""
    began = "2026-09-21T14:13:20.000Z"
    polling = {
        "startedDateTime": began,
        "time": 5,
        "request": {"method": "GET", "url": "https://a.example/socket.io/?EIO=4&transport=polling"},
        "response": {"status": 200, "content": {"size": 90, "_file": BODY}},
    }
    socket = {
        "startedDateTime": began,
        "request": {"method": "GET", "url": "wss://a.example/socket.io/?EIO=4&transport=websocket&sid=s1"},
        "response": {"status": 101, "headers": [], "content": {"size": -1, "_file": name}},
        "_resourceType": "websocket",
    }
    return json.dumps({"log": {"version": "1.2", "entries": [polling, socket]}})


def check(items: list[Item]) -> None:
    assert [item for item in items if isinstance(item, Problem)] == []
    records = [item for item in items if isinstance(item, Record)]
    assert [(record.kind, record.transport) for record in records[:2]] == [
        (Kind.OPEN, Transport.POLLING),
        (Kind.PING, Transport.WEBSOCKET),
    ]
    events = [record for record in records if record.kind is Kind.EVENT]
    assert [record.event for record in events] == ["moved"] * 5 + ["map"]
    assert events[-1].args == (b"\0\1",)
    assert {record.direction for record in records} == {Direction.RECEIVED}
    moments = [record.time_ms for record in events[:5] if record.time_ms is not None]
    assert [at - moments[0] for at in moments] == [0, 250, 500, 750, 1000]


def test_files_beside_a_har_are_read(tmp_path: Path) -> None:
    (tmp_path / "trace.har").write_text(har())
    (tmp_path / NAME).write_text(messages())
    (tmp_path / BODY).write_text(OPEN)
    check(list(read([tmp_path / "trace.har"])))


@pytest.mark.parametrize("folder", ["", "resources/"])
def test_an_archive_has_them_with_it(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "trace.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("har.har", har(f"{folder}{NAME}"))
        archive.writestr(f"{folder}{NAME}", messages())
        archive.writestr(BODY, OPEN)
    check(list(read([path])))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "trace.har").write_text(har())
    reasons = [item.reason for item in read([tmp_path / "trace.har"]) if isinstance(item, Problem)]
    assert any(NAME in reason and 'content: "attach"' in reason and ".zip" in reason for reason in reasons)


@pytest.mark.parametrize("name", ["../secret.jsonl", "/etc/hostname", "a/../../secret.jsonl", "..", ".hidden"])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jsonl").write_text(messages())
    (tmp_path / ".hidden").write_text(messages())
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "trace.har").write_text(har(name))
    assert not any(isinstance(item, Record) for item in read([folder / "trace.har"]))


def test_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text(messages())
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / NAME).symlink_to(tmp_path / "secret.jsonl")
    (folder / "trace.har").write_text(har())
    assert not any(isinstance(item, Record) for item in read([folder / "trace.har"]))


def test_lines_that_are_broken_are_told(tmp_path: Path) -> None:
    (tmp_path / "trace.har").write_text(har())
    (tmp_path / BODY).write_text(OPEN)
    (tmp_path / NAME).write_text(messages() + "{broken\n[1]\n\n")
    items = list(read([tmp_path / "trace.har"]))
    reasons = [item.reason for item in items if isinstance(item, Problem)]
    assert reasons == ["it is no object; left out"] * 2
    assert sum(isinstance(item, Record) and item.kind is Kind.EVENT for item in items) == 6


def test_an_archive_of_several_logs_is_one_capture(tmp_path: Path) -> None:
    file = io.BytesIO()
    line = '{}: Sending packet MESSAGE data 2["a",1]\n'
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one.log", line.format("A" * 20))
        archive.writestr("two.log", line.format("B" * 20))
        archive.writestr("readme.pdf", b"%PDF")
    (tmp_path / "logs.zip").write_bytes(file.getvalue())
    items = list(read([tmp_path / "logs.zip"]))
    assert [item.connection for item in items if isinstance(item, Record)] == [1, 2]
