"""The seed's six figures, and the wire beside them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import hypothesis
import strategies as s
from hypothesis import given
from hypothesis import strategies as st
from seed import STATS_FIELDS

from reznet_ws.ledger import EventTotals, Ledger, Share
from reznet_ws.outgoing.encoder import Encoder, Outgoing
from reznet_ws.settings import Settings
from reznet_ws.stats import LimitFigures, MessageCounts, SlowReaders, WindowFigures, report

SLOW = SlowReaders(closed_connections=1, skipped_messages=2, queued_bytes=3)
LIMITS = LimitFigures(refused_connections=4, closed_unjoined=1)
WINDOWS = WindowFigures(
    connections=3,
    histories=2,
    in_step=2,
    text_bytes=900,
    messages=10,
    compressions=12,
    kept_compressors=1,
    kept_bytes=98_304,
)


def _share(plain: int, sent: int, encoded: int | None = None) -> Share:
    return Share("say", plain, plain, sent if encoded is None else encoded, sent, (plain,), 1)


def _is_gzipped(outgoing: Outgoing) -> bool:
    return outgoing.message is not None and any(payload.gzipped for payload in outgoing.message.payloads)


def _report(counts: MessageCounts, ledger: Ledger | None = None) -> dict[str, Any]:
    made = report(
        counts,
        ledger or Ledger(),
        active_connections=3,
        uncounted_connections=1,
        conflated_messages=4,
        slow_readers=SLOW,
        limits=LIMITS,
        windows=WINDOWS,
    )
    return dataclasses.asdict(made)


def test_nothing_sent_is_all_zeros() -> None:
    said = _report(MessageCounts())
    assert list(said) == [
        *STATS_FIELDS,
        "active_connections",
        "conflated_messages",
        "wire",
        "slow_readers",
        "limits",
        "windows",
        "events",
        "recovery",
    ]
    for name, shown in (("slow_readers", SLOW), ("limits", LIMITS), ("windows", WINDOWS)):
        assert said[name] == dataclasses.asdict(shown)
    assert [said[name] for name in STATS_FIELDS] == [0] * 6
    assert said["events"] == {}
    assert said["wire"] == {
        "sent_bytes": 0,
        "tls_bytes": 0,
        "event_bytes": 0,
        "off_event_bytes": 0,
        "overhead_bytes": 0,
        "reduction_percentage": 0.0,
        "uncounted_connections": 1,
    }


def test_the_seeds_six_figures_are_sums_over_messages() -> None:
    counts = MessageCounts()
    counts.add(_share(1000, 800))
    counts.add(_share(20_000, 3_001, encoded=19_000))
    counts.add(_share(0, 0))
    said = _report(counts)
    assert {name: said[name] for name in STATS_FIELDS} == {
        "total_messages": 3,
        "total_bytes_original": 21_000,
        "total_bytes_optimized": 3_801,
        "reduction_percentage": 81.9,
        "compressed_messages": 1,
        "avg_message_size": 1267,
    }
    assert said["active_connections"] == 3


def test_a_message_that_grew_is_a_negative_reduction() -> None:
    counts = MessageCounts()
    counts.add(_share(100, 150))
    assert _report(counts)["reduction_percentage"] == -50.0


def test_the_wire_is_what_left_against_what_would_have() -> None:
    ledger = Ledger()
    for event, copies in (("say", 2), ("typing", 1)):
        ledger.record([Share(event, 90, 80, 70, 60, (98,), 1)], 60, 22, first=True, copies=copies)
    ledger.sent_bytes, ledger.tls_bytes = 500, 44
    said = _report(MessageCounts(), ledger)
    assert said["wire"] == {
        "sent_bytes": 544,
        "tls_bytes": 44,
        "event_bytes": 66,
        "off_event_bytes": 300,
        "overhead_bytes": 478,
        "reduction_percentage": 78.0,
        "uncounted_connections": 1,
    }
    assert said["events"] == {
        "say": dataclasses.asdict(EventTotals(2, 2, 180, 160, 140, 120, 0, 0, 0, 120, 40, 44, 200)),
        "typing": dataclasses.asdict(EventTotals(1, 1, 90, 80, 70, 60, 0, 0, 0, 60, 20, 22, 100)),
    }


def test_reset_starts_everything_again() -> None:
    ledger, counts = Ledger(), MessageCounts()
    counts.add(_share(1, 1))
    ledger.record([Share("say", 1, 1, 1, 1, (1,), 1)], 1, 3, first=True)
    ledger.sent_bytes = 10
    counts.reset()
    ledger.reset()
    assert _report(counts, ledger) == _report(MessageCounts())


@hypothesis.settings(max_examples=50)
@given(st.lists(s.payloads_with_bytes, max_size=4), st.sampled_from(s.ALL_LAYERS))
def test_figures_are_those_of_the_payloads_and_can_be_sent_as_json(values: list[Any], settings: Settings) -> None:
    counts, encoder = MessageCounts(), Encoder(settings)
    sent = [encoder.encode("say", [value], "/", short=True) for value in values]
    for outgoing in sent:
        counts.add(outgoing.short.shares[0])
    said = _report(counts)
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert said["total_messages"] == len(values)
    assert said["total_bytes_original"] == sum(outgoing.plain.shares[0].plain_bytes for outgoing in sent)
    assert said["total_bytes_optimized"] == sum(outgoing.short.shares[0].gzipped_bytes for outgoing in sent)
    assert said["compressed_messages"] == sum(_is_gzipped(outgoing) for outgoing in sent)
