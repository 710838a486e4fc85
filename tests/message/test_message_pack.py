"""MessagePack carries what JSON says or declines: nothing else comes out, and what is forged is refused."""

from __future__ import annotations

import contextlib
import json
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hostile_packets import hostile_packets
from hypothesis import given
from hypothesis import strategies as st
from strategies import exactly, json_values

from reznet_ws.message.fields import DecodeError
from reznet_ws.message.json_text import split_attachments
from reznet_ws.message.message_pack import Unpacked, decode, encode

JS = Path(__file__).parents[2] / "reznet_ws/client/js"
FRAMES: dict[str, Any] = json.loads((JS / "test/messagepack-frames.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "attachments", "packed"), FRAMES["golden"], ids=[one[0] for one in FRAMES["golden"]])
def test_the_specification_s_frames_are_what_is_sent(text: str, attachments: list[str], packed: str) -> None:
    parts = [text, *map(bytes.fromhex, attachments)]
    assert encode(parts) == bytes.fromhex(packed)
    decoded = decode(bytes.fromhex(packed))
    again, bytes_beside = split_attachments(decoded.data, utf8=True)
    assert text.endswith(again)
    assert bytes_beside == parts[1:]


@pytest.mark.parametrize("name", FRAMES["forged"])
def test_a_forged_message_is_refused(name: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(FRAMES["forged"][name]))


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_refused(packed: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert decode(packed).data


@given(json_values, st.sampled_from(["", "/chat,", "/чат,7", "12"]))
def test_what_is_decoded_is_what_json_says(value: Any, between: str) -> None:
    packed = encode([f"2{between}" + json.dumps(["event", value], ensure_ascii=False)])
    if packed is not None:
        namespace, _, ack_id = between.rpartition(",") if "," in between else ("/", "", between)
        expected = Unpacked(namespace, int(ack_id) if ack_id else None, ["event", value])
        assert exactly(decode(packed)) == exactly(expected)


@pytest.mark.parametrize(
    "data",
    [
        "[18446744073709551616]",  # beyond 64 bits
        "[-9223372036854775809]",
        '["\\ud800 and much more text than that"]',
        "[1,2,3,-0]",
        '{"__proto__":{"a":1},"b":"more text"}',
        "[" * 1025 + "]" * 1025,
        '["\\ufeff begins a text that is long"]',
        "[0.5,0.5,0.5]",  # 9 bytes each
    ],
)
def test_what_it_cannot_carry_or_makes_longer_travels_as_it_came(data: str) -> None:
    assert encode([f'2["event",{data}]']) is None
    assert encode([f'2["event",{{"note":"beside it","and":[true,false,null]}},{data}]']) is None or "0.5" in data


def test_what_is_no_number_in_json_is_one_here() -> None:
    packed = encode(['2["event",NaN,Infinity,{"text":"a text that is long enough"},-Infinity]'])
    assert packed is not None
    assert repr(decode(packed).data) == "['event', nan, inf, {'text': 'a text that is long enough'}, -inf]"


@pytest.mark.parametrize("packet", ["0", '40{"sid":"x"}', "3/a,7[1]", "1", '461-7[{"_placeholder":true,"num":0}]'])
def test_what_is_no_event_travels_as_it_came(packet: str) -> None:
    assert encode([packet]) is None


@pytest.mark.node
def test_both_languages_get_what_json_says_of_hostile_values(tmp_path: Path) -> None:
    pairs, path = [], tmp_path / "pairs.jsonl"
    for text in islice(hostile_packets(7), 30_000):
        packed = encode([text])
        if packed is None:
            continue
        expected = json.loads(text[text.index("[") :])
        assert exactly(decode(packed).data) == exactly(expected)
        pairs.append(json.dumps([text[text.index("[") :], packed.hex()]))
    assert len(pairs) > 10_000
    path.write_text("\n".join(pairs), encoding="utf-8")
    script = Path(__file__).with_name("message_pack_pairs.mjs")
    done = subprocess.run(["node", script, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000


def test_the_golden_frames_are_those_of_the_specification() -> None:
    specification = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    shown = "".join(
        f"{text}\n" + "".join(f"    attachment {one}\n" for one in attachments) + f"    {packed}\n"
        for text, attachments, packed in FRAMES["golden"]
    )
    assert f"```\n{shown}```" in specification
