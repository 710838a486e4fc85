"""Captures of the network: the messages of real sockets, and the very bytes that they took."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dpkt
import pytest
import socketio
from audit import tape

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.audit.read.capture import Carried, Direction, Item, Opened, Problem, Record
from reznet_ws.audit.read.network_packets import _Bounded
from reznet_ws.audit.read.reading import read
from reznet_ws.audit.read.tcp_order import MAX_WAITING_BYTES, Gap, Half
from reznet_ws.audit.show.command import audit
from reznet_ws.replay.frames import dissect, split_frames
from reznet_ws.replay.trace import record

TIMEOUT_S = 30.0
MESSAGES = 80


async def talk(compress: int) -> tape.Tape:
    """Two clients, one of which is sent everything, by a stock server on uvicorn."""
    sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000)
    sids: list[str] = []
    sio.on("connect", lambda sid, _environ: sids.append(sid))
    server = await asyncio.to_thread(ServerThread, socketio.ASGIApp(sio), stopping=sio.shutdown)
    heard = asyncio.Event()

    async def emit() -> None:
        for message in record(MESSAGES, mix="unicode"):
            await sio.emit(message.event, message.data, to=sids[0])
        await sio.emit("picture", bytes(range(256)) * 30, to=sids[0])
        await sio.emit("the_end", {"n": 1})

    clients = []
    try:
        async with asyncio.timeout(TIMEOUT_S), tape.taping(server.url) as found:
            for _ in range(2):
                client = socketio.AsyncClient(
                    handle_sigint=False, reconnection=False, websocket_extra_options={"compress": compress}
                )
                client.on("the_end", lambda _data: heard.set())
                await client.connect(found.url, transports=["websocket"])
                clients.append(client)
            await clients[0].emit("said", {"text": "Здравствуйте"})
            await asyncio.wrap_future(server.submit(emit()))
            await heard.wait()
            for client in clients:
                await client.disconnect()
    finally:
        await asyncio.to_thread(server.stop)
    return found


@pytest.fixture(scope="module")
def deflated() -> tape.Tape:
    return asyncio.run(talk(15))


@pytest.fixture(scope="module")
def plain() -> tape.Tape:
    return asyncio.run(talk(0))


def items_of(folder: Path, content: bytes) -> list[Item]:
    path = folder / "traffic.pcap"
    path.write_bytes(content)
    return list(read([path]))


def events(items: Sequence[Item], connection: int = 1) -> list[tuple[str | None, Any]]:
    return [
        (item.event, item.args[0])
        for item in items
        if isinstance(item, Record)
        and item.event
        and item.connection == connection
        and item.direction is Direction.RECEIVED
    ]


def expected() -> list[tuple[str, Any]]:
    sent: list[tuple[str, Any]] = [(message.event, message.data) for message in record(MESSAGES, mix="unicode")]
    return [*sent, ("picture", bytes(range(256)) * 30), ("the_end", {"n": 1})]


def wire_bytes(found: tape.Tape) -> int:
    """What the server's data frames took, read by another reader."""
    total = 0
    for connection in {one.connection for one in found.passed}:
        sent = b"".join(one.data for one in found.passed if one.connection == connection and not one.from_client)
        for frame in split_frames(sent.partition(b"\r\n\r\n")[2]):
            total += len(frame) if dissect(frame).opcode < 8 else 0
    return total


LINKS = {
    "Ethernet": (tape.ethernet, dpkt.pcap.DLT_EN10MB),
    "VLAN": (tape.vlan, dpkt.pcap.DLT_EN10MB),
    "any": (tape.cooked, dpkt.pcap.DLT_LINUX_SLL),
    "loopback": (tape.loopback, dpkt.pcap.DLT_NULL),
    "raw": (bytes, dpkt.pcap.DLT_RAW),
}


@pytest.mark.parametrize("link", LINKS)
def test_every_message_is_read_whatever_the_link(tmp_path: Path, deflated: tape.Tape, link: str) -> None:
    wrap, number = LINKS[link]
    items = items_of(tmp_path, tape.written(tape.frames_of(deflated, wrap), linktype=number))
    assert [item for item in items if isinstance(item, Problem)] == []
    assert events(items) == expected()
    assert events(items, 2) == [("the_end", {"n": 1})]
    said = [item.args for item in items if isinstance(item, Record) and item.event == "said"]
    assert said == [({"text": "Здравствуйте"},)]


def test_pcapng_is_read(tmp_path: Path, deflated: tape.Tape) -> None:
    frames = tape.frames_of(deflated, tape.ethernet)
    items = items_of(tmp_path, tape.written(frames, dpkt.pcapng.Writer))
    assert events(items) == expected()


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_network_changes_nothing(tmp_path: Path, deflated: tape.Tape, seed: int) -> None:
    frames = tape.disturbed(tape.frames_of(deflated, tape.ethernet), seed)
    items = items_of(tmp_path, tape.written(frames))
    assert events(items) == expected()
    assert [item for item in items if isinstance(item, Problem)] == []


