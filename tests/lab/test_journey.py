"""One connection taken apart: the helpers of the second notebook tell the truth about every byte."""

import html
import json
import random
import re
import zlib
from collections.abc import Iterator

import pytest
from websockets.frames import Frame, Opcode

from reznet_ws.draw.journey_charts import draw_savings, draw_stream
from reznet_ws.draw.views import (
    show_bytes,
    show_frame,
    show_header,
    show_references,
    show_sizes,
    show_text,
)
from reznet_ws.lab.explain import journey
from reznet_ws.lab.explain.journey import (
    EXAMPLE,
    REPLY,
    Link,
    Stage,
    Tap,
    decode,
    engineio_packets,
    schedule,
    take,
    wire_bytes,
)
from reznet_ws.ledger import header_bytes
from reznet_ws.message.fields import DecodeError
from reznet_ws.replay.frames import dissect, split_frames
from reznet_ws.replay.references import Piece, find_pieces
from reznet_ws.settings import Settings

FLUSH = b"\x00\x00\xff\xff"
RECOMMENDED = Settings.recommended()
EVENT = ("message_new", EXAMPLE)
# All kinds of messages, gzip among them, in an order in which the batcher has something to do.
EVENTS = [
    EVENT,
    *take("agent_status", 6),
    *take("workflow_plan", 2),
    ("message_new", {**EXAMPLE, "content": journey.RUSSIAN + journey.CHINESE}),
    *take("user_typing", 3),
    ("message_new", REPLY),
]


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    journey.stop_stage()


# Frames


def set_rsv1(frame: bytes) -> bytes:
    return bytes([frame[0] | 0x40]) + frame[1:]


SIZES = (0, 1, 125, 126, 127, 65_535, 65_536)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_frame_that_websockets_wrote_is_taken_apart(size: int, mask: bool) -> None:
    frame = set_rsv1(Frame(Opcode.BINARY, b"x" * size).serialize(mask=mask))
    parts = dissect(frame)
    assert (parts.fin, parts.rsv1, parts.opcode, parts.masked, parts.length) == (True, True, 2, mask, size)
    assert parts.header_bytes == header_bytes(size) + 4 * mask == len(frame) - size
    assert len(parts.payload) == size
    assert mask or frame == frame[:1] + parts.length_bytes + parts.payload


def test_a_stream_is_split_at_its_frames_wherever_it_is_cut() -> None:
    frames = [Frame(Opcode.TEXT, b"y" * size).serialize(mask=False) for size in (0, 3, 200)]
    stream = b"".join(frames)
    ends = [2, 7, len(stream)]
    for cut in range(len(stream) + 1):
        assert split_frames(stream[:cut]) == frames[: sum(end <= cut for end in ends)]


@pytest.mark.parametrize("data", [b"", b"\x81", b"\x81\x7e\x00", b"\x81\x05abcd"])
def test_a_frame_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        dissect(data)


# Deflate taken apart


