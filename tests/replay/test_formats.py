"""Formats 3 and m replayed: the same bytes as a real socket, and nothing tried that cannot matter."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from real_sites import APART_MS, WINDOW_MS, RealSite, played

from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.demo.workload import TraceEvent
from reznet_ws.message import message_pack
from reznet_ws.replay.ablation import Outcome, subsets, switch
from reznet_ws.replay.formats import FAR, PACKED, ROWS, WAYS, FormatLine, ablate_formats, write
from reznet_ws.replay.link import encode
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

# Each within one window.
_BURSTS, _BURST_MESSAGES = 3, 16
_FORMATS: dict[str, int | str] = {ROWS: 3, FAR: 3, PACKED: "m"}
_PLAIN = Settings.off().replace(utf8=True)


def _bursts() -> list[list[TraceEvent]]:
    """Text in three languages and what may wait; a document of 40 KB that comes again, and bytes."""
    texts, statuses = iter(record(60, mix="unicode")), iter(record(60, mix="status"))
    document = " ".join(f"line {number * number} of the document" for number in range(1500))
    bursts = []
    for at in range(_BURSTS):
        burst = [*itertools.islice(texts, _BURST_MESSAGES // 2), *itertools.islice(statuses, _BURST_MESSAGES // 2)]
        burst.insert(6, TraceEvent(offset_ms=0, event="document", data={"text": f"version {at}: {document}"}))
        burst.insert(4, TraceEvent(offset_ms=0, event="picture", data={"of": "@qa", "body": bytes(range(100))}))
        bursts.append([dataclasses.replace(message, offset_ms=at * APART_MS) for message in burst])
    return bursts


async def test_every_format_sends_the_very_bytes_that_a_real_socket_takes() -> None:
    bursts = _bursts()
    trace = [message for burst in bursts for message in burst]
    figures = Settings(batch_window_ms=WINDOW_MS, deflate_shared=False)
    outcomes = ablate_formats(trace, figures)
    ways = [(way, subset) for way, of_way in outcomes.items() for subset in of_way if "utf8" in subset]
    sites = [
        RealSite(switch(figures, subset).replace(far_references=way == FAR), wire_format=_FORMATS[way])
        for way, subset in ways
    ]
    emitted = [[(message.event, message.data, "/") for message in burst] for burst in bursts]
    async with played(sites, emitted):
        for site, (way, subset) in zip(sites, ways, strict=True):
            outcome = outcomes[way][subset]
            computed = {name: getattr(outcome, name) for name in site.counted}
            assert (way, sorted(subset), site.counted) == (way, sorted(subset), computed)
            assert site.manager.ledger.sent_bytes == outcome.wire_bytes, "nothing else left the socket"
            assert site.received == [(message.event, (message.data,)) for message in trace]
    # The comparison is worth nothing if a way or a layer had nothing to do.
    assert len({outcomes[way][subset].wire_bytes for way, subset in ways}) == len(ways)
    bare = frozenset({"utf8"})
    assert outcomes[FAR][bare].wire_bytes < 0.5 * outcomes[ROWS][bare].wire_bytes


def test_each_way_has_every_subset_of_what_can_matter_to_it() -> None:
    told: list[tuple[int, int]] = []
    outcomes = ablate_formats(record(30), progress=lambda done, of: told.append((done, of)))
    assert {way: list(of_way) for way, of_way in outcomes.items()} == {
        way: subsets(layers) for way, layers in WAYS.items()
    }
    assert told == [(done, 20) for done in range(1, 21)]
    assert outcomes == ablate_formats(record(30))


def test_a_trace_of_nothing_costs_nothing() -> None:
    for of_way in ablate_formats([]).values():
        assert set(of_way.values()) == {Outcome(0, 0, 0, 0, ())}


def test_lines_are_what_a_client_reads() -> None:
    line, decoder = FormatLine(FAR, _PLAIN), RowsDecoder()
    for message in record(200, mix="plans"):
        written = write(encode(message.event, message.data, _PLAIN), utf8=True)
        ((frame,),) = line.frames([written])
        assert decoder.decode(frame[1].decode()[1:]) == [written.packet.text]


def test_what_is_no_way_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="deltas: no such way; there are rows"):
        FormatLine("deltas", _PLAIN)


def test_without_the_library_there_is_no_messagepack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_pack, "is_installed", lambda: False)
    assert list(ablate_formats(record(3))) == [ROWS, FAR]
