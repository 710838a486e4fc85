"""Debug logs as the real libraries write them: python-socketio's made here, Node's recorded by record_node.cjs."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import socketio
from aiohttp import web

from reznet_ws.audit.read.capture import Assumption, Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.engineio_log import is_log_line, read_engineio_log
from reznet_ws.audit.read.source import Capture, Source

NODE_LOGS = sorted((Path(__file__).parent / "node_logs").glob("*.log"))
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


def read(folder: Path, content: str | bytes) -> list[Item]:
    path = folder / "capture.log"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_engineio_log(Source(path, Capture())))


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def reasons(items: Sequence[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Problem)]


# Node

# What record_node.cjs has its two sides say, by the client's view; attachments are not in a log.
SAID = [
    (RECEIVED, "hello", "/", ({"a": 1, "text": 'Привет 😀 "quoted"\nline'},)),
    (RECEIVED, "msg", "/chat", ("hi", 2, None)),
    (SENT, "up", "/", ({"x": "y as z"},)),
    (SENT, "file", "/", ({"_placeholder": True, "num": 0},)),
    (RECEIVED, "echo", "/", ({"_placeholder": True, "num": 0}, {"deep": [{"_placeholder": True, "num": 1}]})),
]


@pytest.mark.parametrize("path", NODE_LOGS, ids=lambda path: path.stem)
def test_a_log_of_nodes_holds_what_was_said(path: Path) -> None:
    items = list(read_engineio_log(Source(path, Capture())))
    revision, _, transport = path.stem.removeprefix("revision-").split("-")
    assert [item.engineio for item in items if isinstance(item, Opened)] == [int(revision)]
    found = records(items)
    events = [(r.direction, r.event, r.namespace, r.args) for r in found if r.kind is Kind.EVENT]
    assert sorted(map(repr, events)) == sorted(map(repr, SAID))
    [answer] = [record for record in found if record.kind is Kind.ACK]
    assert (answer.direction, answer.args) == (RECEIVED, ({"ok": True, "b": {"_placeholder": True, "num": 0}},))
    assert reasons(items) == ["4 binary messages of this connection are left out: a log does not hold them"]
    counts = Counter(record.kind for record in found)
    assert (counts[Kind.OPEN], counts[Kind.DISCONNECT]) == (1, 2)
    assert counts[Kind.PLAIN] == counts[Kind.MESSAGE] == 0
    moments = [record.time_ms for record in found if record.time_ms is not None]
    assert len(moments) == len(found)
    assert moments == sorted(moments)
    # The server's process ends 2.3 s after the client's began.
    assert 1_000 < moments[-1] < 4_000
    up = next(record for record in found if record.event == "up")
    assert up.transport == (Transport.POLLING if transport == "polling" else Transport.WEBSOCKET)
    assert found[0].transport == (Transport.WEBSOCKET if transport == "websocket" else Transport.POLLING)


@pytest.mark.parametrize("path", NODE_LOGS, ids=lambda path: path.stem)
def test_a_terminals_colors_and_differences_are_understood(tmp_path: Path, path: Path) -> None:
    text, previous = "", {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        dated = re.fullmatch(r"(\S+:\d\d:(\d\d)\.(\d{3})Z) (\S+) (.*)", line)
        if dated is None:
            text += line + "\n"
            continue
        now_ms = int(dated[2]) * 1000 + int(dated[3])
        passed_ms = (now_ms - previous.get(dated[4], now_ms)) % 60_000
        previous[dated[4]] = now_ms
        since = f"{passed_ms}ms" if passed_ms < 1000 else f"{round(passed_ms / 1000)}s"
        text += f"  \x1b[38;5;45;1m{dated[4]} \x1b[0m{dated[5]} \x1b[38;5;45m+{since}\x1b[0m\n"
    found = records(read(tmp_path, text))
    expected = records(list(read_engineio_log(Source(path, Capture()))))
    assert [(r.kind, r.direction, r.parts) for r in found] == [(r.kind, r.direction, r.parts) for r in expected]
    # Seconds are rounded.
    last_ms, expected_ms = found[-1].time_ms, expected[-1].time_ms
    assert last_ms is not None
    assert expected_ms is not None
    assert abs(last_ms - expected_ms) < 600


def test_several_clients_in_a_log_of_nodes_server_are_told(tmp_path: Path) -> None:
    server = next(path for path in NODE_LOGS if path.stem == "revision-4-server-websocket").read_text(encoding="utf-8")
    items = read(tmp_path, server * 2)
    assert [item.connection for item in items if isinstance(item, Opened)] == [1]
    assert reasons(items)[-1].startswith("2 clients count as one connection")


def test_a_client_that_connects_again_has_another_connection(tmp_path: Path) -> None:
    client = next(path for path in NODE_LOGS if path.stem == "revision-4-client-upgrade").read_text(encoding="utf-8")
    items = read(tmp_path, client * 2)
    assert [item.connection for item in items if isinstance(item, Opened)] == [1, 2]
    counts = Counter(record.connection for record in records(items))
    assert counts[1] == counts[2]


@pytest.mark.parametrize("namespaces", [["engine:ws"], ["engine:ws", "engine:polling"]])
def test_transports_alone_tell_what_a_server_of_the_third_revision_sends(tmp_path: Path, namespaces: list[str]) -> None:
    server = next(path for path in NODE_LOGS if path.stem == "revision-3-server-websocket").read_text(encoding="utf-8")
    lines = [line for line in server.split("\n") if any(f" {name} " in line for name in namespaces)]
    found = records(read(tmp_path, "\n".join(lines)))
    assert [r.event for r in found if r.event] == [r.event for r in records(read(tmp_path, server)) if r.event]


def test_bodies_alone_tell_what_a_polling_server_sends(tmp_path: Path) -> None:
    server = next(path for path in NODE_LOGS if path.stem == "revision-4-server-polling").read_text(encoding="utf-8")
    lines = [line for line in server.split("\n") if " engine:polling " in line]
    found = records(read(tmp_path, "\n".join(lines)))
    assert [r.event for r in found if r.event] == [r.event for r in records(read(tmp_path, server)) if r.event]


def test_a_line_that_ends_in_the_middle_is_told(tmp_path: Path) -> None:
    items = read(tmp_path, 'engine:ws received "40"\nengine:ws received "42["a')
    assert [record.kind for record in records(items)] == [Kind.CONNECT]
    assert reasons(items) == ["the line ends in the middle of a packet; left out"]
    assert [item.position for item in items if isinstance(item, Problem)] == ["line 2"]


def test_msgpack_in_a_log_is_left_out(tmp_path: Path) -> None:
    items = read(tmp_path, 'engine:ws received "\N{REPLACEMENT CHARACTER}¤type\x02"\nengine:ws received "2"')
    assert [record.kind for record in records(items)] == [Kind.PING]
    assert reasons(items)[-1].startswith("1 binary messages")


# Python


async def talk(logger: logging.Logger, *, of_server: bool, transports: list[str] | None) -> None:
    """A client and a server, one of which logs."""
    quiet = logging.getLogger("quiet")
    server_logger, client_logger = (logger, quiet) if of_server else (quiet, logger)
    sio = socketio.AsyncServer(
        async_mode="aiohttp", logger=server_logger, engineio_logger=server_logger, cors_allowed_origins=[]
    )
    app = web.Application()
    sio.attach(app)
    heard = asyncio.Event()

    @sio.event
    async def connect(sid: str, environ: dict[str, object]) -> None:
        await sio.emit("hello", {"text": "Привет"}, to=sid)

    @sio.event
    async def file(sid: str, data: bytes) -> str:
        await sio.emit("echo", {"deep": [data]}, to=sid)
        return "thanks"

    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    client = socketio.AsyncClient(logger=client_logger, engineio_logger=client_logger)
    client.on("echo", lambda data: heard.set())
    await client.connect(f"http://127.0.0.1:{port}", transports=transports)
    await client.call("file", b"bytes")
    await heard.wait()
    await client.disconnect()
    await sio.shutdown()
    await runner.cleanup()


FORMATS = ["%(message)s", "%(levelname)s:%(name)s:%(message)s", "%(asctime)s %(levelname)-8s [%(name)s] %(message)s"]


@pytest.mark.parametrize("transports", [["websocket"], None], ids=["websocket", "upgrade"])
@pytest.mark.parametrize("of_server", [True, False], ids=["server", "client"])
async def test_a_log_of_pythons_holds_what_was_said(
    tmp_path: Path, of_server: bool, transports: list[str] | None
) -> None:
    logger = logging.Logger("engineio.server" if of_server else "engineio.client", logging.INFO)
    handlers = [logging.StreamHandler(io.StringIO()) for _ in FORMATS]
    for handler, form in zip(handlers, FORMATS, strict=True):
        handler.setFormatter(logging.Formatter(form))
        logger.addHandler(handler)
    await talk(logger, of_server=of_server, transports=transports)
    for handler, form in zip(handlers, FORMATS, strict=True):
        stream = handler.stream
        assert isinstance(stream, io.StringIO)
        items = read(tmp_path, stream.getvalue())
        found = records(items)
        assert [item.engineio for item in items if isinstance(item, Opened)] == [4]
        assert found[0].kind is Kind.OPEN
        assert [(r.direction, r.event) for r in found if r.event] == [
            (RECEIVED, "hello"),
            (SENT, "file"),
            (RECEIVED, "echo"),
        ]
        assert [(r.direction, r.args) for r in found if r.kind is Kind.ACK] == [(RECEIVED, ("thanks",))]
        assert {r.transport for r in found if r.event == "echo"} == {Transport.WEBSOCKET}
        assert reasons(items) == ["2 binary messages of this connection are left out: a log does not hold them"]
        assert all((record.time_ms is not None) == ("asctime" in form) for record in found)
        counts = Counter(record.kind for record in found)
        assert counts[Kind.PLAIN] == counts[Kind.MESSAGE] == 0


def test_sessions_of_a_server_are_told_apart(tmp_path: Path) -> None:
    first, second = "A" * 20, "B" * 20
    items = read(
        tmp_path,
        f'{first}: Sending packet MESSAGE data 2["a"]\n{second}: Received packet MESSAGE data 2["b"]\n'
        f'INFO:engineio.server:{first}: Received packet MESSAGE data 2["c"]\n',
    )
    assert [(r.connection, r.direction, r.event) for r in records(items)] == [
        (1, RECEIVED, "a"),
        (2, SENT, "b"),
        (1, SENT, "c"),
    ]


# Whatever else a log holds


@pytest.mark.parametrize(
    ("prefix", "at_ms"),
    [
        ("2026-11-25 03:10:20,058 ", 58),
        ("2026-11-25T03:10:20.058Z ", 58),
        ("2026-11-25T03:10:20.058123456Z stdout F ", 58.123),
        ("2026-11-25 03:10:20 app[1]: ", 0),
        ("[2026-11-25 04:10:20.058+01:00] INFO ", 58),
    ],
)
def test_times_are_those_in_front(tmp_path: Path, prefix: str, at_ms: float) -> None:
    zero = '2026-11-25T03:10:20Z engine:ws received "2"\n'
    lines = [f"{prefix}Sending packet PING data None", f'{prefix}engine:ws received "3"']
    found = records(read(tmp_path, zero + "\n".join(lines)))
    assert [(r.time_ms, r.direction) for r in found] == [(0.0, SENT), (at_ms, SENT), (at_ms, SENT)]


def test_other_lines_are_passed_over(tmp_path: Path) -> None:
    lines = [
        "Started",
        "packet data",
        "the engine started",
        "2026-99-99 99:99:99 Sending packet NOOP data ",
        "\x00\xff\ufffd",
        "Sending packet OTHER data x",
        'engine:ws closing "x"',
        'engine:socket sending packet "other" (x)',
        "engine:socket flushing buffer to transport",
        "socket.io-parser encoded {} as 2",
    ]
    items = read(tmp_path, "\n".join(lines))
    assert [type(item) for item in items] == [Opened, Record, Assumption]
    assert records(items)[0].time_ms is None
    assert [is_log_line(line.encode()) for line in lines[:3]] == [False] * 3


def test_a_line_above_the_limit_is_passed_over(tmp_path: Path) -> None:
    items = read(tmp_path, 'engine:ws received "' + "4" * (70 * 2**20) + '"\nengine:ws received "2"')
    assert [record.kind for record in records(items)] == [Kind.PING]
    assert reasons(items) == ["it is longer than 64 MB; left out"]