def deflate(messages: list[bytes], level: int = -1, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> list[bytes]:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return [(deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] for message in messages]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
def test_the_pieces_of_any_deflated_message_are_the_message(level: int, strategy: int) -> None:
    draw = random.Random(level)
    messages = [json.dumps(data).encode() for _, data in EVENTS] + [draw.randbytes(3000), b"a" * 700, b"", b"x"]
    before = b""
    for message, payload in zip(messages, deflate(messages, level, strategy), strict=True):
        pieces = find_pieces(payload, before)
        assert b"".join(piece.data for piece in pieces) == message
        sent = before
        for piece in pieces:
            if piece.distance:
                assert piece.data[: piece.distance] == sent[-piece.distance :][: len(piece.data)]
            sent += piece.data
        before += message


def test_what_was_said_before_is_copied_and_what_is_new_is_spelt_out() -> None:
    # zlib refers to nothing at the very first byte of a stream.
    first, second = deflate([b"- The tests pass.", b"The tests fail."])
    assert find_pieces(first) == [Piece(b"- The tests pass.")]
    assert find_pieces(second, b"- The tests pass.") == [Piece(b"The tests ", 15), Piece(b"fail.")]


@pytest.mark.parametrize("payload", [b"\x07", deflate([b"a message of some length"])[0][:-6]])
def test_what_is_not_deflate_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not deflate"):
        find_pieces(payload)


def test_a_reference_to_what_was_never_sent_is_refused() -> None:
    second = deflate([b"- The tests pass.", b"The tests pass."])[1]
    with pytest.raises(ValueError, match="15 bytes back, where only 0"):
        find_pieces(second)


# One link


@pytest.mark.parametrize("settings", Settings.presets().values(), ids=list(Settings.presets()))
def test_a_link_makes_frames_that_zlib_alone_can_read(settings: Settings) -> None:
    link, received = Link(settings), []
    inflater = zlib.decompressobj(wbits=-15)
    for event in EVENTS:
        for frame in link.send(event):
            parts = dissect(frame)
            if settings.deflate and not settings.deflate_takeover:
                inflater = zlib.decompressobj(wbits=-15)
            body = inflater.decompress(parts.payload + FLUSH) if parts.rsv1 else parts.payload
            received.append(body.decode() if parts.opcode == Opcode.TEXT else body)
    assert decode(received) == EVENTS


def test_without_the_layer_no_frame_is_compressed() -> None:
    assert not dissect(Link(Settings.off()).send(EVENT)[0]).rsv1


def test_the_window_makes_the_second_message_small() -> None:
    link = Link()
    (first,), (again,) = link.send(EVENT), link.send(EVENT)
    assert len(again) < len(first) / 5
    assert wire_bytes([EVENT], RECOMMENDED, before=[EVENT]) == [len(again)]
    assert wire_bytes([EVENT, EVENT], RECOMMENDED) == [len(first), len(again)]


def test_a_gzipped_plan_is_a_text_and_an_attachment() -> None:
    text, attachment = engineio_packets([EVENTS[8]], Settings.seed())
    assert isinstance(text, str)
    assert text.startswith('451-["workflow_plan",')
    assert isinstance(attachment, bytes)
    assert attachment[:2] == b"\x1f\x8b"


def test_the_first_status_goes_at_once_and_the_others_together() -> None:
    statuses = take("agent_status", 6)
    left = schedule([(8.0 * number, status) for number, status in enumerate(statuses)], RECOMMENDED)
    assert left == [(0.0, (statuses[0],)), (50.0, tuple(statuses[1:]))]


def test_a_critical_event_takes_along_what_waits() -> None:
    one, two = take("agent_status", 2)
    left = schedule([(0.0, one), (1.0, two), (2.0, EVENT)], RECOMMENDED)
    assert left == [(0.0, (one,)), (2.0, (two,)), (2.0, (EVENT,))]


def test_a_forged_packet_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(['42["message_new",{"_v":2,"gz":1}]'])


def test_what_the_server_puts_in_no_batch_waits_for_none_here() -> None:
    events = [(float(number), event) for number, event in enumerate(take("agent_status", 4))]
    assert [len(together) for _, together in schedule(events, RECOMMENDED)] == [1, 3]
    secret = RECOMMENDED.replace(never_compress=frozenset({"agent_status"}))
    assert [len(together) for _, together in schedule(events, secret)] == [1, 1, 1, 1]


# A real socket


@pytest.mark.parametrize("settings", Settings.presets().values(), ids=list(Settings.presets()))
def test_what_a_socket_receives_is_what_was_computed(settings: Settings) -> None:
    link = Link(settings)
    together = [events for _, events in schedule([(0.0, event) for event in EVENTS], settings)]
    computed = [frame for events in together for frame in link.send(*events)]
    stage = Stage(settings)
    for _ in range(2):  # each connection has a window of its own
        with stage.connect() as tap:
            stage.emit(EVENTS)
            assert tap.read(len(computed)) == computed
        assert decode(tap.messages) == EVENTS


def test_a_stage_stops_and_starting_another_stops_the_one_before() -> None:
    first = Stage()
    second = Stage()
    assert (first.is_running, second.is_running) == (False, True)
    second.stop()
    second.stop()
    assert not second.is_running
    with pytest.raises(ConnectionError):
        Tap(second.url)


def test_a_tap_says_when_the_server_hangs_up() -> None:
    stage = Stage()
    tap = stage.connect()
    stage.stop()
    with pytest.raises(ConnectionError, match="hung up"):
        tap.read(9)
    tap.close()


# Views


def test_a_hexdump_holds_every_byte_and_says_what_was_left_out() -> None:
    frame = Link().send(EVENT)[0]
    whole = str(show_frame(frame, max_rows=99)).splitlines()
    assert bytes.fromhex("".join(line[6:53] for line in whole[1:])) == frame
    some = str(show_frame(frame, max_rows=2)).splitlines()
    assert some == [*whole[:3], f"      … {len(frame) - 32} more bytes"]


def test_the_header_is_shown_bit_by_bit() -> None:
    short, longer = (Frame(Opcode.TEXT, b"z" * size).serialize(mask=False) for size in (5, 170))
    assert str(show_header(short)).splitlines() == [
        "81  1··· ····  FIN     the message ends with this frame",
        "    ·0·· ····  RSV1    not compressed",
        "    ··00 ····  RSV2–3  not used",
        "    ···· 0001  opcode  text",
        "05  0··· ····  MASK    a server never masks",
        "    ·000 0101  length  5 bytes of payload follow",
    ]
    assert str(show_header(longer)).splitlines()[-2:] == [
        "       ·111 1110  length  126: the next 2 bytes tell",
        "00 aa             length  170 bytes of payload follow",
    ]


def test_copied_text_stands_in_brackets() -> None:
    second = deflate([b"- one two three", b"four, one two three"])[1]
    lines = str(show_references(second, b"- one two three")).splitlines()
    assert lines == [
        "four,⟨ one two three⟩",
        "",
        "14 of 19 bytes are ⟨copied⟩ from what was sent before, 5 are spelt out",
    ]


@pytest.mark.parametrize("text", [json.dumps(EXAMPLE), "x" * 500, "部署已完成" * 50, ""])
@pytest.mark.parametrize("layer", ["plain", "utf8"])
def test_folded_text_is_the_text(text: str, layer: str) -> None:
    assert str(show_text(text, layer, max_lines=99)).replace("\n", "") == text


def test_text_that_is_left_out_is_counted() -> None:
    assert str(show_text("x" * 500, max_lines=2)).splitlines()[-1] == f"… {500 - 2 * 92} more characters"


def test_bars_are_as_long_as_the_sizes_say() -> None:
    first, second = str(show_sizes(("a", 200, "plain"), ("bb", 50, "deflate"))).splitlines()
    assert (first.count("█"), second.count("█")) == (40, 10)
    assert first.endswith(" 200 bytes   100.0 %")
    assert second.endswith("  50 bytes    25.0 %")


def test_a_view_reads_the_same_without_its_colours() -> None:
    for view in (show_text('{"a<b":1}'), show_bytes(b"<&>", "gzip"), show_header(b"\x81\x00")):
        bundle = view._repr_mimebundle_()
        page = bundle["text/html"]
        assert "background-color" in page
        assert text_of(page) == bundle["text/plain"]


def text_of(page: str) -> str:
    """What is left of a page where only its text is shown."""
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_charts_have_a_table_as_text() -> None:
    savings = draw_savings({"a plan": [1000, 900, 300]}, ["abbreviate", "deflate"])
    assert str(savings).splitlines() == [
        "bytes at the socket    off  + abbreviate  + deflate",
        "a plan               1,000           900        300",
    ]
    assert [list(trace.x) for trace in savings.figure.data] == [[30.0], [60.0], [10.0]]
    assert str(draw_stream([9, 12], [9, 3])).splitlines()[1:] == ["1            9       9", "2           12       3"]
    with pytest.raises(ValueError, match="one size and then one for each of deflate"):
        draw_savings({"a plan": [1, 2, 3]}, ["deflate"])
