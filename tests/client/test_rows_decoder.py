"""Rows at the receiver: what cannot be right ends the connection, and both languages get the same."""

from __future__ import annotations

import hashlib
import json
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hostile_packets import hostile_packets

from reznet_ws.client.rows_decoder import RowsDecoder, RowsError
from reznet_ws.message.rows import begin, encode, encode_aside, join
from reznet_ws.message.rows_state import Bounds, Seed
from reznet_ws.message.rows_text import FAR, SIGNS, take_apart

JS = Path(__file__).parents[2] / "reznet_ws/client/js"
FRAMES: dict[str, Any] = json.loads((JS / "test/rows-frames.json").read_text(encoding="utf-8"))
# What both decoders get, over far more values than any window or table holds.
_VALUES = 1_000_000


def _reference(distance: int, length: int) -> str:
    def digits(number: int, count: int) -> str:
        return "" if not count else digits(number // len(SIGNS), count - 1) + SIGNS[number % len(SIGNS)]

    return FAR + digits(distance, 4) + digits(length, 3)


@pytest.mark.parametrize("name", ["golden", "far"])
def test_the_specification_s_frames_come_back_as_they_were_emitted(name: str) -> None:
    decoder = RowsDecoder()
    for packet, line in FRAMES[name]:
        assert decoder.decode(line) == [packet]
    together = join([line for _, line in FRAMES[name]])
    assert RowsDecoder().decode(together) == [packet for packet, _ in FRAMES[name]]


def test_shapes_that_are_known_beforehand_take_no_keys_again_and_again() -> None:
    seed = Seed(FRAMES["seeded"]["seed"]["packets"])
    assert seed.name == FRAMES["seeded"]["seed"]["name"]
    decoder = RowsDecoder(seed=seed)
    for packet, line in FRAMES["seeded"]["frames"] * 2:
        assert decoder.decode(line) == [packet]
    for other in (None, Seed(seed.packets[1:])):
        with pytest.raises(RowsError, match="a seed of that name was never given"):
            RowsDecoder(seed=other).decode(FRAMES["seeded"]["frames"][0][1])


@pytest.mark.parametrize("packets", [["no packet"], ['2["e",1]', '2["e",2]'], [f'2["e{n}",1]' for n in range(81)]])
def test_what_makes_no_shape_or_too_many_is_no_seed(packets: list[str]) -> None:
    with pytest.raises(ValueError, match="no shape, or one too many"):
        Seed(packets)


def test_lines_for_some_change_nothing() -> None:
    decoder = RowsDecoder()
    for line in FRAMES["aside"]["before"]:
        decoder.decode(line)
    for packet, line in FRAMES["aside"]["frames"] * 2:
        assert decoder.decode(line) == [packet]


@pytest.mark.parametrize("packet", ["", "0", '2["e",{\n"a":1}]', "3/a,7[1]", '51-["\x01",{}]'])
def test_what_begins_with_a_digit_is_one_packet(packet: str) -> None:
    assert RowsDecoder().decode(packet) == [packet]


@pytest.mark.parametrize("name", FRAMES["forged"])
def test_a_forged_frame_is_refused(name: str) -> None:
    before, frame = FRAMES["forged"][name]
    decoder = RowsDecoder()
    for line in before:
        decoder.decode(line)
    with pytest.raises(RowsError):
        decoder.decode(frame)


def test_references_cannot_make_more_of_a_line_than_a_connection_takes() -> None:
    decoder = RowsDecoder()
    decoder.decode(f' 2["e","{"x" * 500_000}"]')
    many = ' 2["e","%s"]'
    assert len(decoder.decode(many % (_reference(500_003, 500_000) * 2))[0]) == 1_000_009
    with pytest.raises(RowsError, match="more than a connection takes"):
        decoder.decode(many % (_reference(500_003, 500_000) * 1000))


def test_more_than_a_connection_holds_is_refused() -> None:
    decoder = RowsDecoder()
    for sign in "%" * 100:  # each in the place of the one before
        decoder.decode(f'!{sign}2["e","{"x" * 250_000}"]')
    shapes = "\n".join(f'!{sign}2["e","{"x" * 250_000}"]' for sign in SIGNS)
    with pytest.raises(RowsError, match="more text than a connection holds"):
        decoder.decode(shapes)
    with pytest.raises(RowsError):
        RowsDecoder().decode(f'!%2["e",{",".join("1" * 513)}]')


@pytest.mark.node
@pytest.mark.slow
def test_python_and_javascript_get_a_million_hostile_values_as_they_were_emitted(tmp_path: Path) -> None:
    bounds = Bounds(far_chars=2**22)
    state, decoder, digest = begin(bounds), RowsDecoder(), hashlib.sha1()
    frames, lines, values = tmp_path / "frames", [], 0
    packets = hostile_packets(7)
    with frames.open("w", encoding="utf-8") as file:
        while values < _VALUES:
            several = list(islice(packets, 1 + values % 5))
            lines = []
            for packet in several:
                if values % 7:
                    line, after = encode(state, packet, bounds)
                    state = after or state
                else:
                    line = encode_aside(state, packet, bounds)
                lines.append(line)
                parts = take_apart(packet)
                values += len(parts.leaves) if parts else 0
            by_itself = any("\n" in packet for packet in several)
            for frame in lines if by_itself else [join(lines)]:
                file.write(json.dumps(frame) + "\n")
                for packet in decoder.decode(frame):
                    assert packet == several.pop(0)
                    digest.update(packet.encode() + b"\n")
            assert not several
    script = Path(__file__).with_name("rows_digest.mjs")
    done = subprocess.run(["node", script, frames], capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest.hexdigest()]
