"""Names: what an application's author called it is shown, what its users typed is not."""

from __future__ import annotations

import itertools
import json
import tracemalloc
import uuid
from typing import Any

import pytest

from reznet_ws.audit.examine.names import HIDDEN, Names, is_id


def learned(*args: Any, event: str = "x", times: int = 5, salt: bytes | None = None) -> Names:
    names = Names(salt)
    for _ in range(times):
        for arg in args:
            names.learn(event, [arg])
    return names


@pytest.mark.parametrize(
    "key", ["message_id", "createdAt", "is-final", "content.type", "$ref", "mp3", "ipv6", "utf8", "名前", "x", "_v"]
)
def test_the_keys_of_records_are_shown(key: str) -> None:
    assert learned({key: 1, "other": "text"}).key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "user:550e8400",
        "deadbeef01",
        "1234",
        "42",
        "x8842119",
        "a1b2c3d4",
        "alice@example.com",
        "What is my password?",
        "two words",
        "https://example.com/private",
        "",
        "k" * 41,
        "tab\there",
        "nul\x00",
    ],
)
def test_keys_that_look_like_contents_are_hidden(key: str) -> None:
    assert is_id(key)
    assert learned({key: 1, "other": "text"}).key(key) == HIDDEN


def test_a_key_that_came_once_or_twice_is_no_name_yet() -> None:
    names = learned({"secret": 1, "kind": 2}, times=2)
    assert names.key("secret") == HIDDEN
    names.learn("x", [{"secret": 1}])
    assert names.key("secret") == "secret"


def test_a_key_that_never_came_is_hidden() -> None:
    assert learned({"a": 1}).key("b") == HIDDEN


def test_keys_that_lead_to_objects_of_one_shape_are_those_of_a_map() -> None:
    names = learned({"scores": {user: {"points": 1, "rank": 2} for user in ("alice", "bob", "carol", "dave")}})
    assert [names.key(key) for key in ("scores", "alice", "dave", "points", "rank")] == [
        "scores",
        HIDDEN,
        HIDDEN,
        "points",
        "rank",
    ]


def test_keys_that_change_from_object_to_object_are_those_of_a_map() -> None:
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=3)]
    names = Names()
    for at in range(200):
        names.learn("x", [{"typing": {words[(at * 7 + step) % 64]: True for step in range(3)}}])
    assert names.key("typing") == "typing"
    assert {names.key(word) for word in words} == {HIDDEN}


def test_kinds_of_objects_that_share_a_key_are_records() -> None:
    names = Names()
    for at in range(200):
        names.learn("x", [{"type": str(at % 20), **{f"field_{chr(97 + at % 20)}_{part}": 1 for part in "abc"}}])
    assert names.key("type") == "type"
    assert names.key("field_a_b") == "field_a_b"


def test_more_keys_than_anybody_names_are_hidden() -> None:
    words = ["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)]
    names = learned({"index": dict.fromkeys(words, 1)})
    assert {names.key(word) for word in words} == {HIDDEN}


def test_a_hidden_key_elsewhere_a_name_is_shown_where_it_mostly_is_one() -> None:
    people = {name: {"points": 1} for name in ("role", "alice", "bob", "carol")}
    names = learned({"scores": people})
    for _ in range(20):
        names.learn("y", [{"role": "user", "text": "..."}])
    assert names.key("role") == "role"
    assert names.key("alice") == HIDDEN


PEOPLE = ("alice.nguyen", "bob.martin", "carol.weber", "dora.klein")


@pytest.mark.parametrize("people", [PEOPLE, ("alice", "bob", "carol", "dora"), ("alice", "bob"), ("Ольга", "Пётр")])
@pytest.mark.parametrize("value", [3, True, "online", 0.5, ["a"], {"points": 1}])
def test_names_of_people_as_keys_are_hidden_whatever_stands_behind_them(people: tuple[str, ...], value: Any) -> None:
    names = learned({"votes": dict.fromkeys(people, value), "round": 1, "note": "a text"})
    assert {names.key(person) for person in people} == {HIDDEN}
    assert [names.key(key) for key in ("votes", "round", "note")] == ["votes", "round", "note"]


def test_names_of_people_beside_fields_are_hidden() -> None:
    names = learned({**dict.fromkeys(("alice", "bob", "carol", "dora"), 1), "round": 2, "total": 7, "title": "A vote"})
    assert [names.key(key) for key in ("alice", "dora", "round", "total", "title")] == [
        HIDDEN,
        HIDDEN,
        "round",
        "total",
        "title",
    ]


def test_joined_words_are_shown_only_if_fields_have_them() -> None:
    names = learned({"alice.nguyen": 1, "mary-ann": "x", "content.type": "text/plain", "is-final": True})
    assert [names.key(key) for key in ("alice.nguyen", "mary-ann", "content.type", "is-final")] == [
        HIDDEN,
        HIDDEN,
        "content.type",
        "is-final",
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"x": 1, "y": 2, "width": 3, "height": 4},
        {"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5},
        {"isTyping": True, "is_online": False},
        {"userId": "a", "roomName": "b", "created_at": "c", "messageText": "d"},
    ],
)
def test_records_of_one_shape_keep_the_words_that_fields_have(record: dict[str, Any]) -> None:
    names = learned({"item": record})
    assert [names.key(key) for key in record] == list(record)


