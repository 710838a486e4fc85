"""Clocks are told by their values; what is guessed is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reznet_ws.audit.read.capture import Assumption, Item, Record, Transport
from reznet_ws.audit.read.clock import LogClock, ValueClock, unit_of_date
from reznet_ws.audit.read.reading import read

NOW_S = 1_789_000_000.5


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (NOW_S, "seconds"),
        (NOW_S * 1e3, "milliseconds"),
        (NOW_S * 1e6, "microseconds"),
        (NOW_S * 1e9, "nanoseconds"),
        (0, None),
        (84231.1, None),
        (3_600_000, None),
        (-NOW_S, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_date_of_these_decades_tells_its_unit(value: float, unit: str | None) -> None:
    assert unit_of_date(value) == unit


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
def test_a_clock_keeps_the_unit_of_its_first_moment(scale: float) -> None:
    clock = ValueClock("milliseconds")
    first, second = clock.ms(NOW_S * scale), clock.ms((NOW_S + 1) * scale)
    assert first is not None
    assert second is not None
    assert second - first == pytest.approx(1000, abs=0.01)
    assert (clock.guess is None) == (scale == 1e3)


@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
def test_what_is_no_date_has_the_unit_of_its_format(unit: str) -> None:
    clock = ValueClock(unit)
    factor = 1000 if unit == "seconds" else 1
    assert clock.ms(84231.1) == pytest.approx(84231.1 * factor)
    assert clock.guess is None


@pytest.mark.parametrize("value", [None, True, "soon", [], 1e300, float("nan"), "2026-99-99T00:00:00Z"])
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert ValueClock("seconds").ms(value) is None


def test_a_date_is_a_moment_too() -> None:
    assert ValueClock("seconds").ms("1970-01-01T00:00:01.25Z") == 1250
    assert ValueClock("seconds").ms("1970-01-01T02:00:01+02:00") == 1000


def test_a_log_keeps_to_the_most_exact_way_of_its_first_line() -> None:
    clock = LogClock()
    first = clock.ms("Mar  9 12:00:00 host app: 2026-03-09 12:00:00,250 ")
    assert clock.ms("Mar  9 12:00:01 host app: ") is None
    second = clock.ms("Mar  9 12:00:01 host app: 2026-03-09 12:00:01,750 ")
    assert first is not None
    assert second == first + 1500


def test_a_time_of_day_goes_on_after_midnight() -> None:
    clock = LogClock()
    moments = [clock.ms(text) for text in ("23:59:59,900 ", "23:59:59,950 ", "00:00:00,100 ", "00:00:00,050 ")]
    assert [at - moments[0] for at in moments if at is not None and moments[0] is not None] == [0, 50, 200, 150]
    assert clock.guess is not None


def test_a_year_ends_in_syslog() -> None:
    clock = LogClock()
    first, second = clock.ms("Dec 31 23:59:59 host "), clock.ms("Jan  1 00:00:01 host ")
    assert first is not None
    assert second == first + 2000


@pytest.mark.parametrize("text", ["", "worker 1234567890", "99:99:99", "port 5000 ", "a 1.2.3.4:80 b", "12:34"])
def test_numbers_that_are_no_times_are_none(text: str) -> None:
    assert LogClock().ms(text) is None


# In files


def stream(*moments: Any) -> str:
    return "".join(
        json.dumps({"event": "tick", "data": at, "ts_ms": moment, "dir": "in", "stream": "a"}) + "\n"
        for at, moment in enumerate(moments)
    )


def items_of(folder: Path, name: str, text: str) -> tuple[list[Item], list[float | None]]:
    path = folder / name
    path.write_text(text)
    items = list(read([path]))
    return items, [item.time_ms for item in items if isinstance(item, Record)]


def test_seconds_in_a_field_of_milliseconds_are_seconds_and_named(tmp_path: Path) -> None:
    items, moments = items_of(tmp_path, "a.jsonl", stream(NOW_S, NOW_S + 0.5, NOW_S + 60))
    assert moments == [0, 500, 60_000]
    [guess] = [item.reason for item in items if isinstance(item, Assumption)]
    assert "seconds since 1970" in guess


def test_each_stream_has_a_clock_of_its_own(tmp_path: Path) -> None:
    dates = stream(NOW_S * 1000, NOW_S * 1000 + 40)
    since_start = stream(0, 1e6).replace('"a"', '"b"')
    _, moments = items_of(tmp_path, "a.jsonl", dates + since_start)
    assert moments[:2] == [0, 40]
    assert moments[3] is not None
    assert moments[2] is not None
    assert moments[3] - moments[2] == 1e6


def test_dates_are_read(tmp_path: Path) -> None:
    _, moments = items_of(tmp_path, "a.jsonl", stream("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.500Z"))
    assert moments == [0, 1500]


def websocket(moments: list[Any], started: str = "2026-03-09T12:00:01.000Z", sid: str = "s1") -> dict[str, Any]:
    messages = [{"type": "receive", "time": at, "opcode": 1, "data": f'42["tick",{at!r}]'} for at in moments]
    messages = [{**message, "data": '42["tick"]'} for message in messages]
    url = f"wss://a.example/socket.io/?EIO=4&transport=websocket&sid={sid}"
    return {
        "startedDateTime": started,
        "request": {"method": "GET", "url": url},
        "response": {"status": 101},
        "_webSocketMessages": messages,
    }


def polling(body: str, started: str, took_ms: float, sid: str = "") -> dict[str, Any]:
    url = f"https://a.example/socket.io/?EIO=4&transport=polling{'&sid=' if sid else ''}{sid}"
    return {
        "startedDateTime": started,
        "time": took_ms,
        "request": {"method": "GET", "url": url},
        "response": {"status": 200, "content": {"text": body}},
    }


def har(*entries: dict[str, Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


OPEN = '0{"sid":"s1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'


@pytest.mark.parametrize("first_s", [12.5, 84_231.25, 3e6])
def test_a_clock_that_began_with_the_browser_is_put_on_that_of_the_entries(tmp_path: Path, first_s: float) -> None:
    items, moments = items_of(
        tmp_path,
        "a.har",
        har(
            polling(OPEN, "2026-03-09T12:00:00.000Z", 60_000),
            polling("40", "2026-03-09T12:00:00.100Z", 60_000, "s1"),
            websocket([first_s, first_s + 20]),
        ),
    )
    records = [item for item in items if isinstance(item, Record)]
    assert [record.transport for record in records] == [Transport.POLLING] * 2 + [Transport.WEBSOCKET] * 2
    assert moments == [100, 1000, 1000, 21_000]
    assert any(isinstance(item, Assumption) and "none of dates" in item.reason for item in items)


def test_two_websockets_of_one_browser_keep_their_distance(tmp_path: Path) -> None:
    # The second waited five seconds for its first message.
    items, moments = items_of(
        tmp_path,
        "a.har",
        har(websocket([100.0]), websocket([107.0], started="2026-03-09T12:00:03.000Z", sid="s2")),
    )
    assert moments == [0, 7000]
    assert sum(isinstance(item, Assumption) for item in items) == 1


@pytest.mark.parametrize("scale", [1, 1e3, 1e6])
def test_dates_in_any_unit_are_left_where_they_are(tmp_path: Path, scale: float) -> None:
    began_s = 1_773_057_602
    _, moments = items_of(tmp_path, "a.har", har(websocket([began_s * scale, (began_s + 1.5) * scale])))
    assert moments == [0, 1500]


def test_a_date_in_place_of_a_number_is_read(tmp_path: Path) -> None:
    _, moments = items_of(tmp_path, "a.har", har(websocket(["2026-03-09T12:00:02Z", "2026-03-09T12:00:17.500Z"])))
    assert moments == [0, 15_500]


def test_without_times_there_is_no_clock(tmp_path: Path) -> None:
    _, moments = items_of(tmp_path, "a.har", har(websocket([-1, -1])))
    assert moments == [None, None]
