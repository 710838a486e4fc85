"""Several files of several kinds, told apart by what is in them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reznet_ws.audit.read.capture import Item, Opened, Problem, Record
from reznet_ws.audit.read.reading import MAX_PROBLEMS, read


def har(*frames: str, at_s: float = 5) -> str:
    messages: list[Any] = [{"type": "receive", "time": at_s, "opcode": 1, "data": frame} for frame in frames]
    entry = {"_webSocketMessages": messages, "request": {"url": "ws://x/socket.io/?EIO=4&transport=websocket"}}
    return json.dumps({"log": {"entries": [entry]}})


def compressed_zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", text)
    return file.getvalue()


JSONL = '{"event":"a","data":1,"ts_ms":7000,"dir":"in"}\n'
CONTENTS = {
    "har": har('42["a",1]'),
    "har that is laid out": json.dumps(json.loads(har('42["a",1]')), indent=4),
    "har with a mark": "\ufeff" + har('42["a",1]'),
    "jsonl": JSONL,
    "jsonl with other keys first": '\n{"stream":1,"dir":"in","event":"a","data":1}',
    "jsonl after broken lines": "{\n" * 3 + JSONL,
    "jsonl with a mark": "\ufeff" + JSONL,
    "python log": "Server started\n" * 3000 + 'AAAAAAAAAAAAAAAAAAAA: Sending packet MESSAGE data 2["a",1]\n',
    "node log": 'engine:ws writing "42["a",1]" +0ms\r\n',
}


def opened(items: Sequence[Item]) -> list[Opened]:
    return [item for item in items if isinstance(item, Opened)]


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def problems(items: Sequence[Item]) -> list[Problem]:
    return [item for item in items if isinstance(item, Problem)]


@pytest.mark.parametrize("name", ["capture.har", "capture.jsonl", "capture.log", "capture"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_is_what_it_holds_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    if kind.startswith("har that") and name.endswith("jsonl"):
        return  # a first line of "{" could be a broken event
    path = tmp_path / name
    path.write_text(CONTENTS[kind], encoding="utf-8")
    if kind.startswith("har") and name.endswith("jsonl"):
        assert problems(list(read([path])))
        return
    [record] = records(list(read([path])))
    assert (record.event, record.args) == ("a", (1,))


def test_connections_are_numbered_across_files_and_share_a_clock(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_text(har('42["a"]', at_s=5), encoding="utf-8")
    paths[1].write_text(JSONL + JSONL.replace("7000", "4000").replace('"in"', '"in","stream":2'), encoding="utf-8")
    items = list(read([str(path) for path in paths]))
    assert [(item.connection, item.file) for item in opened(items)] == [
        (1, str(paths[0])),
        (2, str(paths[1])),
        (3, str(paths[1])),
    ]
    assert [(record.connection, record.time_ms) for record in records(items)] == [(1, 0.0), (2, 2000.0), (3, -1000.0)]


def test_the_same_file_twice_counts_twice(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(JSONL, encoding="utf-8")
    assert [record.connection for record in records(list(read([path, path])))] == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\t\n", "it is empty"),
        (b"\x00\x01\x02" * 100_000, "it is no HAR file, no debug log"),
        (b"hello\n", "it is no HAR file, no debug log"),
        (b"[1,2]", "it is no HAR file, no debug log"),
        (b'{"a":1}', "it is no HAR file"),
        (("\ufeff" + JSONL).encode("utf-16-le"), "it is UTF-16; save it as UTF-8"),
        (("\ufeff" + har("2")).encode("utf-16-be"), "it is UTF-16"),
    ],
)
def test_a_file_of_something_else_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.har"
    path.write_bytes(content)
    [problem] = list(read([path]))
    assert isinstance(problem, Problem)
    assert (problem.file, problem.position) == (str(path), "the whole file")
    assert problem.reason.startswith(reason)


def test_a_pipe_says_so_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [problem.reason for problem in problems(list(read([tmp_path / "pipe"])))] == [
        "it is no regular file; write what it gives to one"
    ]


def test_what_is_no_file_says_so_and_the_others_count(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(JSONL, encoding="utf-8")
    items = list(read([tmp_path / "missing", tmp_path, path]))
    assert [problem.reason for problem in problems(items)] == [os.strerror(2), os.strerror(21)]
    assert len(records(items)) == 1


def test_a_file_that_is_broken_all_over_says_so_a_bounded_number_of_times(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(JSONL + '{"event":1}\n' * 1000 + JSONL, encoding="utf-8")
    items = list(read([path]))
    assert len(records(items)) == 2
    assert len(problems(items)) == MAX_PROBLEMS + 1
    assert problems(items)[-1].reason == f"{1000 - MAX_PROBLEMS} more problems are not shown"


@pytest.mark.parametrize("kind", CONTENTS)
def test_progress_grows_to_the_end(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "missing", tmp_path / "junk"]
    for path in paths[:2]:
        path.write_text(CONTENTS[kind] + (" " * 999 + "\n") * 1_000, encoding="utf-8")
    paths[3].write_bytes(b"\x00" * 1000)
    told: list[tuple[int, int]] = []
    list(read(paths, lambda count, total: told.append((count, total))))
    sizes = [path.stat().st_size for path in paths if path.exists()]
    assert {total for _, total in told} == {sum(sizes)}
    counts = [count for count, _ in told]
    assert counts == sorted(counts)
    assert counts[-1] == sum(sizes)
    assert any(0 < count < sizes[0] for count in counts)


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(JSONL * 20_000, encoding="utf-8")
    told: list[int] = []
    items = read([path], lambda count, total: told.append(count))
    assert isinstance(next(items), Opened)
    assert isinstance(next(items), Record)
    assert told == []
    for _ in range(10_000):
        next(items)
    assert told[-1] <= 10_001 * len(JSONL)
