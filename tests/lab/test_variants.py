"""Variants of payloads: the parts of abbreviation, and other spellings."""

from __future__ import annotations

from typing import Any

from reznet_ws.lab.explain.variants import (
    camel_case,
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
