"""Variants of payloads: the parts of abbreviation, other spellings, and the seed document's own decoder."""

from __future__ import annotations

from typing import Any

from reznet_ws import decode_payload
from reznet_ws.lab.explain.examples import EXAMPLE
from reznet_ws.lab.explain.variants import (
    camel_case,
    mark,
    seed_decode,
    shorten_always,
    shorten_timestamps,
)
from reznet_ws.message.fields import FIELD_MAP, abbreviate
from reznet_ws.replay.trace import record


def rename(value: Any) -> Any:
    if isinstance(value, list):
        return [rename(item) for item in value]
    if isinstance(value, dict):
        return {FIELD_MAP.get(key, key): rename(item) for key, item in value.items()}
    return value


def test_the_parts_of_abbreviation_make_up_the_whole() -> None:
    for message in record(200):
        apart = rename(shorten_timestamps(message.data))
        assert apart == abbreviate(message.data)
        assert shorten_always(message.data) == {**apart, "_w": 2}


def test_camel_case_keeps_values() -> None:
    assert camel_case({"message_id": [{"in_reply_to": "a_b"}]}) == {"messageId": [{"inReplyTo": "a_b"}]}


def test_the_documents_decoder_restores_just_the_seven_keys_that_it_names() -> None:
    back = seed_decode(mark(EXAMPLE))
    assert back == {
        **EXAMPLE,
        "metadata": {**EXAMPLE["metadata"], "mdl": "claude-3", "prv": "anthropic"},
    }
    assert decode_payload(mark(EXAMPLE)) == EXAMPLE
    assert seed_decode(mark({"status": "idle"})) == {"metadata": {}}


def test_the_documents_decoder_leaves_alone_what_is_not_marked() -> None:
    for data in ({"mid": "1"}, [1], "text", None):
        assert seed_decode(data) == data
