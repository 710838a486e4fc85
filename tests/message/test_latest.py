"""Of messages about the same only the newest is left, and all others stay in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.message.latest import Fields, Key, LatestKeys, LatestQueue, key_of
from reznet_ws.settings import Latest, Settings

PRICE = {"symbol": "ABC", "price": 1.5, "open": True, "none": None, "nested": {}}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ("symbol", ("str", "ABC")),
        (("symbol", "open"), ("str", "ABC", "bool", True)),
        ("none", ("NoneType", None)),
        ((), ()),
        ("missing", None),
        ("nested", None),
        (("symbol", "missing"), None),
    ],
)
def test_a_key_is_the_values_of_the_fields(fields: Fields, key: Key | None) -> None:
    assert key_of(fields, [PRICE, "more"]) == key


@pytest.mark.parametrize("args", [[], ["text"], [["symbol"]], [None]])
def test_what_has_no_fields_has_no_key(args: list[Any]) -> None:
    assert key_of("symbol", args) is None
    assert key_of((), args) == ()


def test_one_is_not_true() -> None:
    assert len({key_of("id", [{"id": value}]) for value in (1, 1.0, True, "1")}) == 4


def test_events_audiences_and_values_have_keys_of_their_own() -> None:
    keys = LatestKeys(Settings(latest=(Latest("price", "symbol"), Latest("viewers"))))
    audiences = [
        ("/", "a", None),
        ("/", "b", None),
        ("/chat", "a", None),
        ("/", "a", "sid"),
        ("/", ["a", "b"], {"sid"}),
    ]
    made = [
        keys.key(event, [{"symbol": symbol}], audience)
        for event in ("price", "viewers")
        for symbol in ("A", "B")
        for audience in audiences
    ]
    assert None not in made
    assert len(set(made)) == 15  # all viewers of one audience are about the same
    assert keys.key("message", [PRICE], audiences[0]) is None
    assert keys.key("message", [PRICE], audiences[0], "symbol") == keys.key(
        "message", [PRICE], audiences[0], ("symbol",)
    )


def test_a_secret_has_none() -> None:
    keys = LatestKeys(Settings(latest=(Latest("token"),), never_compress=frozenset({"token"})))
    assert keys.key("token", [], ("/", None, None)) is None
    assert keys.key("token", [PRICE], ("/", None, None), "symbol") is None


@given(st.lists(st.none() | st.integers(0, 3), max_size=30), st.sets(st.integers(0, 30)))
def test_the_newest_stay_in_the_order_in_which_they_came(kinds: list[int | None], taken: set[int]) -> None:
    queue: LatestQueue[int] = LatestQueue()
    model: list[tuple[int, int | None]] = []
    for number, kind in enumerate(kinds):
        older = next((old for old, old_kind in model if old_kind == kind and kind is not None), None)
        assert queue.put(number, None if kind is None else (kind,)) == older
        model = [entry for entry in model if entry[0] != older] + [(number, kind)]
        if number in taken:
            assert queue.take_first() == model.pop(0)[0]
        assert list(queue) == [number for number, _ in model]
        assert len(queue) == len(model)
