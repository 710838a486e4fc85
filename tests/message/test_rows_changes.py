"""How one leaf becomes another, in few characters, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.message.rows_changes import (
    APPENDED,
    COUNTER,
    GAPS,
    PREFIX,
    STEP,
    STRING,
    TOKEN,
    UUID,
    apply,
    change,
    read_mask,
    write_mask,
)

ID = '"c8a1e6f2-93d4-4f0b-8a55-0e9b1c2d3e4f"'
CHANGES = [
    ("1", "2", None, (STEP, "1")),
    ("1", "2", 1, (COUNTER, "")),
    ("1", "3", 1, (STEP, "2")),
    ("5", "-5", None, (STEP, "-10")),
    ("999999999999999", "-999999999999999", None, (STEP, "-1999999999999998")),
    ("1", "1000000000000000", None, (TOKEN, "1000000000000000")),
    ("1000000000000000", "1", None, (TOKEN, "1")),
    ("1", "1.0", None, (TOKEN, "1.0")),
    ("1", "1e3", None, (TOKEN, "1e3")),
    ("0", "-0", None, (TOKEN, "-0")),
    ("-0", "0", None, (TOKEN, "0")),
    ("1", "true", None, (TOKEN, "true")),
    ('"1"', "2", None, (TOKEN, "2")),
    ("null", '"a"', None, (STRING, "a")),
    ('""', '"abc"', None, (STRING, "abc")),
    ('"a"', '""', None, (STRING, "")),
    ('"Once"', '"Once upon"', None, (APPENDED, " upon")),
    ('"a"', '"a\\"b"', None, (APPENDED, '\\"b')),
    ('"a\\"', '"a\\\\"', None, (APPENDED, "\\")),
    ('"abcdef1"', '"abcdef2"', None, (PREFIX, "*2")),
    ('"abcde1"', '"abcde2"', None, (STRING, "abcde2")),
    (f'"{"x" * 99}1"', f'"{"x" * 99}2"', None, (PREFIX, "~" + "x" * 19 + "2")),
    ("null", ID, None, (UUID, "yKHm8pPUTwuKVQ6bHC0+Tw")),
    ('"c8a1e6f2-00000000-0000-0000-000000000000"', ID, None, (UUID, "yKHm8pPUTwuKVQ6bHC0+Tw")),
    (ID.replace("3e4f", "0000"), ID, None, (PREFIX, "N3e4f")),
    ("null", ID.upper(), None, (STRING, ID.upper()[1:-1])),
    ("null", '"٢٠٢٥1e6f-93d4-4f0b-8a55-0e9b1c2d3e4f"', None, (STRING, "٢٠٢٥1e6f-93d4-4f0b-8a55-0e9b1c2d3e4f")),
]

_texts = st.text(st.sampled_from('ab"\\\n\u2028😀é'), max_size=12) | st.uuids().map(str)
_leaves = st.one_of(
    st.sampled_from(["null", "true", "1.0", "-0", "1e400", "NaN", "9" * 400]),
    st.integers(-(10**16), 10**16).map(str),
    st.integers(-3, 3).map(str),
    st.builds(lambda text, escape: json.dumps(text, ensure_ascii=escape), _texts, st.booleans()),
)


@pytest.mark.parametrize(("old", "new", "step", "expected"), CHANGES)
def test_a_change_takes_few_characters(old: str, new: str, step: int | None, expected: tuple[int, str]) -> None:
    assert change(old, new, step) == expected
    assert apply(*expected, old, step)[0] == new


@given(_leaves, _leaves, st.none() | st.integers(-3, 3))
def test_every_leaf_comes_of_every_other(old: str, new: str, step: int | None) -> None:
    operation, text = change(old, new, step)
    made, grown = apply(operation, text, old, step)
    assert made == new
    assert grown == (int(new) - int(old) if operation in (COUNTER, STEP) else None)


@given(_leaves, _texts)
def test_what_goes_on_sends_what_is_new(old: str, text: str) -> None:
    new = json.dumps("x" * 40 + text + text)
    operation, sent = change(json.dumps("x" * 40 + text), new, None)
    if text:
        assert operation == APPENDED
        assert sent == json.dumps(text)[1:-1]


@given(st.dictionaries(st.integers(0, 511), st.integers(0, 6)).map(lambda found: sorted(found.items())))
def test_masks_of_hundreds_of_leaves_come_back(operations: list[tuple[int, int]]) -> None:
    mask = write_mask(operations)
    assert list(read_mask(mask)) == operations
    passed = operations[-1][0] // GAPS if operations else 0
    assert len(mask) <= len(operations) + passed
