"""What reads the wire, the packets and two runs: it must see what is there, and a difference where there is one."""

from __future__ import annotations

import asyncio
import json
import zlib

import pytest

from apps import alike, websocket
from apps.packets import Packet, read_packets, split_payload
from apps.tap import tapping

HELLO = b'42["message_new",{"content":"hello"}]'


def framed(first: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 2**16 else b"\x7f" + size.to_bytes(8)
    return bytes([first]) + length + payload


def deflated(*messages: bytes) -> list[bytes]:
    window = zlib.compressobj(wbits=-15)
    return [(window.compress(each) + window.flush(zlib.Z_SYNC_FLUSH))[:-4] for each in messages]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_every_size_are_whole(size: int) -> None:
    wire = framed(0x81, b"x" * size) + framed(0x82, b"\x00\xff")
    frames = list(websocket.read_frames(wire))
    assert sum(frame.wire_bytes for frame in frames) == len(wire)
    assert list(websocket.read_messages(frames)) == ["x" * size, b"\x00\xff"]


def test_a_window_goes_on_past_frames_that_are_clear_and_control_frames() -> None:
    first, second = deflated(HELLO, HELLO)
    wire = framed(0xC1, first) + framed(0x81, b"2") + framed(0x89, b"ping") + framed(0xC1, second)
    assert list(websocket.read_messages(websocket.read_frames(wire))) == [HELLO.decode(), "2", HELLO.decode()]
    assert len(second) < len(first)


def test_a_message_in_pieces_is_one_and_a_torn_frame_none() -> None:
    (whole,) = deflated(HELLO)
    wire = framed(0x41, whole[:5]) + framed(0x80, whole[5:]) + framed(0x81, b"torn")[:-1]
    assert list(websocket.read_messages(websocket.read_frames(wire))) == [HELLO.decode()]


def test_a_frame_that_refers_to_what_was_never_sent_is_an_error() -> None:
    _, second = deflated(HELLO * 9, HELLO * 9)
    with pytest.raises(zlib.error):
        list(websocket.read_messages(websocket.read_frames(framed(0xC1, second))))


def test_every_kind_of_packet_is_read() -> None:
    polled = split_payload('0{"sid":"a"}\x1e40{"sid":"b"}\x1e2\x1e42["plain",1]')
    framed_messages: list[str | bytes] = [
        *('42/chat,17["asks",null]', '451-["picture",{"_placeholder":true,"num":0}]', b"\x00\xff"),
        *("6", '431[{"n":0.1}]', "41/chat,"),
    ]
    assert list(read_packets([*polled, *framed_messages])) == [
        Packet("connect", "/", None, {"sid": "b"}),
        Packet("event", "/", None, ["plain", 1]),
        Packet("event", "/chat", 17, ["asks", None]),
        Packet("event", "/", None, ["picture", b"\x00\xff"]),
        Packet("ack", "/", 1, [{"n": 0.1}]),
        Packet("disconnect", "/chat", None, None),
    ]


def test_an_attachment_that_does_not_come_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 attachments are missing"):
        list(read_packets(['451-["picture",{"_placeholder":true,"num":0}]', '42["next"]']))


ONE = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
OTHER = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
TIMES = ("2026-11-28T08:00:00.123456Z", "2026-11-28 08:00:01.5")


def run_of(*data: object) -> list[str]:
    return alike.read(Packet("event", "/", None, [each]) for each in data)


def test_ids_and_times_that_differ_from_run_to_run_are_the_same() -> None:
    without = run_of({"id": ONE, "at": TIMES[0]}, {"parent": ONE, "sid": "GPa1XHyR7nmlcOUNAAAB", "at": 1795855200.25})
    with_line = run_of(
        {"id": OTHER, "at": TIMES[1]}, {"parent": OTHER, "sid": "a-sZ9_yR7nmlcOUNAAAC", "at": 1795855299.0}
    )
    assert alike.first_difference(without, with_line) is None


@pytest.mark.parametrize(
    ("with_line", "said"),
    [
        (run_of({"id": OTHER}, {"parent": ONE}, {"n": 1}), "packet 1 differs"),
        (run_of({"id": OTHER}, {"n": 1}, {"parent": OTHER}), "packet 1 differs"),
        (run_of({"id": OTHER}, {"parent": OTHER}), "3 packets without the line, 2 with it"),
        (run_of({"id": OTHER}, {"parent": OTHER}, {"n": 1}, {"n": 1}), "3 packets without the line, 4 with it"),
        (run_of({"id": OTHER}, {"parent": OTHER}, {"n": 1.0}), "packet 2 differs"),
        (run_of({"id": OTHER}, {"parent": OTHER}, {"n": "1"}), "packet 2 differs"),
    ],
    ids=["another id", "another order", "one lost", "one doubled", "another number", "another type"],
)
def test_what_is_said_otherwise_is_a_difference(with_line: list[str], said: str) -> None:
    difference = alike.first_difference(run_of({"id": ONE}, {"parent": ONE}, {"n": 1}), with_line)
    assert difference is not None
    assert said in difference


async def test_a_tap_keeps_both_ways_and_can_be_cut_and_mended() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps({"heard": line.decode()}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with tapping(f"http://{host}:{port}") as tap:
        tapped = tap.url.rpartition(":")[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", tapped)
        writer.write(b"one\n")
        assert await reader.readline() == b'{"heard": "one\\n"}\n'
        tap.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", tapped)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        tap.mend()
        reader, writer = await asyncio.open_connection("127.0.0.1", tapped)
        writer.write(b"two\n")
        assert await reader.readline() == b'{"heard": "two\\n"}\n'
        writer.close()
        assert [(each.from_client, each.from_server) for each in tap.connections] == [
            (b"one\n", b'{"heard": "one\\n"}\n'),
            (b"two\n", b'{"heard": "two\\n"}\n'),
        ]
    server.close()
    await server.wait_closed()
