"""What repeats: counted over keys, values and payloads, and nothing kept of them."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from typing import Any

import hypothesis
import pytest
import strategies
from hypothesis import strategies as st

from reznet_ws.audit.examine import repeats
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.examine.repeats import find_repeats
from reznet_ws.audit.read.spool import Kept


def kept(data: Any) -> Kept:
    return Kept(None, "x", (json.dumps(data),), (data,))


def names_of(messages: list[Kept]) -> Names:
    names = Names()
    for message in messages:
        names.learn(message.label, message.args or ())
    return names


def test_keys_values_and_payloads_are_counted() -> None:
    messages = [kept({"status": "thinking", "n": at % 2}) for at in range(6)]
    found = find_repeats(messages, names_of(messages))
    assert [(key.key, key.count, key.json_bytes) for key in found.keys] == [("status", 6, 54), ("n", 6, 24)]
    assert (found.key_bytes, found.values, found.repeated_values) == (78, 6, 5)
    assert (found.value_bytes, found.repeated_value_bytes) == (6 * len('"thinking"'), 5 * len('"thinking"'))
    size = len(json.dumps({"status": "thinking", "n": 0}))
    assert (found.payloads, found.repeated_payloads, found.repeated_payload_bytes) == (6, 4, 4 * size)
    assert (found.messages, found.json_bytes, found.is_everything) == (6, 6 * size, True)


def test_a_number_and_a_text_of_the_same_letters_are_two_values() -> None:
    found = find_repeats([kept([12345, "12345", 12345])], Names())
    assert (found.values, found.repeated_values) == (3, 1)


def test_hidden_keys_are_summed_up() -> None:
    messages = [kept({f"user{at}00000": 1, f"user{at}00001": 2}) for at in range(5)]
    found = find_repeats(messages, names_of(messages))
    assert [(key.key, key.count) for key in found.keys] == [("*", 10)]


def test_bounds_end_the_count_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [kept({"value": f"different {at}"}) for at in range(20)]
    monkeypatch.setattr(repeats, "_MAX_MESSAGES", 10)
    found = find_repeats(messages, names_of(messages))
    assert (found.messages, found.is_everything) == (10, False)
    monkeypatch.setattr(repeats, "_MAX_HASHES", 8)
    found = find_repeats(messages, names_of(messages))
    assert (found.messages, found.is_everything) == (4, False)


@hypothesis.given(st.lists(strategies.json_values, max_size=6))
def test_the_counts_are_those_of_a_plain_count(values: list[Any]) -> None:
    keys: Counter[str] = Counter()
    long: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            keys.update(list(value))
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str) and len(json.dumps(value, ensure_ascii=False)) >= 6:
            long.append(json.dumps(value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and len(repr(value)) >= 4:
            long.append(repr(value))

    for value in values:
        walk(value)
    found = find_repeats(map(kept, values), Names())
    assert sum(key.count for key in found.keys) == keys.total()
    assert (found.values, found.repeated_values) == (len(long), len(long) - len(set(long)))


def test_nothing_of_a_value_is_kept() -> None:
    counter = repeats._Counter()
    counter.add(kept({"token": "hunter2-hunter2", "pin": 987654321}))
    held = pickle.dumps([getattr(counter, name) for name in vars(counter)])
    assert b"hunter2" not in held
    assert b"token" in held, "the search would find it"


def test_json_within_binary_data_is_looked_into_and_the_rest_is_counted() -> None:
    table = json.dumps([{"symbol": "SYM", "price": 12345}] * 3).encode()
    held = Kept(0.0, "assets", ('451-["assets",{"_placeholder":true,"num":0}]', table), (table,))
    noise = Kept(
        0.0, "picture", ('451-["picture",{"_placeholder":true,"num":0}]', b"\x89PNG" * 100), (b"\x89PNG" * 100,)
    )
    found = repeats.find_repeats([held, held, noise], Names())
    assert found.binary_bytes == 2 * len(table) + 400
    assert found.binary_json_bytes == 2 * len(table)
    assert found.key_bytes > 0
    assert found.repeated_value_bytes > 0