def test_keys_of_json_within_binary_data_are_learned() -> None:
    names = learned(json.dumps({"symbol": "A", "price": 1, "note": [1]}).encode())
    assert [names.key(key) for key in ("symbol", "price", "note")] == ["symbol", "price", "note"]


@pytest.mark.parametrize("name", ["message_new", "new message", "response.output_text.delta", "chat:typing", "событие"])
def test_events_are_shown(name: str) -> None:
    assert learned({}, event=name).event(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("room:550e8400-e29b:update", "room:*-*:update"),
        ("user/12345", "user/*"),
        (f"room:{uuid.UUID(int=0xABCD << 80)}:update", "room:*:update"),
        ("hello, how are you?", HIDDEN),
        ("one two three four five", HIDDEN),
        ("n" * 65, HIDDEN),
        ("mail alice@example.com", HIDDEN),
    ],
)
def test_what_looks_like_contents_in_an_event_is_hidden(name: str, shown: str) -> None:
    assert learned({}, event=name).event(name) == shown


def test_many_events_that_came_once_each_are_contents() -> None:
    names = Names()
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=3)]
    for word in [*words, "tick", "tick"]:
        names.learn(word, [])
    assert {names.event(word) for word in words} == {HIDDEN}
    assert names.event("tick") == "tick"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/socket.io/",
        "wss://a.example/socket.io/",
        "ws://127.0.0.1:8000/ws2/chat",
        "wss://[::1]:8000/v1/chatRooms/live-updates",
        "https://tenant-a.example/API/",
    ],
)
def test_an_address_shows_its_host_and_plain_words(address: str) -> None:
    assert Names().address(address) == address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("wss://a.example/ws/12345/chat", "wss://a.example/ws/*/chat"),
        ("wss://a.example/ws/7/chat", "wss://a.example/ws/*/chat"),
        ("wss://a.example/QwErTyUiOpAsDfGh/ws", "wss://a.example/*/ws"),
        ("wss://a.example/XKCDRWQPLMNBVTYUIOP/ws", "wss://a.example/*/ws"),
        ("wss://a.example/correct-horse-battery-staple/", "wss://a.example/*/"),
        ("wss://a.example/eyJhbGciOiJIUzI.eyJzdWIiOiJhbGlj.c2lnbmF0dXJl/", "wss://a.example/*/"),
        ("wss://a.example/chat;jsessionid=abc/", "wss://a.example/*/"),
        ("wss://a.example/ws%3Ftoken%3Dabc", "wss://a.example/*"),
        ("wss://a.example/alice%40example.com", "wss://a.example/*"),
        ("wss://proxy.example/a1b2c3d4e5/https://b.example/", "wss://proxy.example/*/*//b.example/"),
        ("wss://alice:secret@a.example/ws", "wss://a.example/ws"),
        ("wss://a.example/ws?token=abc#part", "wss://a.example/ws"),
        ("secret words", "*"),
    ],
)
def test_what_could_be_a_token_in_an_address_is_hidden(address: str, shown: str) -> None:
    assert Names().address(address) == shown


def test_of_names_that_are_none_no_more_is_kept_than_tells_so() -> None:
    names = Names()
    tracemalloc.start()
    try:
        for at in range(30):
            key = f"{at:03}" + "k" * 100_000
            names.learn(key, [{key: {f"{at} {inner} {key}": 1 for inner in range(10)}}])
            del key
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
    assert names.key("000" + "k" * 100_000) == names.event("000" + "k" * 100_000) == HIDDEN


def test_with_a_salt_everything_is_a_hash_of_that_run() -> None:
    first, second = (learned({"content": 1}, salt=salt) for salt in (b"1" * 16, b"2" * 16))
    for show in (Names.key, Names.event, Names.file, Names.address, Names.key_like):
        name = "x" if show is Names.event else "content"
        assert show(first, name) == show(first, name) != name
        assert show(first, name) != show(second, name)
    assert first.key("content").startswith("key-")
    assert first.key("unknown") == HIDDEN
