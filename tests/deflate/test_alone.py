"""Where nothing is shared, or nothing carried over, frames are what stock servers send."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from deflate.reader import Reader, send
from deflate.texts import hexadecimal, text

from reznet_ws.deflate.frame import TEXT, Frame, build_frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.settings import Settings

STOCK = Settings.stock()


def test_stock_without_sharing_to_the_byte(chat: list[bytes]) -> None:
    """Golden: what uvicorn's window, memory level and zlib's own level make of the same messages."""
    histories = Histories()
    clients = [Reader() for _ in range(3)]
    uvicorns = {client: zlib.compressobj(wbits=-12, memLevel=5) for client in clients}
    for number, message in enumerate(chat[:100]):
        for wire, (client,) in histories.frames(Frame(TEXT, message), clients[number % 2 :], STOCK):
            payload = uvicorns[client].compress(message) + uvicorns[client].flush(zlib.Z_SYNC_FLUSH)
            assert wire == build_frame(TEXT, payload[:-4], compressed=True)
    assert histories.figures().compressions == 250
    assert histories.figures().histories == 0


def test_a_compressor_of_its_own_lives_while_its_window_is_carried_over() -> None:
    histories, client = Histories(), Reader()
    assert client.inflater is not None
    for change, holds_one in (({}, True), ({"deflate_takeover": False}, False), ({"deflate_shared": True}, False)):
        send(histories, text(1, 2000), [client], STOCK.replace(**change))
        assert (client.inflater.alone is not None) is holds_one


@pytest.mark.parametrize("shared", [False, True])
def test_a_window_or_memory_level_takes_effect_with_the_next_message(shared: bool) -> None:
    """A smaller window forgets sooner, and what was forgotten is not referred to when it grows again."""
    histories, client = Histories(), Reader()
    wide = Settings(deflate_shared=shared)
    took = []
    for bits in (15, 15, 9, 15, 15):
        for number in (1, 2):
            send(histories, hexadecimal(number, 1500), [client], wide.replace(deflate_window_bits=bits))
        took.append(client.wire_bytes[-1])
    first, again, small, _, grown = took
    assert again < first / 10
    assert small > first * 0.9
    assert grown < first / 10


@pytest.mark.parametrize(
    ("changes", "size", "is_compressed"),
    [
        ({}, 0, True),
        ({"deflate_takeover": False}, 1023, False),
        ({"deflate_takeover": False}, 1024, True),
        ({"deflate_takeover": False, "deflate_threshold_bytes": 0}, 0, True),
    ],
)
def test_the_threshold_counts_only_without_takeover(changes: dict[str, Any], size: int, is_compressed: bool) -> None:
    client = Reader()
    send(Histories(), b"x" * size, [client], Settings(**changes))
    assert client.was_compressed == [is_compressed]


def test_without_takeover_nothing_is_referred_to_and_small_messages_stay_as_they_are() -> None:
    histories = Histories()
    clients = [Reader(takeover=False), Reader(), Reader(12)]
    now = Settings(deflate_takeover=False, deflate_threshold_bytes=500)
    for size in (400, 600, 600):
        send(histories, text(1, size), clients, now)
    for client in clients:
        assert client.was_compressed == [False, True, True]
        assert client.wire_bytes[1] == client.wire_bytes[2]
    assert histories.figures().histories == 0


def test_a_client_that_takes_nothing_over_gets_each_message_from_nothing_amid_the_others() -> None:
    histories, forgetful, other = Histories(), Reader(takeover=False), Reader()
    for _ in range(3):
        send(histories, text(1, 2000), [forgetful, other])
    assert forgetful.wire_bytes[1:] == forgetful.wire_bytes[:2]
    assert other.wire_bytes[2] < 40
