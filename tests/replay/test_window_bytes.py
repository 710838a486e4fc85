"""Wire bytes by computation, of scripts in every topology."""

from __future__ import annotations

import zlib

import pytest

from reznet_ws.demo.topologies import TOPOLOGIES
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.script import Script, write_script
from reznet_ws.replay.trace import record
from reznet_ws.replay.window_bytes import OwnWindows, compute, event_text, worst_ratio
from reznet_ws.settings import Settings


def chat_script(topology: str, clients: int, messages: int = 60) -> Script:
    conversations = [record(400, seed=1 + number) for number in range(TOPOLOGIES[topology].streams(clients))]
    return write_script(TOPOLOGIES[topology], clients, conversations, messages * clients, seed=1)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_promise_is_kept_in_every_topology(topology: str) -> None:
    script = chat_script(topology, 20)
    result = compute(script, 0.05, 20, Settings())
    assert result.deliveries >= 1200
    assert 0 < result.worst <= 1.01
    assert result.ours < result.stock
    assert result.compressions <= result.receivers


def test_one_room_takes_one_compression_and_newcomers_a_few_more() -> None:
    script = chat_script("one room", 50)
    still, churned = compute(script, 0, 20, Settings()), compute(script, 0.05, 20, Settings())
    assert still.compressions == 1
    assert 1 < churned.compressions < 5
    assert still.ours < churned.ours < churned.stock


@pytest.mark.parametrize("topology", ["one room", "topics", "but the sender"])
def test_windows_computed_once_for_all_take_what_each_would(topology: str) -> None:
    script = chat_script(topology, 12, messages=20)
    each = [zlib.compressobj(wbits=-12, memLevel=5) for _ in range(12)]
    windows = OwnWindows(12, 5)
    for sending, slots in zip(script.sendings, script.receivers(), strict=True):
        text = event_text(script.messages[sending.message], utf8=False)
        sizes = {slot: len(each[slot].compress(text) + each[slot].flush(zlib.Z_SYNC_FLUSH)) - 4 for slot in slots}
        assert dict(windows.send(text, slots)) == {slot: size + header_bytes(size) for slot, size in sizes.items()}


def test_stock_settings_take_what_stock_takes() -> None:
    result = compute(chat_script("rooms of 5", 20), 0.05, 20, Settings.stock())
    assert (result.ours, result.worst) == (result.stock, 1)
    assert result.compressions == result.receivers


def test_the_worst_is_that_of_any_twenty_in_a_row() -> None:
    assert worst_ratio([9] * 19, [1] * 19) == 0
    assert worst_ratio([1] * 20 + [33] + [1] * 30, [1] * 51) == 42 / 20
    assert worst_ratio([1] * 20 + [9] + [1] * 30, [1] * 51) == 1
    assert worst_ratio([1] * 20, [2] * 20) == 0.5
