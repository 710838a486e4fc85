"""What a stock server sends, over each transport and as a browser shows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reznet_ws.draw.picture import find_browser
from reznet_ws.lab.explain.stock import look_with_devtools, offer_of, poll_once, polled_bytes, send_all
from reznet_ws.lab.lab import Lab, stop_all
from reznet_ws.replay.ablation import replay
from reznet_ws.replay.link import engineio_packets
from reznet_ws.replay.trace import record, take
from reznet_ws.settings import Settings

EVENTS = take(30)


@pytest.fixture
def server() -> Iterator[Lab]:
    server = Lab.quiet(name="stock", stock=True)
    yield server
    server.stop()


def test_two_stock_servers_send_the_same_bytes() -> None:
    servers = [Lab.quiet(name=name, stock=True) for name in ("one", "two")]
    sent = [send_all(server, EVENTS) for server in servers]
    stop_all()
    assert sent[0] == sent[1]
    assert not any(server.is_running for server in servers)


def test_what_is_computed_is_what_a_socket_carries(server: Lab) -> None:
    trace = record(30)
    uncompressed = sum(map(len, send_all(server, EVENTS, deflate=False)))
    compressed = sum(map(len, send_all(server, EVENTS)))
    assert uncompressed == replay(trace, Settings.off()).wire_bytes
    assert compressed == pytest.approx(replay(trace, Settings.stock()).wire_bytes, abs=60)  # the greetings come before


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_what_is_polled_is_what_is_computed(threshold: int) -> None:
    server = Lab.quiet(name="polled", stock=True, compression_threshold=threshold)
    poll = poll_once(server, EVENTS[:3])
    server.stop()
    assert poll.encoding == ("none" if threshold else "gzip")
    computed = polled_bytes(EVENTS[:3], Settings.off(), http_gzip=not threshold)
    assert poll.body_bytes == pytest.approx(computed, abs=0 if threshold else 20)  # another gzip level


def test_python_socketio_offers_what_it_is_told_to(server: Lab) -> None:
    assert offer_of(server) == "nothing"
    assert "permessage-deflate" in offer_of(server, websocket_extra_options={"compress": 15})


@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_devtools_show_what_was_sent_before_compression(server: Lab) -> None:
    look = look_with_devtools(server, EVENTS)
    plain = [len(text) for event in EVENTS for text in engineio_packets([event], Settings.off())]
    assert look is not None
    assert look.message_bytes == plain
    assert look.offer == "permessage-deflate; client_max_window_bits"
