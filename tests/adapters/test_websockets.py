"""permessage-deflate as it is negotiated and decoded; what histories make of frames is in tests/deflate."""

from __future__ import annotations

import random
import zlib
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from hypothesis import given
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

from reznet_ws.adapters.websockets import SharedDeflate, SharedDeflateFactory
from reznet_ws.deflate import frame as our_frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.ledger import payload_bytes
from reznet_ws.settings import Settings

HEADER = "Sec-WebSocket-Extensions"
CHROMIUM = "permessage-deflate; client_max_window_bits"
SAFARI = "permessage-deflate"
ADJUSTABLE = Settings(deflate_adjustable=True)
TEXT = b'2["message_new",{"message_id":"abc-123","content":"Response here..."}]' * 3
LARGE = random.Random(1).randbytes(20_000).hex().encode()


def _never(opcode: int, data: bytes) -> tuple[bytes, bool]:
    return data, False


def _negotiate(offer: str | None, factories: Any) -> tuple[str | None, list[Any]]:
    """What websockets' own server makes of an offer."""
    headers = Headers() if offer is None else Headers({HEADER: offer})
    return ServerProtocol(extensions=factories).process_extensions(headers)


def _server(settings: Settings, offer: str = CHROMIUM) -> SharedDeflate:
    """One that compresses by histories."""
    histories, line = Histories(), SimpleNamespace(inflater=None)

    def compress(opcode: int, data: bytes) -> tuple[bytes, bool]:
        ((wire, _),) = histories.frames(our_frame.Frame(opcode, data), [line], settings)
        return wire[len(wire) - payload_bytes(len(wire)) :], bool(wire[0] & 0x40)

    _, (extension,) = _negotiate(offer, [SharedDeflateFactory(settings, compress)])
    assert isinstance(extension, SharedDeflate)
    line.inflater = extension.inflater
    return extension


def _client(offer: ClientPerMessageDeflateFactory, answer: str) -> PerMessageDeflate:
    ((name, params),) = parse_extension(answer)
    assert name == offer.name
    return offer.process_response_params(params, [])


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
        (Settings.seed(), CHROMIUM, "permessage-deflate; server_no_context_takeover; client_max_window_bits=15"),
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
    answered, extensions = _negotiate(offer, [SharedDeflateFactory(settings, _never)])
    assert answered == answer
    assert [type(extension) for extension in extensions] == ([] if answer is None else [SharedDeflate])


@pytest.mark.parametrize("offer", [CHROMIUM, SAFARI, "permessage-deflate; server_max_window_bits=10"])
def test_the_stock_preset_answers_and_compresses_as_uvicorn_does(offer: str) -> None:
    # uvicorn takes websockets' defaults.
    expected, (theirs,) = _negotiate(offer, enable_server_permessage_deflate(None))
    answered, _ = _negotiate(offer, [SharedDeflateFactory(Settings.stock(), _never)])
    assert answered == expected
    ours = _server(Settings.stock(), offer)
    for data in (TEXT, b"", TEXT, LARGE, TEXT):
        frame = Frame(Opcode.TEXT, data)
        assert ours.encode(frame) == theirs.encode(frame)


def test_deflate_off_for_good_refuses_the_offer() -> None:
    factory = SharedDeflateFactory(Settings(deflate=False), _never)
    with pytest.raises(NegotiationError, match="permessage-deflate is off"):
        factory.process_request_params([], [])


def test_a_second_permessage_deflate_is_refused() -> None:
    with pytest.raises(NegotiationError, match="duplicate"):
        SharedDeflateFactory(Settings(), _never).process_request_params([], [_server(Settings())])


