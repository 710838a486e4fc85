"""Layer 2: whatever the settings become between two frames, the client's inflater stays in step."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import zlib
from typing import Any

import hypothesis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError, PayloadTooBig
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    enable_server_permessage_deflate,
)
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from reznet_ws.deflate.extension import AdjustableDeflate, AdjustableDeflateFactory
from reznet_ws.deflate.window import Figures
from reznet_ws.ledger import Ledger, Tally
from reznet_ws.outgoing.line import Line
from reznet_ws.outgoing.writer import TalliedBytes, Writer
from reznet_ws.settings import Settings

HEADER = "Sec-WebSocket-Extensions"
CHROMIUM = "permessage-deflate; client_max_window_bits"
SAFARI = "permessage-deflate"
# Each connection by itself; what several share is the window's.
ADJUSTABLE = Settings(deflate_adjustable=True, deflate_shared=False)
TEXT = b'2["message_new",{"message_id":"abc-123","content":"Response here..."}]' * 3
LARGE = random.Random(1).randbytes(20_000).hex().encode()


@dataclasses.dataclass
class Holder:
    """Holds the settings in force, as the delivery does."""

    settings: Settings


def _negotiate(offer: str | None, factories: Any) -> tuple[str | None, list[Any]]:
    """What websockets' own server makes of an offer."""
    headers = Headers() if offer is None else Headers({HEADER: offer})
    return ServerProtocol(extensions=factories).process_extensions(headers)


def _server(settings: Settings, offer: str = CHROMIUM) -> tuple[Holder, AdjustableDeflate]:
    holder = Holder(settings.replace(deflate_shared=False))
    _, extensions = _negotiate(offer, [AdjustableDeflateFactory(holder)])
    (extension,) = extensions
    assert isinstance(extension, AdjustableDeflate)
    return holder, extension


def _client(offer: ClientPerMessageDeflateFactory, answer: str) -> PerMessageDeflate:
    ((name, params),) = parse_extension(answer)
    assert name == offer.name
    return offer.process_response_params(params, [])


def _text(data: bytes) -> Frame:
    return Frame(Opcode.TEXT, data)


def _compressors(extension: AdjustableDeflate) -> list[Any]:
    """The compressors that a connection holds; each takes tens to hundreds of KB."""
    compressor = type(zlib.compressobj())
    found: list[Any] = list(vars(extension).values())
    for value in found:
        found += value if isinstance(value, tuple) else ()
    return [value for value in found if isinstance(value, compressor)]


def _inflate(data: bytes, inflater: Any = None) -> bytes:
    inflater = inflater or zlib.decompressobj(wbits=-15)
    inflated = inflater.decompress(data + b"\x00\x00\xff\xff")
    assert isinstance(inflated, bytes)
    return inflated


# Negotiation


