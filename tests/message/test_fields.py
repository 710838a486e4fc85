"""Layer 1 gives everything back: keys, escapes, timestamps; and says what it cannot take, and where."""

from __future__ import annotations

import contextlib
import copy
import enum
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import strategies as s
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reznet_ws.message.fields import (
    EXPANSIONS,
    FIELD_MAP,
    MAX_DEPTH,
    TIMESTAMPS,
    DecodeError,
    PayloadError,
    abbreviate,
    check,
    expand,
    iso_from_ms,
    ms_from_iso,
)


def _nest(depth: int, innermost: Any = 0) -> Any:
    for level in range(depth):
        innermost = [innermost] if level % 2 else {"content": innermost}
    return innermost


# The map


def test_the_map_is_the_seed_documents() -> None:
    tables = """
        message_id mid, channel_id cid, author_type at, author_name an, author_id aid, content c, created_at ts,
        updated_at uts, metadata m, agent_name ag, agent_id agid, status s, workflow_id wid, description d,
        orchestrator orch, plan p, total_tasks tt, tasks t, order o, depends_on dep, model mdl, provider prv,
        in_reply_to irt, tokens tok, chunk ch, is_final fin, streaming str
    """
    assert [tuple(row.split()) for row in tables.split(",")] == list(FIELD_MAP.items())


def test_no_abbreviation_is_used_twice_or_is_a_full_name() -> None:
    assert len(EXPANSIONS) == len(FIELD_MAP)
    assert not set(FIELD_MAP) & set(EXPANSIONS)
    assert all(len(short) < len(full) for full, short in FIELD_MAP.items())
    assert set(FIELD_MAP) >= TIMESTAMPS


# There and back


@given(s.payloads_with_bytes)
@example({"mid": 1, "message_id": 2, "~mid": 3, "~message_id": 4, "~~mid": 5, "_v": 6, "gz": 7, "~": 8, "": 9})
@example({"created_at": "2025-10-25T12:00:00.000Z", "ts": 1, "~ts": 2, "~created_at": 3})
@example({"created_at": "yesterday", "ts": "2025-10-25T12:00:00.000Z"})
@example({"created_at": {"created_at": "0001-01-01T00:00:00.000Z"}, "updated_at": "9999-12-31T23:59:59.999Z"})
def test_expand_undoes_abbreviate(value: Any) -> None:
    assert s.exactly(expand(abbreviate(value))) == s.exactly(value)


@given(s.payloads)
def test_expand_undoes_abbreviate_after_json(value: Any) -> None:
    assert s.exactly(expand(json.loads(json.dumps(abbreviate(value))))) == s.exactly(value)


@given(s.payloads_with_bytes)
def test_abbreviating_twice_is_undone_by_expanding_twice(value: Any) -> None:
    assert s.exactly(expand(expand(abbreviate(abbreviate(value))))) == s.exactly(value)


@given(s.payloads_with_bytes)
def test_check_gives_an_equal_value(value: Any) -> None:
    assert s.exactly(check(value)) == s.exactly(value)


@given(s.payloads_with_bytes)
def test_nothing_changes_its_input(value: Any) -> None:
    before = s.exactly(value)
    abbreviated = abbreviate(value)
    check(value)
    assert s.exactly(value) == before
    sent = s.exactly(abbreviated)
    expand(abbreviated)
    assert s.exactly(abbreviated) == sent


@pytest.mark.parametrize("function", [abbreviate, check])
def test_what_comes_back_is_a_copy_through_and_through(function: Any) -> None:
    value: dict[str, Any] = {"list": [{"object": {}}], "buffer": bytearray(b"frame")}
    before = copy.deepcopy(value)
    copied = function(value)
    value["list"][0]["object"]["later"] = 1
    value["list"].append(2)
    value["buffer"][0] = 0  # an application may use its buffer again before a batch leaves
    assert copied == before


@pytest.mark.parametrize("function", [abbreviate, check])
def test_tuples_become_lists(function: Any) -> None:
    assert s.exactly(function({"x": (1, ("a", ()))})) == s.exactly({"x": [1, ["a", []]]})


def test_numbers_and_strings_of_other_classes_pass() -> None:
    class Colour(enum.IntEnum):
        RED = 3

    class Status(enum.StrEnum):
        BUSY = "busy"

    assert json.dumps(abbreviate({"status": Status.BUSY, "colour": Colour.RED})) == '{"s": "busy", "colour": 3}'


