"""Versions of snapshots, and what a server believes of what a client says that it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from strategies import json_values

from reznet_ws.message.snapshots import MAX_KEPT_CHARS, MAX_SNAPSHOTS, Holding, can_be_kept, version_of

PACKET = '2["profile",{"name":"Ada"}]'
VERSION = "TEK2Oxx5aWbjkxgK"


def test_a_version_is_the_hash_that_the_specification_says() -> None:
    assert version_of("agent-1", PACKET) == VERSION


@given(json_values, json_values)
def test_other_data_or_another_key_is_another_version(one: Any, other: Any) -> None:
    packets = [f'2["profile",{json.dumps(value)}]' for value in (one, other)]
    assert (version_of("k", packets[0]) == version_of("k", packets[1])) == (packets[0] == packets[1])
    assert version_of("k", packets[0]) != version_of("K", packets[0])


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ("[0,-1,-0.5,1e5,1e-400,10e29]", True),
        ('{"a":"-0","b":"2025-01-01","c":"-0a"}', True),
        ('{"id":"0e345e400-e999","n":[12,"NaN and Infinity",-1.5e-300]}', True),
        ("[-0]", False),
        ('{"a":-0.0}', False),
        ("[-0e5]", False),
        ("[1, 12.5e400]", False),
        ('{"a":-Infinity}', False),
        ("[NaN]", False),
        ('["' + "x" * MAX_KEPT_CHARS + '"]', False),
    ],
)
def test_what_json_stringify_would_change_is_not_kept(data: str, kept: bool) -> None:
    assert can_be_kept(f'2["profile",{data}]') == kept


def test_a_client_holds_what_it_says_and_what_it_was_sent() -> None:
    holding = Holding([VERSION])
    assert VERSION in holding
    other = version_of("agent-2", PACKET)
    assert other not in holding
    assert holding.keep(other, PACKET)
    assert other in holding
    holding.forget_sent()
    assert (VERSION in holding, other in holding) == (True, False)


@pytest.mark.parametrize("said", [None, "text", {}, 7, [1, None, {}, "short", "x" * 17, "!" * 16, VERSION + "\n"]])
def test_what_is_no_list_of_versions_is_passed_over(said: Any) -> None:
    holding = Holding(said)
    assert VERSION not in holding
    assert holding.keep(VERSION, PACKET)


def test_a_client_can_say_and_be_sent_only_so_much() -> None:
    versions = [f"{number:016}" for number in range(3 * MAX_SNAPSHOTS)]
    holding = Holding(versions)
    assert sum(version in holding for version in versions) == MAX_SNAPSHOTS
    holding.declare(Holding(versions[-10:]))
    assert versions[-1] not in holding
    assert sum(holding.keep(version, "") for version in versions) == MAX_SNAPSHOTS
    large = Holding([])
    assert [large.keep(version, "x" * (MAX_KEPT_CHARS // 2)) for version in versions[:3]] == [True, True, False]
