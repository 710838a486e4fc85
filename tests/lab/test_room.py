"""What notebook 08 stands on: the seed document's decoder as it is written, and an output that decodes in a page."""

from __future__ import annotations

import re

from reznet_ws import decode_payload
from reznet_ws.lab.explain import journey, room
from reznet_ws.lab.explain.room import Page, Room, decoder_source, everybody, mark, seed_decode
from reznet_ws.settings import Settings


def test_the_documents_decoder_restores_just_the_seven_keys_that_it_names() -> None:
    back = seed_decode(mark(journey.EXAMPLE))
    assert back == {
        **journey.EXAMPLE,
        "metadata": {**journey.EXAMPLE["metadata"], "mdl": "claude-3", "prv": "anthropic"},
    }
    assert decode_payload(mark(journey.EXAMPLE)) == journey.EXAMPLE
    assert seed_decode(mark({"status": "idle"})) == {"metadata": {}}


def test_the_documents_decoder_leaves_alone_what_is_not_marked() -> None:
    for data in ({"mid": "1"}, [1], "text", None):
        assert seed_decode(data) == data


def test_nothing_in_a_message_ends_the_pages_script() -> None:
    text = "</script><script>alert(1)</script>"
    html = Page([f'42["message_new",{{"c":"{text}"}}]', b"\x00\xff"], [("message_new", {"content": text})]).to_html()
    assert len(re.findall("</script>", html)) == 1
    assert "@EMITTED@" in Page(['42["@EMITTED@"]'], []).to_html()


def test_the_excerpt_is_a_whole_function_of_the_module() -> None:
    for name in ("decodePayload", "attach"):
        source = decoder_source(name)
        assert source.startswith(f"export function {name}(")
        assert source.count("{") == source.count("}")


def test_each_of_everybody_gets_everything_in_order_and_another_room_stops_the_first() -> None:
    first = Room(everybody())
    events = journey.take_any(12)
    costs = first.play(events, Settings.recommended())
    assert all(member.events == events for member in first.members)
    assert journey.decode(first.page_messages(costs["page"])) == events
    assert costs.keys() == {member.name for member in first.members} | {room.PAGE}
    second = Room(everybody()[:1])
    assert not first.is_running
    assert second.is_running
    second.stop()
    second.stop()
    assert not second.is_running