def test_known_keys_are_shortened_at_every_depth() -> None:
    value = {"plan": [{"tasks": {"x": [{"description": "d"}]}}]}
    assert abbreviate(value) == {"p": [{"t": {"x": [{"d": "d"}]}}]}


@pytest.mark.parametrize("key", ["mid", "ts", "d", "_v", "gz", "~", "~mid", "~message_id", "~other"])
def test_a_key_that_looks_like_ours_is_escaped(key: str) -> None:
    assert abbreviate({key: 1}) == {f"~{key}": 1}


@pytest.mark.parametrize("key", ["", "e", "MID", "mid ", "_V", "message_ids", "-~"])
def test_any_other_key_stays(key: str) -> None:
    assert abbreviate({key: 1}) == {key: 1}


def test_one_object_in_two_places_is_no_cycle() -> None:
    shared = {"content": "x"}
    assert abbreviate([shared, {"order": shared}, shared]) == [{"c": "x"}, {"o": {"c": "x"}}, {"c": "x"}]


# Timestamps


@given(s.exact_timestamps)
@example("0001-01-01T00:00:00.000Z")
@example("9999-12-31T23:59:59.999Z")
@example("1969-12-31T23:59:59.999Z")
@example("2000-02-29T00:00:00.001Z")
def test_an_exact_timestamp_becomes_milliseconds_and_comes_back(text: str) -> None:
    ms = ms_from_iso(text)
    assert ms is not None
    assert iso_from_ms(ms) == text
    assert abbreviate({"created_at": text, "updated_at": text}) == {"ts": ms, "uts": ms}


@given(s.near_misses)
@example("2025-10-25T24:00:00.000Z")
@example("2025-10-25T12:00:00.000Z\n")
def test_any_other_string_comes_back_to_the_letter_or_is_left_alone(text: str) -> None:
    ms = ms_from_iso(text)
    if ms is None:
        assert abbreviate({"created_at": text}) == {"created_at": text}
    else:
        assert iso_from_ms(ms) == text


@pytest.mark.parametrize("text", s.NEAR_MISSES, ids=ascii)
def test_a_near_miss_keeps_its_full_key(text: str) -> None:
    assert ms_from_iso(text) is None
    assert abbreviate({"updated_at": text}) == {"updated_at": text}


@given(s.json_values.filter(lambda value: not isinstance(value, str)))
@example(1761393600000)
@example(None)
def test_a_timestamp_that_is_no_string_keeps_its_full_key(value: Any) -> None:
    assert list(abbreviate({"created_at": value})) == ["created_at"]


def test_only_the_two_timestamp_fields_become_milliseconds() -> None:
    text = "2025-10-25T12:00:00.000Z"
    assert abbreviate({"content": text, "sent_at": text, "ts": text}) == {"c": text, "sent_at": text, "~ts": text}


def test_the_seed_documents_timestamp() -> None:
    assert ms_from_iso("2025-10-25T12:00:00.000Z") == 1_761_393_600_000


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_are_what_the_calendar_says(ms: int) -> None:
    text = iso_from_ms(ms)
    assert len(text) == 24
    assert ms_from_iso(text) == ms
    seconds, rest = divmod(ms, 1000)
    moment = datetime.fromisoformat(text)
    assert moment.astimezone(UTC).replace(microsecond=0).timestamp() == seconds
    assert text[20:23] == f"{rest:03}"


@pytest.mark.parametrize(
    "ms",
    [-62_135_596_800_001, 253_402_300_800_000, 10**5000, -(2**63), True, 1.0, "1", None, [], {}, _nest(900)],
    ids=lambda ms: type(ms).__name__,
)
def test_what_is_no_moment_is_refused(ms: Any) -> None:
    with pytest.raises(DecodeError, match="timestamp"):
        expand({"ts": ms})


# What JSON lacks


class _Text:
    def __repr__(self) -> str:
        return "a"


