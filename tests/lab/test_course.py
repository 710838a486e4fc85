"""What the course measures with: variants of payloads, a stock server, and clients that keep every byte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reznet_ws.lab.explain import course
from reznet_ws.message.fields import FIELD_MAP, abbreviate
from reznet_ws.replay import memory
from reznet_ws.replay.ablation import replay
from reznet_ws.settings import Settings

EVENTS = course.events_of(course.record(30))


@pytest.fixture
def server() -> Iterator[course.StockServer]:
    server = course.StockServer()
    yield server
    server.stop()


def test_the_parts_of_layer_1_make_up_the_whole() -> None:
    for message in course.record(200):
        apart = course.shorten_keys(course.shorten_timestamps(message.data))
        assert apart == abbreviate(message.data)
        assert course.shorten_always(message.data) == {**apart, "_w": 2}


def test_camel_case_keeps_values() -> None:
    assert course.camel_case({"message_id": [{"in_reply_to": "a_b"}]}) == {"messageId": [{"inReplyTo": "a_b"}]}


def test_the_documents_table_is_about_the_field_map() -> None:
    assert set(course.SEED_KEY_PERCENTS) == set(FIELD_MAP)


def test_two_stock_servers_send_the_same_bytes() -> None:
    servers = [course.StockServer(name) for name in ("one", "two")]
    sent = [course.send_all(server, EVENTS) for server in servers]
    course.stop()
    assert sent[0] == sent[1]
    assert not any(server.is_running for server in servers)


def test_what_is_computed_is_what_a_socket_carries(server: course.StockServer) -> None:
    trace = course.record(30)
    uncompressed = sum(map(len, course.send_all(server, EVENTS, deflate=False)))
    compressed = sum(map(len, course.send_all(server, EVENTS)))
    assert uncompressed == replay(trace, Settings.off()).wire_bytes
    assert compressed == pytest.approx(replay(trace, Settings.stock()).wire_bytes, abs=60)  # the greetings come before
    assert server.offers == ["", "permessage-deflate; client_max_window_bits"]


def test_a_server_of_the_same_name_stops_the_one_before(server: course.StockServer) -> None:
    again = course.StockServer()
    assert not server.is_running
    again.stop()
    again.stop()


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_what_is_polled_is_what_is_computed(threshold: int) -> None:
    server = course.StockServer("polled", compression_threshold=threshold)
    poll = course.poll_once(server, EVENTS[:3])
    server.stop()
    assert poll.encoding == ("none" if threshold else "gzip")
    computed = course.polled_bytes(EVENTS[:3], Settings.off(), http_gzip=not threshold)
    assert poll.body_bytes == pytest.approx(computed, abs=0 if threshold else 20)  # another gzip level


def test_python_socketio_offers_what_it_is_told_to(server: course.StockServer) -> None:
    assert course.offer_of(server) == "nothing"
    assert "permessage-deflate" in course.offer_of(server, websocket_extra_options={"compress": 15})


@pytest.mark.skipif(course.find_browser() is None, reason="needs Chromium")
def test_devtools_show_what_was_sent_before_compression(server: course.StockServer) -> None:
    look = course.look_with_devtools(server, EVENTS)
    plain = [len(text) for event in EVENTS for text in course.engineio_packets([event], Settings.off())]
    assert look is not None
    assert look.message_bytes == plain
    assert look.offer == "permessage-deflate; client_max_window_bits"


def test_a_deflater_takes_what_zlib_says() -> None:
    assert memory.deflater_bytes(15, 8) == 256 * 1024
    assert memory.measure_deflater_bytes(15, 8) == pytest.approx(256 * 1024, rel=0.3)
