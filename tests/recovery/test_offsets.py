"""Offsets are short, printable, and read with care."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.recovery import offsets


@given(st.integers(0, 92**9))
def test_every_number_comes_back(number: int) -> None:
    assert offsets.read(offsets.write(number)) == number


@given(st.integers(0, 92**9))
def test_json_writes_an_offset_as_it_is(number: int) -> None:
    text = offsets.write(number)
    assert json.dumps(text) == f'"{text}"'


def test_a_number_takes_a_digit_more_with_each_power_of_92() -> None:
    lengths = [len(offsets.write(number)) for number in (0, 91, 92, 92**2 - 1, 92**2, 92**3)]
    assert lengths == [1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("text", ["", "a" * 11, "é", ' "', None, 7, ["a"], "a\n"])
def test_what_is_no_offset_is_none(text: object) -> None:
    assert offsets.read(text) is None