@pytest.mark.parametrize(
    ("settings", "offer", "answer"),
    [
        # Exactly the figures in force.
        (Settings(), CHROMIUM, "permessage-deflate; client_max_window_bits=15"),
        (Settings(), SAFARI, "permessage-deflate"),
        (
            Settings(deflate_window_bits=12),
            CHROMIUM,
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (Settings(deflate_window_bits=9), SAFARI, "permessage-deflate; server_max_window_bits=9"),
        (
            Settings.seed(),
            CHROMIUM,
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=15",
        ),
        # The most that a client offers.
        (
            ADJUSTABLE.replace(deflate_takeover=False, deflate_window_bits=12),
            CHROMIUM,
            "permessage-deflate; client_max_window_bits=12",
        ),
        (ADJUSTABLE.replace(deflate=False), CHROMIUM, "permessage-deflate; client_max_window_bits=15"),
        # Never more than a client offers.
        (Settings(), "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        (
            Settings(deflate_window_bits=9),
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (ADJUSTABLE, "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        (
            Settings(),
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            ADJUSTABLE,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        # The first offer that can be met.
        (
            Settings(),
            "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8, permessage-deflate",
            "permessage-deflate",
        ),
        # Nothing.
        (Settings(), None, None),
        (ADJUSTABLE, None, None),
        (Settings(), "x-webkit-deflate-frame", None),
        (Settings(), "permessage-deflate; server_max_window_bits=8", None),
        (Settings(), "permessage-deflate; unknown=1", None),
        (Settings(deflate=False), CHROMIUM, None),
        (Settings.off(), CHROMIUM, None),
    ],
)
def test_an_offer_gets_its_answer(settings: Settings, offer: str | None, answer: str | None) -> None:
    answered, extensions = _negotiate(offer, [AdjustableDeflateFactory(Holder(settings))])
    assert answered == answer
    assert [type(extension) for extension in extensions] == ([] if answer is None else [AdjustableDeflate])


@pytest.mark.parametrize("offer", [CHROMIUM, SAFARI, "permessage-deflate; server_max_window_bits=10", None])
def test_the_stock_preset_answers_and_compresses_as_uvicorn_does(offer: str | None) -> None:
    # uvicorn 0.54 takes websockets' defaults.
    expected, theirs = _negotiate(offer, enable_server_permessage_deflate(None))
    answered, ours = _negotiate(offer, [AdjustableDeflateFactory(Holder(Settings.stock()))])
    assert answered == expected
    for our, their in zip(ours, theirs, strict=True):
        for data in (TEXT, b"", TEXT, LARGE, TEXT):
            assert bytes(our.encode(_text(data)).data) == bytes(their.encode(_text(data)).data)


def test_deflate_off_for_good_refuses_the_offer() -> None:
    factory = AdjustableDeflateFactory(Holder(Settings(deflate=False)))
    with pytest.raises(NegotiationError, match="permessage-deflate is off"):
        factory.process_request_params([], [])


def test_a_second_permessage_deflate_is_refused() -> None:
    holder, extension = _server(Settings())
    with pytest.raises(NegotiationError, match="duplicate"):
        AdjustableDeflateFactory(holder).process_request_params([], [extension])


@pytest.mark.parametrize("offer", [CHROMIUM, SAFARI, "permessage-deflate; server_max_window_bits=10"])
@pytest.mark.parametrize("more", ["", "; client_no_context_takeover", "; server_no_context_takeover"])
def test_a_connection_keeps_to_what_was_negotiated(offer: str, more: str) -> None:
    settings = Settings.stock()
    _, (theirs,) = _negotiate(offer + more, enable_server_permessage_deflate(None))
    _, ours = _server(settings, offer + more)
    for name in (
        "remote_no_context_takeover",
        "local_no_context_takeover",
        "remote_max_window_bits",
        "local_max_window_bits",
    ):
        assert getattr(ours, name) == getattr(theirs, name)


def test_a_connection_holds_a_compressor_only_while_its_window_is_carried_over() -> None:
    holder, extension = _server(ADJUSTABLE)
    assert not _compressors(extension)
    extension.encode(_text(LARGE))
    assert len(_compressors(extension)) == 1
    holder.settings = ADJUSTABLE.replace(deflate_takeover=False)
    extension.encode(_text(LARGE))
    assert not _compressors(extension)


def test_a_connection_that_shares_a_window_holds_no_compressor_of_its_own() -> None:
    holder, extension = _server(ADJUSTABLE)
    assert extension.shared_figures(holder.settings) is None
    extension.encode(_text(LARGE))
    holder.settings = ADJUSTABLE.replace(deflate_shared=True, deflate_window_bits=12, deflate_mem_level=5)
    assert extension.shared_figures(holder.settings) == Figures(12, 5)
    assert not _compressors(extension)
    assert extension.encode(_text(LARGE)) == _text(LARGE)


@pytest.mark.parametrize(
    ("offer", "changes"),
    [
        ("permessage-deflate; server_no_context_takeover", {}),
        ("permessage-deflate; server_max_window_bits=14", {}),
        (CHROMIUM, {"deflate": False}),
        (CHROMIUM, {"deflate_takeover": False}),
    ],
)
def test_a_connection_shares_no_window_that_its_client_could_not_follow(offer: str, changes: dict[str, Any]) -> None:
    holder, extension = _server(ADJUSTABLE, offer)
    holder.settings = ADJUSTABLE.replace(deflate_shared=True, **changes)
    assert extension.shared_figures(holder.settings) is None


# One frame


def test_golden_frames() -> None:
    # RFC 7692 sections 7.2.3.1 and 7.2.3.2.
    holder, extension = _server(ADJUSTABLE)
    first = Frame(Opcode.TEXT, bytes.fromhex("f248cdc9c90700"), rsv1=True)
    assert extension.encode(_text(b"Hello")) == first
    assert extension.encode(_text(b"Hello")) == Frame(Opcode.TEXT, bytes.fromhex("f200110000"), rsv1=True)
    holder.settings = ADJUSTABLE.replace(deflate_takeover=False, deflate_threshold_bytes=0)
    assert extension.encode(_text(b"Hello")) == first
    holder.settings = ADJUSTABLE.replace(deflate=False)
    assert extension.encode(_text(b"Hello")) == Frame(Opcode.TEXT, b"Hello")


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_control_frames_are_left_alone(opcode: Opcode) -> None:
    _, extension = _server(Settings())
    frame = Frame(opcode, b"ping" * 20)
    assert extension.encode(frame) is frame


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("data", [b"", b"x", TEXT, LARGE], ids=len)
def test_data_frames_say_that_they_are_compressed(opcode: Opcode, data: bytes) -> None:
    _, extension = _server(Settings())
    frame = extension.encode(Frame(opcode, data))
    assert (frame.opcode, frame.fin, frame.rsv1, frame.rsv2, frame.rsv3) == (opcode, True, True, False, False)
    assert _inflate(bytes(frame.data)) == data


@pytest.mark.parametrize(
    ("takeover", "offer", "below_threshold"),
    [
        (True, CHROMIUM, True),  # with takeover the threshold does not count
        (False, CHROMIUM, False),
        (True, "permessage-deflate; server_no_context_takeover", False),
    ],
)
@pytest.mark.parametrize("adjustable", [False, True])
def test_the_threshold_counts_only_without_takeover(
    takeover: bool, offer: str, below_threshold: bool, adjustable: bool
) -> None:
    # As in Node's ws, lib/sender.js: `rsv1 = byteLength >= perMessageDeflate._threshold`.
    settings = Settings(deflate_takeover=takeover, deflate_threshold_bytes=100, deflate_adjustable=adjustable)
    _, extension = _server(settings, offer)
    compressed = [extension.encode(_text(b"x" * size)).rsv1 for size in (99, 100, 101)]
    assert compressed == [below_threshold, True, True]


def test_a_threshold_of_0_compresses_even_nothing() -> None:
    _, extension = _server(Settings(deflate_takeover=False, deflate_threshold_bytes=0))
    assert extension.encode(_text(b"")).rsv1


def test_takeover_makes_a_repeated_frame_small_and_its_absence_does_not() -> None:
    holder, extension = _server(ADJUSTABLE)
    first, second = (len(extension.encode(_text(LARGE[:10_000])).data) for _ in range(2))
    assert second < first / 20
    holder.settings = ADJUSTABLE.replace(deflate_takeover=False)
    assert {len(extension.encode(_text(LARGE[:10_000])).data) for _ in range(2)} == {first}


@pytest.mark.parametrize(
    "between",
    [{"deflate": False}, {"gzip": True, "batch_window_ms": 20, "deflate_threshold_bytes": 5}],
    ids=repr,
)
def test_the_window_survives_what_does_not_concern_it(between: dict[str, Any]) -> None:
    holder, extension = _server(ADJUSTABLE)
    first = extension.encode(_text(LARGE[:10_000]))
    holder.settings = ADJUSTABLE.replace(**between)
    extension.encode(_text(TEXT))
    holder.settings = ADJUSTABLE
    assert len(extension.encode(_text(LARGE[:10_000])).data) < len(first.data) / 20


@pytest.mark.parametrize("bits", [9, 12, 14])
@pytest.mark.parametrize("level", [1, 8])
def test_a_new_window_or_memory_level_takes_effect_with_the_next_frame(bits: int, level: int) -> None:
    holder, extension = _server(ADJUSTABLE)
    extension.encode(_text(LARGE))
    holder.settings = ADJUSTABLE.replace(deflate_window_bits=bits, deflate_mem_level=level)
    fresh = zlib.compressobj(wbits=-bits, memLevel=level)
    for data in (LARGE, TEXT, LARGE):
        expected = fresh.compress(data) + fresh.flush(zlib.Z_SYNC_FLUSH)
        assert extension.encode(_text(data)).data == expected[:-4]


def test_a_smaller_window_forgets_sooner() -> None:
    def again(bits: int) -> int:
        _, extension = _server(ADJUSTABLE.replace(deflate_window_bits=bits))
        for data in (LARGE[:1000], LARGE[1000:9000]):
            extension.encode(_text(data))
        return len(extension.encode(_text(LARGE[:1000])).data)

    assert again(15) < again(9) / 10
    assert again(14) == again(15)  # 16 KB hold it all


def test_less_memory_compresses_less() -> None:
    sizes = []
    for level in (1, 9):
        _, extension = _server(ADJUSTABLE.replace(deflate_mem_level=level))
        sizes.append(len(extension.encode(_text(LARGE)).data))
    assert sizes[0] > sizes[1]


def test_a_received_bomb_is_refused() -> None:
    _, extension = _server(Settings())
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(PayloadTooBig):
        extension.decode(Frame(Opcode.BINARY, bomb[:-4], rsv1=True), max_size=1_000_000)


# Streams

# Repeats at every distance, within frames and between them: near, beyond 512 bytes, beyond 32 KB.
_BLOCKS = [LARGE[:300], LARGE[300:1500], LARGE[1500:6000], LARGE[6000:], TEXT, b"x", b"y" * 70]
contents = st.lists(st.sampled_from(_BLOCKS), max_size=4).map(b"".join)
figures = st.fixed_dictionaries(
    {},
    optional={
        "deflate": st.booleans(),
        "deflate_shared": st.booleans(),
        "deflate_window_bits": st.integers(9, 15),
        "deflate_mem_level": st.integers(1, 9),
        "deflate_takeover": st.booleans(),
        "deflate_threshold_bytes": st.sampled_from([0, 2, 1000, 1_000_000]),
    },
)
opcodes = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING])
# A few records to go back and forth between, the presets of a dashboard so to speak.
presets = st.lists(figures, min_size=1, max_size=3)
steps = st.lists(st.tuples(st.integers(0, 2), opcodes, contents), min_size=1, max_size=10)
offers = st.builds(
    ClientPerMessageDeflateFactory,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.none() | st.integers(9, 15),
    client_max_window_bits=st.sampled_from([None, True, 9, 12, 15]),
)


@given(offers, st.booleans(), presets, steps)
@example(
    ClientPerMessageDeflateFactory(server_max_window_bits=9),
    True,
    [{}],
    [(0, Opcode.TEXT, LARGE[:6000]), (0, Opcode.TEXT, LARGE[:3000])],
)
@example(
    ClientPerMessageDeflateFactory(),
    True,
    [{}, {"deflate_takeover": False, "deflate_threshold_bytes": 0}],
    [(0, Opcode.TEXT, LARGE[:1000]), (1, Opcode.TEXT, TEXT), (0, Opcode.TEXT, LARGE[:1000])],
)
@example(
    ClientPerMessageDeflateFactory(),
    False,
    [{}, {"deflate_window_bits": 9}, {"deflate": False}],
    [(number % 3, Opcode.TEXT, data) for number, data in enumerate([TEXT, b"", LARGE, b"", b"", TEXT, b"", TEXT])],
)
@example(
    ClientPerMessageDeflateFactory(),
    True,
    [{}, {"deflate_shared": True}],
    [(number % 2, Opcode.TEXT, LARGE[:1000]) for number in range(5)],
)
@hypothesis.settings(max_examples=150)
def test_every_switch_between_two_frames_keeps_the_stream_decodable(
    offer: ClientPerMessageDeflateFactory,
    adjustable: bool,
    presets: list[dict[str, Any]],
    steps: list[tuple[int, Opcode, bytes]],
) -> None:
    base = Settings(deflate_adjustable=adjustable, deflate_shared=False)
    holder = Holder(base.replace(**presets[0]))
    params = build_extension([(offer.name, list(offer.get_request_params()))])
    answer, extensions = _negotiate(params, [AdjustableDeflateFactory(holder)])
    if answer is None:
        assert (holder.settings.deflate, adjustable) == (False, False)
        return
    (server,) = extensions
    client = _client(offer, answer)
    bits = client.remote_max_window_bits
    inflater = zlib.decompressobj(wbits=-bits)
    for number, opcode, data in steps:
        # A connection keeps what was negotiated, whatever the settings become.
        holder.settings = base.replace(**presets[number % len(presets)])
        frame = server.encode(Frame(opcode, data))
        if opcode is Opcode.PING or not holder.settings.deflate:
            assert not frame.rsv1
        if frame.rsv1:
            if client.remote_no_context_takeover:
                inflater = zlib.decompressobj(wbits=-bits)
            assert _inflate(bytes(frame.data), inflater) == data
        received = client.decode(frame)
        assert (received.opcode, bytes(received.data), received.rsv1) == (opcode, data, False)


@given(offers, st.lists(contents, min_size=1, max_size=5))
@hypothesis.settings(max_examples=50)
def test_what_the_client_compresses_arrives(offer: ClientPerMessageDeflateFactory, sent: list[bytes]) -> None:
    params = build_extension([(offer.name, list(offer.get_request_params()))])
    answer, (server,) = _negotiate(params, [AdjustableDeflateFactory(Holder(Settings(deflate_window_bits=10)))])
    assert answer is not None
    client = _client(offer, answer)
    for data in sent:
        assert bytes(server.decode(client.encode(_text(data)), max_size=1_000_000).data) == data


# Several connections, alone and sharing a window


class Connection:
    """A connection without its socket: the server's side of permessage-deflate, and the client that reads along."""

    def __init__(self, holder: Holder, offer: ClientPerMessageDeflateFactory) -> None:
        params = build_extension([(offer.name, list(offer.get_request_params()))])
        answer, extensions = _negotiate(params, [AdjustableDeflateFactory(holder)])
        self.line = Line(self, Ledger())  # type: ignore[arg-type]
        if extensions:
            self.line.deflate = extensions[0]
        self.queue: list[TalliedBytes] = []
        self.received: list[bytes] = []
        self._client = None if answer is None else _client(offer, answer)

    def write(self, data: bytes) -> None:
        """Read what the server writes, as websockets' own client does."""
        reader = StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        extensions = [] if self._client is None else [self._client]
        while not _ran_dry(reader):
            parser = Frame.parse(reader.read_exact, mask=False, extensions=extensions)
            with pytest.raises(StopIteration) as stopped:
                next(parser)
            self.received.append(bytes(stopped.value.value.data))


def _ran_dry(reader: StreamReader) -> bool:
    with pytest.raises(StopIteration) as stopped:
        next(reader.at_eof())
    return bool(stopped.value.value)


@given(
    st.lists(offers, min_size=1, max_size=4),
    st.booleans(),
    st.lists(figures, min_size=1, max_size=3),
    st.lists(
        st.tuples(st.integers(0, 2), st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)), contents), max_size=12
    ),
)
@example(
    [ClientPerMessageDeflateFactory()] * 3,
    True,
    [{"deflate_shared": True}, {"deflate_shared": False}],
    [(number % 2, {0, 1, 2} - {number}, set(), LARGE[:1000]) for number in range(9)],
)
@example(  # a queued frame was compressed before the window became small enough for the slow one
    [ClientPerMessageDeflateFactory(), ClientPerMessageDeflateFactory(server_max_window_bits=9)],
    True,
    [{}, {"deflate_window_bits": 9}],
    [(0, {0, 1}, {1}, LARGE[:20_000] * 2), (1, {1}, set(), TEXT), (1, {0, 1}, set(), LARGE[:20_000])],
)
@hypothesis.settings(max_examples=150)
def test_whoever_shares_a_window_or_not_reads_what_it_was_sent(
    offers: list[ClientPerMessageDeflateFactory],
    adjustable: bool,
    presets: list[dict[str, Any]],
    steps: list[tuple[int, set[int], set[int], bytes]],
) -> None:
    base = Settings(deflate_adjustable=adjustable)
    holder = Holder(base.replace(**presets[0]))
    connections = [Connection(holder, offer) for offer in offers]
    sent: list[list[bytes]] = [[] for _ in connections]

    async def drive() -> None:
        writer = Writer(holder, Ledger())
        for preset, receivers, slow, content in steps:
            holder.settings = base.replace(**presets[preset % len(presets)])
            data = TalliedBytes(content, Tally(writer.ledger, []))
            audience = [number for number in range(len(connections)) if number in receivers]
            direct = [number for number in audience if number not in slow and not connections[number].queue]
            writer.write(data, [connections[number].line for number in direct])
            for number in audience:
                sent[number].append(content)
                if number in direct:
                    continue
                connections[number].queue.append(data)
                if number not in slow:  # its socket takes no more for now
                    catch_up(writer, connections[number])
        for connection in connections:
            catch_up(writer, connection)
        writer.close()

    def catch_up(writer: Writer, connection: Connection) -> None:
        while connection.queue:
            writer.write_late(connection.queue.pop(0), connection.line)

    asyncio.run(drive())
    for connection, expected in zip(connections, sent, strict=True):
        assert connection.received == expected