def test_where_a_side_begins_may_be_said_late_or_twice() -> None:
    half = Half()
    half.begin(99)
    assert half.add(100, b"abc") == b"abc"
    half.begin(99)
    assert half.add(103, b"def") == b"def"
    late = Half()
    assert late.add(100, b"abc") == b"abc"
    late.begin(99)
    assert late.add(103, b"def") == b"def"
    late.begin(4000)  # its port is used again
    assert late.add(4001, b"new") == b"new"
    assert not late.is_waiting


@pytest.mark.parametrize("compress", [0, 15])
def test_the_bytes_are_those_that_were_on_the_wire(
    tmp_path: Path, deflated: tape.Tape, plain: tape.Tape, compress: int
) -> None:
    found = deflated if compress else plain
    items = items_of(tmp_path, tape.written(tape.frames_of(found, tape.ethernet)))
    received = [item for item in items if isinstance(item, Carried) and item.direction is Direction.RECEIVED]
    assert sum(item.wire_bytes for item in received) == wire_bytes(found)
    extensions = {item.extensions for item in items if isinstance(item, Opened)}
    assert all("permessage-deflate" in said if compress else said == "" for said in extensions if said is not None)
    assert len(extensions) == 1


@pytest.mark.parametrize("compress", [0, 15])
def test_an_audit_computes_the_bytes_of_the_wire(
    tmp_path: Path, deflated: tape.Tape, plain: tape.Tape, compress: int
) -> None:
    found = deflated if compress else plain
    path = tmp_path / "traffic.pcap"
    path.write_bytes(tape.written(tape.frames_of(found, tape.ethernet)))
    today = audit([path]).today
    assert today is not None
    assert today.measured_bytes == wire_bytes(found)
    # uvicorn's window of 12 bits and zlib's default level are what it is computed with.
    assert today.wire_bytes == today.measured_bytes
    assert today.is_deflated == bool(compress)


def test_what_a_capture_lost_ends_a_connection_and_is_told(tmp_path: Path, deflated: tape.Tape) -> None:
    frames = tape.frames_of(deflated, tape.ethernet)
    lost = len(frames) // 2
    items = items_of(tmp_path, tape.written(frames[:lost] + frames[lost + 1 :]))
    assert events(items) == expected()[: len(events(items))]
    assert any("missing" in item.reason for item in items if isinstance(item, Problem))


def test_a_capture_without_handshake_or_in_tls_says_so(tmp_path: Path, deflated: tape.Tape) -> None:
    late = tape.Tape(passed=[one for one in deflated.passed if b"HTTP/1.1" not in one.data])
    [problem] = [
        i for i in items_of(tmp_path, tape.written(tape.frames_of(late, bytes), linktype=101)) if isinstance(i, Problem)
    ]
    assert "no WebSocket in clear" in problem.reason
    hello = tape.Tape(passed=[tape.Passed(0, True, b"\x16\x03\x01" + b"x" * 200)])
    problems = items_of(tmp_path, tape.written(tape.frames_of(hello, bytes), linktype=101))
    assert any("encrypted (TLS)" in item.reason for item in problems if isinstance(item, Problem))


@pytest.mark.parametrize("cut", [10, 24, 30, 500])
def test_a_file_that_is_cut_counts_as_far_as_it_goes(tmp_path: Path, deflated: tape.Tape, cut: int) -> None:
    items = items_of(tmp_path, tape.written(tape.frames_of(deflated, tape.ethernet))[:cut])
    assert any(isinstance(item, Problem) for item in items)


def test_a_packet_of_any_size_is_not_believed(tmp_path: Path) -> None:
    header = tape.written([])
    items = items_of(tmp_path, header + b"\x00" * 8 + b"\xff\xff\xff\x7f" * 2 + b"x" * 100)
    assert any("cannot be read" in item.reason for item in items if isinstance(item, Problem))
    with (tmp_path / "traffic.pcap").open("rb") as file, pytest.raises(ValueError, match="-8 bytes"):
        _Bounded(file, lambda _: None).read(-8)


# One direction of a connection


def test_segments_come_in_order_once() -> None:
    half = Half()
    half.begin(2**32 - 3)
    first = 2**32 - 2
    assert half.add(first + 4 - 2**32, b"efgh") == b""
    assert half.add(first, b"ab") == b"ab"
    assert half.add(first, b"abcd") == b"cdefgh"
    assert half.add(first + 6 - 2**32, b"ghij") == b"ij"
    assert half.add(first, b"abcdefghij") == b""
    assert not half.is_waiting


def test_what_waits_is_bounded() -> None:
    half = Half()
    half.begin(0)
    part = b"x" * (MAX_WAITING_BYTES // 4)
    for at in range(4):
        assert half.add(100 + at * len(part), part) == b""
    with pytest.raises(Gap):
        half.add(100 + 4 * len(part), part)
