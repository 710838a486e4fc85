"""What is held back for a slow reader: nothing unless only the newest counts, and then in order, bounded, and once."""

from __future__ import annotations

from typing import Any

import pytest
from outgoing.receiving import Client, Granted, Item

from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.settings import Latest, Settings

SETTINGS = Settings(deflate=False, coalesce_ms=0, latest=(Latest("price", "symbol"),), max_queued_bytes=65_536)
FORMATS = [Granted(), Granted(short=frozenset({"/"})), Granted(rows=frozenset({"/"}))]
formats = pytest.mark.parametrize("granted", FORMATS, ids=["plain", "short", "rows"])
# More than the 64 KB that leave in one write, and less than may be queued.
FEW, FILLER = 5, "x" * 15_000


def _road(settings: Settings = SETTINGS) -> Broadcast:
    return Broadcast(settings)


def _join(road: Broadcast, granted: Granted) -> Client:
    client = Client(road, f"sid{len(road.connections)}", (15, True, True), granted)
    client.upgrade()
    return client


def _emit(road: Broadcast, clients: list[Client], event: str, data: Any, room: str = "room") -> Item:
    audience = road.connections.audience([client.connection.sid for client in clients], "/")
    road.emit(event, [data], "/", audience, latest=road.latest_keys.key(event, [data], ("/", room)))
    return ("/", None, event, repr([data]))


def _price(symbol: str, price: int) -> dict[str, Any]:
    return {"symbol": symbol, "price": price}


def _got(road: Broadcast, client: Client) -> list[Item]:
    road.cork.flush()
    client.read()
    return client.received


def _line(client: Client) -> Any:
    assert client.line is not None
    return client.line


@formats
async def test_only_the_newest_price_is_left_and_all_else_in_order(granted: Granted) -> None:
    road = _road()
    slow, quick = _join(road, granted), _join(road, granted)
    everything = [_emit(road, [slow, quick], "price", _price("A", 0))]
    _got(road, slow)
    _line(slow).pause()
    everything += [_emit(road, [slow, quick], "say", 1), _emit(road, [slow, quick], "price", _price("A", 2))]
    everything += [_emit(road, [slow, quick], "say", 3), _emit(road, [slow, quick], "price", _price("B", 4))]
    everything += [_emit(road, [slow, quick], "price", _price("A", 5)), _emit(road, [slow, quick], "say", 6)]
    assert _line(slow).queued_bytes > 0  # what came before the first price
    assert _line(slow).postponed_bytes > 0
    assert _got(road, quick) == everything
    _line(slow).resume()
    assert _got(road, slow) == [item for number, item in enumerate(everything) if number != 2]
    assert (road.conflated.messages, _line(slow).backlog_bytes) == (1, 0)


@formats
async def test_another_audience_is_another_price(granted: Granted) -> None:
    road = _road()
    client = _join(road, granted)
    _line(client).pause()
    sent = [_emit(road, [client], "price", _price("A", number), room) for number, room in enumerate("xyx")]
    _line(client).resume()
    assert _got(road, client) == sent[1:]


async def test_a_question_is_never_dropped() -> None:
    road = _road()
    client = _join(road, FORMATS[0])
    _line(client).pause()
    _emit(road, [client], "price", _price("A", 0))
    for number in (1, 2):
        road.emit_asking("price", [_price("A", number)], "/", client.connection, number)
    last = _emit(road, [client], "price", _price("A", 3))
    _line(client).resume()
    asked = [("/", number, "price", repr([_price("A", number)])) for number in (1, 2)]
    assert _got(road, client) == [*asked, last]


@formats
async def test_what_the_socket_does_not_take_is_held_back_again_and_may_still_give_way(granted: Granted) -> None:
    road = _road(SETTINGS.replace(max_queued_bytes=1_000_000))
    client = _join(road, granted)
    _line(client).pause()
    first = _emit(road, [client], "price", _price("A", 0))
    fillers = [_emit(road, [client], "say", f"{number}{FILLER}") for number in range(FEW)]
    second = _emit(road, [client], "price", _price("B", 1))
    client.socket.pauses_at = 1
    _line(client).resume()
    assert _line(client).postponed_bytes > 0
    newest = _emit(road, [client], "price", _price("B", 2))
    last = _emit(road, [client], "say", "last")
    client.socket.pauses_at = None
    _line(client).resume()
    assert _got(road, client) == [first, *fillers, newest, last]
    assert second not in client.received


@formats
async def test_what_is_held_back_is_bounded_and_the_price_that_has_no_room_leaves_the_older(granted: Granted) -> None:
    road = _road(SETTINGS.replace(skip_slow_readers=True))
    client = _join(road, granted)
    _line(client).pause()
    sent = [_emit(road, [client], "price", _price("A", 0))]
    while not road.slow_readers.skipped_messages:
        sent.append(_emit(road, [client], "say", FILLER))
    assert _line(client).backlog_bytes <= SETTINGS.max_queued_bytes
    postponed_bytes = _line(client).postponed_bytes
    _emit(road, [client], "price", {**_price("A", 1), "note": FILLER})
    assert (_line(client).postponed_bytes, road.conflated.messages) == (postponed_bytes, 0)
    _line(client).resume()
    assert _got(road, client) == sent[:-1]


async def test_who_has_no_room_is_closed_and_all_that_was_held_back_is_forgotten() -> None:
    road = _road()
    client = _join(road, FORMATS[0])
    line = _line(client)
    line.pause()
    while not client.session.is_slow:
        _emit(road, [client], "price", _price("A", 0))
        _emit(road, [client], "say", FILLER)
    assert line.postponed_bytes == 0
    line.resume()
    assert _got(road, client) == []


@formats
async def test_a_goodbye_comes_behind_all_that_was_held_back(granted: Granted) -> None:
    road = _road()
    client = _join(road, granted)
    _line(client).pause()
    sent = [_emit(road, [client], "price", _price("A", 0)), _emit(road, [client], "say", 1)]
    road.finish([client.connection])
    assert _line(client).postponed_bytes == 0
    road.forget(client.connection)
    _line(client).resume()
    assert _got(road, client) == sent


async def test_without_rules_frames_are_queued_as_ever() -> None:
    road = _road(SETTINGS.replace(latest=()))
    client = _join(road, FORMATS[0])
    _line(client).pause()
    sent = [_emit(road, [client], "price", _price("A", number)) for number in range(3)]
    assert (_line(client).postponed_bytes, len(_line(client).queued)) == (0, 3)
    _line(client).resume()
    assert _got(road, client) == sent
    assert road.conflated.messages == 0


async def test_what_waits_in_a_batch_goes_before_what_is_held_back() -> None:
    road = _road(SETTINGS.replace(batch=True, batch_window_ms=1000, batch_events=frozenset({"status"})))
    client = _join(road, FORMATS[2])
    sent = [_emit(road, [client], "status", number) for number in range(3)]
    _got(road, client)
    _line(client).pause()
    sent += [_emit(road, [client], "price", _price("A", 3)), _emit(road, [client], "status", 4)]
    _line(client).resume()
    road.flush()
    assert _got(road, client) == sent
    road.close()