@pytest.mark.parametrize("function", [abbreviate, check])
@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "$", "is nan, which JSON lacks"),
        ([math.inf], "$[0]", "is inf, which JSON lacks"),
        ({"a": [0, {"b": -math.inf}]}, "$.a[1].b", "is -inf, which JSON lacks"),
        ({"message_id": {"ts": {1, 2}}}, "$.message_id.ts", "is of type set, which JSON lacks"),
        ([[], [frozenset()]], "$[1][0]", "is of type frozenset, which JSON lacks"),
        ({"created_at": datetime(2025, 1, 1, tzinfo=UTC)}, "$.created_at", "is of type datetime, which JSON lacks"),
        ({"content": memoryview(b"")}, "$.content", "is of type memoryview, which JSON lacks"),
        (1j, "$", "is of type complex, which JSON lacks"),
        ({"a": {1: 2}}, "$.a", "has the key 1, which is not a string"),
        ({"a": ({None: 2},)}, "$.a[0]", "has the key None, which is not a string"),
        ({True: 2}, "$", "has the key True, which is not a string"),
        ({b"a": 2}, "$", "has the key b'a', which is not a string"),
        ({_Text(): 2}, "$", "has the key a, which is not a string"),
    ],
    ids=lambda part: re.sub(r" at 0x\w+", "", ascii(part)),
)
def test_what_json_lacks_is_named_with_its_path(function: Any, value: Any, path: str, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        function(value)
    error = caught.value
    assert (error.path, error.reason, error.event) == (path, reason, None)
    assert str(error) == f"payload: {path} {reason}"


def test_an_error_names_the_event_once_it_is_known() -> None:
    error = PayloadError("$.a", "is nan", "agent_status")
    assert str(error) == "agent_status: $.a is nan"
    assert isinstance(error, ValueError)
    assert error.event == "agent_status"


@pytest.mark.parametrize("function", [abbreviate, check])
def test_a_cycle_is_refused(function: Any) -> None:
    value: dict[str, Any] = {"plan": []}
    value["plan"].append(value)
    with pytest.raises(PayloadError, match=r"^payload: \$\.plan\[0\] contains itself$"):
        function(value)


@pytest.mark.parametrize("function", [abbreviate, check])
def test_the_deepest_nesting_comes_back_and_one_deeper_is_refused(function: Any) -> None:
    deepest = _nest(MAX_DEPTH)
    assert expand(function(deepest)) == deepest
    with pytest.raises(PayloadError, match=f"is nested deeper than {MAX_DEPTH} levels") as caught:
        function(_nest(MAX_DEPTH + 1))
    assert caught.value.path.count("[0]") + caught.value.path.count(".content") == MAX_DEPTH


@given(s.payloads_with_bytes, st.data())
def test_one_bad_leaf_anywhere_is_found_where_it_is(value: Any, data: st.DataObject) -> None:
    path = "$"
    holder: Any = None
    key: Any = None
    while isinstance(value, (list, dict)) and value and data.draw(st.booleans() if holder is not None else st.just(1)):
        holder = value
        key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        path += f".{key}" if isinstance(value, dict) else f"[{key}]"
        value = value[key]
    assume(holder is not None)
    holder = copy.deepcopy(holder)  # shared objects would have the bad leaf twice
    holder[key] = math.nan
    path = path[path.rfind(f".{key}") if isinstance(holder, dict) else path.rfind(f"[{key}]") :]
    for function in (abbreviate, check):
        with pytest.raises(PayloadError) as caught:
            function({"root": [holder]})
        assert caught.value.path == f"$.root[0]{path}"


# What `abbreviate` cannot have made


@given(s.json_values)
def test_a_forged_value_gives_a_value_or_a_decode_error(value: Any) -> None:
    with contextlib.suppress(DecodeError):
        expand(value)


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"mid": 1, "message_id": 2}, "the key 'message_id' comes twice"),
        ({"message_id": 1, "mid": 2}, "the key 'message_id' comes twice"),
        ({"~x": 1, "x": 2}, "the key 'x' comes twice"),
        ([{"m": {"created_at": 1, "ts": 2}}], "the key 'created_at' comes twice"),
        (_nest(MAX_DEPTH + 2), "nested deeper than 256 levels"),
        (_nest(700), "nested deeper than 256 levels"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_forged_value_is_refused(forged: Any, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        expand(forged)


class _Field(enum.StrEnum):
    """Members hash as their names do, and not as their texts."""

    MESSAGE = "message_id"
    SHORT = "mid"
    MARK = "_v"
    WHEN = "created_at"


def test_keys_of_a_kind_of_string_are_taken_by_their_text() -> None:
    value = {_Field.MESSAGE: 1, _Field.SHORT: 2, _Field.MARK: 3, _Field.WHEN: "2025-10-25T12:00:00.000Z"}
    short = abbreviate(value)
    assert short == {"mid": 1, "~mid": 2, "~_v": 3, "ts": 1761393600000}
    assert {type(key) for key in short} == {str}
    assert expand(short) == {str(key): item for key, item in value.items()}
