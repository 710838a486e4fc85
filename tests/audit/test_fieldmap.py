"""The proposed field map: without collisions, and its figures as it would be sent."""

from __future__ import annotations

import json
import random
from typing import Any

import hypothesis
import strategies
from hypothesis import strategies as st

from reznet_ws.audit.examine.departures import replay
from reznet_ws.audit.examine.fieldmap import WORTH_PERCENT, choose_shorts, propose, shorten
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.message.fields import EXPANSIONS, FIELD_MAP
from reznet_ws.settings import Settings


def messages_of(*data: Any, times: int = 40) -> list[Kept]:
    return [Kept(None, "x", ("4",), (item,)) for _ in range(times) for item in data]


def names_of(messages: list[Kept]) -> Names:
    names = Names()
    for kept in messages:
        names.learn(kept.label, kept.args or ())
    return names


@hypothesis.given(
    st.dictionaries(strategies.keys, st.integers(1, 1000), max_size=30), st.sets(strategies.keys, max_size=30)
)
def test_no_abbreviation_means_two_things(counts: dict[str, int], present: set[str]) -> None:
    present |= set(counts)
    shorts = choose_shorts(counts, present)
    values = list(shorts.values())
    assert set(shorts) <= set(counts)
    assert len(set(values)) == len(values)
    for short in values:
        assert short not in present
        assert short not in FIELD_MAP
        assert short not in EXPANSIONS
        assert short not in ("_v", "gz")
        assert not short.startswith("~")


@hypothesis.given(strategies.json_values)
def test_a_shortened_value_can_be_undone(value: Any) -> None:
    def keys(item: Any) -> set[str]:
        if isinstance(item, dict):
            return set(item).union(*map(keys, item.values()))
        return set().union(*map(keys, item)) if isinstance(item, list) else set()

    counts = dict.fromkeys(keys(value), 1000)
    shorts = choose_shorts(counts, counts)
    undone = shorten(shorten(value, shorts), {short: key for key, short in shorts.items()})
    assert strategies.exactly(undone) == strategies.exactly(value)


def test_a_map_that_pays_alone_need_not_behind_a_window() -> None:
    draw = random.Random(1)
    data = [
        {"conversation_identifier": at, "participant_display_name": draw.randbytes(60).hex(), "is_typing": True}
        for at in range(300)
    ]
    messages = messages_of(*data, times=1)
    found = propose([messages], names_of(messages))
    assert {entry.key for entry in found.entries} == {
        "conversation_identifier",
        "participant_display_name",
        "is_typing",
    }
    assert found.pays_plain
    assert not found.pays_deflated
    assert found.plain_proposed_bytes < found.plain_builtin_bytes == found.plain_bytes


def test_the_figures_are_those_of_frames_as_they_would_be_sent() -> None:
    data = {"conversation_identifier": "привет", "nested": [{"conversation_identifier": 2}]}
    messages = messages_of(data)
    found = propose([messages], names_of(messages))
    (short,) = {entry.short for entry in found.entries if entry.key == "conversation_identifier"}
    other = {entry.key: entry.short for entry in found.entries}
    value = {**shorten(data, other), "_v": 2}
    text = f'42["x",{json.dumps(value, ensure_ascii=False, separators=(",", ":"))}]'
    assert short in text
    header = 2 if len(text.encode()) < 126 else 4
    assert found.plain_proposed_bytes == len(messages) * (len(text.encode()) + header)


def test_the_other_figures_are_those_of_the_replay() -> None:
    messages = messages_of({"message_id": "1", "content": "x" * 50, "own_key_of_this_application": 1})
    found = propose([messages], names_of(messages))
    plain = Settings.off().replace(utf8=True)
    deflated = plain.replace(deflate=True)
    with Spool() as spool:
        for kept in messages:
            spool.add(Direction.RECEIVED, 0, kept)
        choices = {
            "plain": plain,
            "builtin": plain.replace(abbreviate=True),
            "deflated": deflated,
            "both": deflated.replace(abbreviate=True),
        }
        counts = {name: count.wire_bytes for name, count in replay(spool, choices).items()}
    assert counts == {
        "plain": found.plain_bytes,
        "builtin": found.plain_builtin_bytes,
        "deflated": found.deflated_bytes,
        "both": found.deflated_builtin_bytes,
    }
    assert counts["builtin"] < counts["plain"]


def test_keys_that_may_not_be_shown_are_not_proposed() -> None:
    messages = messages_of({"sessions": {f"user-{at}0000": {"a": 1} for at in range(5)}, "long_enough_name": 1})
    found = propose([messages], names_of(messages))
    assert {entry.key for entry in found.entries} == {"sessions", "long_enough_name"}


def test_where_no_name_repeats_nothing_is_proposed() -> None:
    messages = messages_of([1, 2, 3], "text", times=3)
    found = propose([messages], names_of(messages))
    assert found.entries == ()
    assert found.plain_proposed_bytes == found.plain_bytes
    assert not found.pays_plain
    assert found.worth_percent == WORTH_PERCENT