@pytest.mark.parametrize("offer", [CHROMIUM, SAFARI, "permessage-deflate; server_max_window_bits=10"])
@pytest.mark.parametrize("more", ["", "; client_no_context_takeover", "; server_no_context_takeover"])
def test_a_connection_keeps_to_what_was_negotiated(offer: str, more: str) -> None:
    _, (theirs,) = _negotiate(offer + more, enable_server_permessage_deflate(None))
    ours = _server(Settings.stock(), offer + more)
    for name in ("remote_no_context_takeover", "remote_max_window_bits", "local_max_window_bits"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.inflater.max_bits == theirs.local_max_window_bits
    assert ours.inflater.takeover is not theirs.local_no_context_takeover


def test_a_connection_holds_no_compressor() -> None:
    extension = _server(Settings())
    extension.encode(Frame(Opcode.TEXT, LARGE))
    kind = type(zlib.compressobj())
    assert not [value for value in vars(extension).values() if isinstance(value, kind)]


def test_an_inflater_is_made_for_who_sends_something_compressed() -> None:
    extension = _server(Settings())
    packer = zlib.compressobj(wbits=-15)
    assert extension.decode(Frame(Opcode.TEXT, b"40")).data == b"40"
    assert "decoder" not in vars(extension)
    for data in (TEXT, TEXT):
        packed = (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert extension.decode(Frame(Opcode.TEXT, packed, rsv1=True)).data == data
    assert "decoder" in vars(extension)


def test_golden_frames() -> None:
    # RFC 7692 sections 7.2.3.1 and 7.2.3.2.
    extension = _server(Settings())
    hello = Frame(Opcode.TEXT, b"Hello")
    assert extension.encode(hello) == Frame(Opcode.TEXT, bytes.fromhex("f248cdc9c90700"), rsv1=True)
    assert extension.encode(hello) == Frame(Opcode.TEXT, bytes.fromhex("f200110000"), rsv1=True)


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_control_frames_are_left_alone(opcode: Opcode) -> None:
    frame = Frame(opcode, b"ping" * 20)
    assert _server(Settings()).encode(frame) is frame


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("data", [b"", b"x", TEXT, LARGE], ids=len)
def test_data_frames_say_whether_they_are_compressed(opcode: Opcode, data: bytes) -> None:
    frame = _server(Settings()).encode(Frame(opcode, data))
    assert (frame.opcode, frame.fin, frame.rsv1, frame.rsv2, frame.rsv3) == (opcode, True, True, False, False)
    inflated = zlib.decompressobj(wbits=-15).decompress(bytes(frame.data) + b"\x00\x00\xff\xff")
    assert inflated == data
    _, (clear,) = _negotiate(CHROMIUM, [SharedDeflateFactory(Settings(), _never)])
    assert clear.encode(Frame(opcode, data)) == Frame(opcode, data)


def test_a_received_bomb_is_refused() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(PayloadTooBig):
        _server(Settings()).decode(Frame(Opcode.BINARY, bomb[:-4], rsv1=True), max_size=1_000_000)


# Repeats at every distance, within frames and between them: near, beyond 512 bytes, beyond 32 KB.
_BLOCKS = [LARGE[:300], LARGE[300:1500], LARGE[1500:6000], LARGE[6000:], TEXT, b"x", b"y" * 70]
contents = st.lists(st.sampled_from(_BLOCKS), max_size=4).map(b"".join)
offers = st.builds(
    ClientPerMessageDeflateFactory,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.none() | st.integers(9, 15),
    client_max_window_bits=st.sampled_from([None, True, 9, 12, 15]),
)
kinds = st.sampled_from([Settings(), Settings.stock(), Settings(deflate_window_bits=10), Settings.seed(), ADJUSTABLE])


@given(offers, kinds, st.lists(contents, min_size=1, max_size=5))
@hypothesis.settings(max_examples=80, deadline=None)
def test_what_each_side_compresses_arrives_at_the_other(
    offer: ClientPerMessageDeflateFactory, settings: Settings, sent: list[bytes]
) -> None:
    params = build_extension([(offer.name, list(offer.get_request_params()))])
    answer, _ = _negotiate(params, [SharedDeflateFactory(settings, _never)])
    assert answer is not None
    server, client = _server(settings, params), _client(offer, answer)
    for data in sent:
        frame = Frame(Opcode.TEXT, data)
        assert bytes(server.decode(client.encode(frame), max_size=1_000_000).data) == data
        assert bytes(client.decode(server.encode(frame)).data) == data
