"""A client asks for a format in its query string; one that asks for nothing is told nothing."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.message.formats import FORMATS, Grant, grant
from reznet_ws.settings import Settings


@pytest.mark.parametrize(
    "query", ["", "EIO=4&transport=websocket", "reznet", "reznet=", "reznets=2", "page=reznet", "REZNET=2", "&&=&"]
)
def test_a_client_that_asks_for_nothing_is_told_nothing(query: str) -> None:
    assert grant(query) is None


@pytest.mark.parametrize("query", ["reznet=2", "reznet=2&EIO=4&transport=websocket", "EIO=4&reznet=2", "reznet=%32"])
def test_format_2_is_granted_to_whoever_asks(query: str) -> None:
    granted = grant(query)
    assert granted == Grant(2, "2")
    assert granted.announcement() == {"format": 2, "formats": [1, 2, 3, "m"]}


def test_format_3_is_granted_unless_it_is_off() -> None:
    assert grant("reznet=3") == Grant(3, "3")
    refused = grant("reznet=3", settings=Settings(rows=False))
    assert refused is not None
    said = {"format": 1, "formats": [1, 2, 3, "m"], "reason": "rows are off; you get format 1"}
    assert refused.announcement() == said
    assert grant("reznet=2", settings=Settings(rows=False)) == Grant(2, "2")


def test_messagepack_is_granted_unless_it_is_off_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert grant("reznet=m") == Grant("m", "m")
    off, missing = Settings(message_pack=False), "the server has no msgpack; you get format 1"
    refused = grant("reznet=m", settings=off)
    assert refused is not None
    assert refused.announcement()["reason"] == "MessagePack is off; you get format 1"
    monkeypatch.setitem(sys.modules, "msgpack", None)  # as if it were not installed
    refused = grant("reznet=m")
    assert refused is not None
    assert refused.announcement() == {"format": 1, "formats": [1, 2, 3, "m"], "reason": missing}


def test_a_client_may_ask_for_format_1() -> None:
    granted = grant("reznet=1")
    assert granted == Grant(1, "1")
    assert granted.announcement() == {"format": 1, "formats": [1, 2, 3, "m"]}


@pytest.mark.parametrize("asked", ["4", "0", "-1", "02", "2.0", " 2", "two", "٢", "2,1"])
def test_an_unknown_format_gets_format_1_and_the_reason(asked: str) -> None:
    granted = grant(f"reznet={asked}")
    assert granted == Grant(1, asked)
    assert granted.announcement() == {
        "format": 1,
        "formats": [1, 2, 3, "m"],
        "reason": f"format {asked!r} is not known; you get format 1",
    }


def test_the_first_of_several_counts() -> None:
    assert grant("reznet=1&reznet=2") == Grant(1, "1")


def test_many_other_parameters_are_no_reason_to_fail() -> None:
    assert grant("reznet=2" + "&page=1" * 1000) == Grant(2, "2")


def test_a_long_wish_is_not_echoed_in_full() -> None:
    granted = grant("reznet=" + "9" * 10_000)
    assert granted is not None
    assert len(granted.announcement()["reason"]) < 100


@given(st.text() | st.text().map(lambda text: f"reznet={text}"))
def test_any_query_gets_a_known_format_or_nothing(query: str) -> None:
    granted = grant(query)
    if granted is not None:
        assert granted.format in FORMATS
        json.dumps(granted.announcement())
