"""Packets fall into pieces and leaves, and come together as the same text."""

from __future__ import annotations

import json
from itertools import islice

import pytest
import strategies as s
from hostile_packets import hostile_packets
from hypothesis import given

from reznet_ws.message.rows_text import NUMBER, SIGNS, Pieces, put_together, take_apart

APART = [
    ('2["e"]', Pieces('2["e"', ("]",), ())),
    ('2["e",1]', Pieces('2["e"', (",", "]"), ("1",))),
    ('2["e",{}]', Pieces('2["e"', (",{}]",), ())),
    ('2["e",{"a":[]},"b"]', Pieces('2["e"', (',{"a":[]},', "]"), ('"b"',))),
    ('2/n,["e",-1.50E+3]', Pieces('2/n,["e"', (",", "]"), ("-1.50E+3",))),
    ('2/n[1,["e",1]', Pieces('2/n[1,["e"', (",", "]"), ("1",))),
    ('2["\\"a,b]",NaN,null]', Pieces('2["\\"a,b]"', (",", ",", "]"), ("NaN", "null"))),
    (
        '2["e", {"a" : {"k\\"": "x\\\\", "k:": "y\\":"}, "c":[true,"1"]}]',
        Pieces(
            '2["e"',
            (', {"a" : {"k\\"": ', ', "k:": ', '}, "c":[', ",", "]}]"),
            ('"x\\\\"', '"y\\":"', "true", '"1"'),
        ),
    ),
]
WHOLE = [
    *("", "0", "1", "2", "2[", "2[]", "2[1]", '21["with an ack"]', '3["an answer"]', '51-["bytes"]', '2/n["no comma"]'),
    *('2["cut', '2["cut"', '2["cut",1', '2["cut",{"a":"x]', '2["after"]x', '2["twice"],["more"]1'),
    *('2["pretty",{\n"a":1}]', '2["pretty",\t1]', '2["raw","\t"]', '2["raw","\n"]', '2["raw","\x01"]', '2["\x00",1]'),
]


@pytest.mark.parametrize(("packet", "parts"), APART)
def test_a_packet_falls_apart_between_its_values(packet: str, parts: Pieces) -> None:
    assert take_apart(packet) == parts
    assert put_together(parts.head, parts.pieces, parts.leaves) == packet


@pytest.mark.parametrize("packet", WHOLE)
def test_what_is_no_event_by_itself_stays_whole(packet: str) -> None:
    assert take_apart(packet) is None


@given(s.event_names, s.json_values, s.json_values)
def test_every_event_comes_together_again(event: str, one: object, other: object) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        packet = "2" + json.dumps([event, one, other], separators=separators)
        parts = take_apart(packet)
        assert parts is not None
        assert put_together(parts.head, parts.pieces, parts.leaves) == packet
        assert len(parts.pieces) == len(parts.leaves) + 1
        for leaf in parts.leaves:
            assert not isinstance(json.loads(leaf), (dict, list))


def test_hostile_events_come_together_again() -> None:
    taken = 0
    for packet in islice(hostile_packets(2), 500):
        parts = take_apart(packet)
        if parts is not None:
            taken += 1
            assert put_together(parts.head, parts.pieces, parts.leaves) == packet
    assert taken > 450


def test_signs_are_printable_and_none_begins_another_packet() -> None:
    assert len(set(SIGNS)) == len(SIGNS) == 80
    assert SIGNS.isascii()
    assert SIGNS.isprintable()
    assert not set(SIGNS) & set('0123456789 !"#$')
    assert [NUMBER[sign] for sign in SIGNS] == list(range(80))
