"""Pieces of one text that travel together are one; nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.message.joining import Chunk, join_chunks, join_runs
from reznet_ws.settings import Join, Settings, SettingsError

RULE = Join("token", "text", newest=("seq", "done"))


def _chunk(text: Any, stream: Any = 1, namespace: str = "/", **more: Any) -> Chunk:
    return Chunk(RULE, namespace, {"stream": stream, "text": text, **more})


def test_texts_are_joined_and_what_may_differ_is_as_it_was_last() -> None:
    chunks = [_chunk("a", seq=1, done=False), _chunk("b", seq=2, done=False), _chunk("", seq=5, done=True)]
    assert join_runs(chunks) == [[0, 1, 2]]
    assert join_chunks(chunks) == {"stream": 1, "text": "ab", "seq": 5, "done": True}


@pytest.mark.parametrize(
    "other",
    [
        _chunk("b", stream=2),
        _chunk("b", stream=1.0),
        _chunk("b", stream=True),
        _chunk("b", namespace="/chat"),
        _chunk("b", more=1),
        _chunk(None),
        None,
    ],
)
def test_what_differs_in_anything_else_is_not_joined(other: Chunk | None) -> None:
    assert join_runs([_chunk("a"), other]) == [[0], [1]]


def test_several_streams_may_alternate_but_nothing_passes_what_is_no_chunk() -> None:
    messages = [_chunk("a"), _chunk("x", 2), _chunk("b"), _chunk("y", 2), None, _chunk("c")]
    assert join_runs(messages) == [[0, 2], [1, 3], [4], [5]]


@given(st.lists(st.none() | st.tuples(st.integers(0, 2), st.text(max_size=3)), max_size=20))
def test_every_stream_has_its_whole_text_between_any_two_others(sent: list[tuple[int, str] | None]) -> None:
    messages = [None if one is None else _chunk(one[1], one[0]) for one in sent]
    runs = join_runs(messages)
    assert sorted(number for run in runs for number in run) == list(range(len(sent)))

    def texts(order: list[tuple[int, str] | None]) -> list[dict[int, str]]:
        parts: list[dict[int, str]] = [{}]
        for one in order:
            if one is None:
                parts.append({})
            else:
                parts[-1][one[0]] = parts[-1].get(one[0], "") + one[1]
        return parts

    joined: list[tuple[int, str] | None] = []
    for run in runs:
        chunks = [chunk for number in run if (chunk := messages[number]) is not None]
        data = join_chunks(chunks) if chunks else None
        joined.append(None if data is None else (data["stream"], data["text"]))
    assert texts(joined) == texts(sent)


@pytest.mark.parametrize("parts", [(1, "a"), ("a", 1), ("a", "b", ["c"]), ("a", "b", (1,))], ids=repr)
def test_a_rule_is_made_of_names(parts: Any) -> None:
    with pytest.raises(SettingsError, match="not the names of an event and of fields"):
        Join(*parts)


@pytest.mark.parametrize("value", [[RULE], RULE, ("a",), (RULE, Join("token", "other"))], ids=repr)
def test_rules_are_a_tuple_of_one_for_each_event(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"^join: .* (is not a tuple of Join|names an event twice)$"):
        Settings(join=value)
