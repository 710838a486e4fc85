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

from reznet_ws.ledger import Ledger, Row, Share, Tally
from reznet_ws.message.payload import Payload, PayloadOptimizer
from reznet_ws.settings import Settings
from reznet_ws.stats import Stats

SLOW = {"closed_connections": 1, "skipped_messages": 2, "queued_bytes": 3}
WINDOWS = {"connections": 3, "windows": 2, "in_step": 2}


def _payload(plain: int, sent: int, *, gzipped: bool = False) -> Payload:
    return Payload(None, None, plain, plain, plain, sent, gzipped)


def _report(stats: Stats) -> dict[str, Any]:
    return stats.report(active_connections=3, uncounted_connections=1, slow_readers=SLOW, windows=WINDOWS)


def test_nothing_sent_is_all_zeros() -> None:
    report = _report(Stats(Ledger()))
    assert list(report) == [*STATS_FIELDS, "active_connections", "wire", "slow_readers", "windows", "events"]
    assert (report["slow_readers"], report["windows"]) == (SLOW, WINDOWS)
    assert [report[name] for name in STATS_FIELDS] == [0] * 6
    assert report["events"] == {}
    assert report["wire"] == {
        "sent_bytes": 0,
        "event_bytes": 0,
        "off_event_bytes": 0,
        "overhead_bytes": 0,
        "reduction_percentage": 0.0,
        "uncounted_connections": 1,
    }


def test_the_seeds_six_figures_are_sums_over_messages() -> None:
    stats = Stats(Ledger())
    stats.add([_payload(1000, 0)], [_payload(1000, 800)])
    stats.add(
        [_payload(20_000, 0), _payload(0, 0)], [_payload(20_000, 3_000, gzipped=True), _payload(0, 1, gzipped=True)]
    )
    stats.add([], [])
    report = _report(stats)
    assert {name: report[name] for name in STATS_FIELDS} == {
        "total_messages": 3,
        "total_bytes_original": 21_000,
        "total_bytes_optimized": 3_801,
        "reduction_percentage": 81.9,
        "compressed_messages": 1,
        "avg_message_size": 1267,
    }
    assert report["active_connections"] == 3


def test_a_message_that_grew_is_a_negative_reduction() -> None:
    stats = Stats(Ledger())
    stats.add([_payload(100, 0)], [_payload(100, 150)])
    assert _report(stats)["reduction_percentage"] == -50.0


def test_the_wire_is_what_left_against_what_would_have() -> None:
    ledger = Ledger()
    stats = Stats(ledger)
    for event, copies in (("say", 2), ("typing", 1)):
        tally = Tally(ledger, [Share(event, 90, 80, 70, 60, (98,), 1)])
        for _ in range(copies):
            tally.record(60, 20, 22, first=True)
    ledger.sent_bytes = 500
    report = _report(stats)
    assert report["wire"] == {
        "sent_bytes": 500,
        "event_bytes": 66,
        "off_event_bytes": 300,
        "overhead_bytes": 434,
        "reduction_percentage": 78.0,
        "uncounted_connections": 1,
    }
    assert report["events"] == {
        "say": dataclasses.asdict(Row(2, 2, 180, 160, 140, 120, 120, 40, 44, 200)),
        "typing": dataclasses.asdict(Row(1, 1, 90, 80, 70, 60, 60, 20, 22, 100)),
    }


def test_reset_starts_everything_again() -> None:
    ledger = Ledger()
    stats = Stats(ledger)
    stats.add([_payload(1, 1)], [_payload(1, 1, gzipped=True)])
    Tally(ledger, [Share("say", 1, 1, 1, 1, (1,), 1)]).record(1, 1, 3, first=True)
    ledger.sent_bytes = 10
    stats.reset()
    assert _report(stats) == _report(Stats(Ledger()))


@hypothesis.settings(max_examples=50)
@given(st.lists(s.payloads_with_bytes, max_size=4), st.sampled_from(s.ALL_LAYERS))
def test_figures_are_those_of_the_payloads_and_can_be_sent_as_json(values: list[Any], settings: Settings) -> None:
    stats, optimizer = Stats(Ledger()), PayloadOptimizer(settings)
    plain = [optimizer.encode_plain(value) for value in values]
    sent = [optimizer.encode(payload) for payload in plain]
    for before, after in zip(plain, sent, strict=True):
        stats.add([before], [after])
    report = _report(stats)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["total_messages"] == len(values)
    assert report["total_bytes_original"] == sum(payload.plain_bytes for payload in plain)
    assert report["total_bytes_optimized"] == sum(payload.gzipped_bytes for payload in sent)
    assert report["compressed_messages"] == sum(payload.gzipped for payload in sent)
