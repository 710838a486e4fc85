"""The whole audit: it counts what there is, keeps no contents, and holds together."""

from __future__ import annotations

import dataclasses
import itertools
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import hypothesis
import pytest
import strategies
from hypothesis import strategies as st

from reznet_ws.audit.examine.examination import examine
from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.read.capture import Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.spool import MAX_BOOKED_CHARACTERS, book
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

_RECEIVED, _SENT = Direction.RECEIVED, Direction.SENT


def event(
    connection: int, name: str, *args: Any, time_ms: float | None = None, direction: Direction = _RECEIVED
) -> Record:
    text = "42" + json.dumps([name, *args], separators=(",", ":"), default=lambda _: {"_placeholder": True, "num": 0})
    return Record(connection, direction, Kind.EVENT, (text,), time_ms, event=name, args=args)


def chat(count: int, connections: int = 1, mix: str = "chat") -> Iterator[Item]:
    for connection in range(connections):
        yield Opened(connection, "ws://example.test/chat", "chat.har", 4)
    for message in record(count, mix=mix):
        for connection in range(connections):
            yield event(connection, message.event, message.data, time_ms=message.offset_ms + connection)


def dump(findings: Findings) -> str:
    """As the report's JSON has it; fails for what JSON lacks."""
    return json.dumps(dataclasses.asdict(findings), allow_nan=False, ensure_ascii=False)


@pytest.fixture(scope="module")
def found() -> Findings:
    items: list[Item] = [*chat(200)]
    items.insert(1, Record(0, _RECEIVED, Kind.OPEN, ('0{"sid":"s"}',), 0.0))
    items += [
        Record(0, _RECEIVED, Kind.PING, ("2",), 9000.0),
        Record(0, _SENT, Kind.PONG, ("3",), 9001.0),
        event(0, "user_typing", {"is_typing": True}, time_ms=9100.0, direction=_SENT),
        Record(0, _RECEIVED, Kind.ACK, ('431["ok"]',), 9200.0, args=("ok",), ack_id=1),
        Record(0, _RECEIVED, Kind.EVENT, ('42["old",1]',), 0.0, Transport.POLLING, "old", args=(1,)),
        Problem("chat.har", "line 7", "it is cut off"),
    ]
    return examine(items, users=150, price_per_gb=0.09)


def test_everything_is_counted(found: Findings) -> None:
    totals = found.totals
    assert (totals.files, totals.connections, totals.messages) == (1, 1, 206)
    assert totals.replayed_messages == 203, "the events, the greeting, the ping and the acknowledgement"
    kinds = {(count.direction, count.kind, count.transport): count.messages for count in totals.kinds}
    assert kinds == {
        ("received", "ack", "websocket"): 1,
        ("received", "event", "polling"): 1,
        ("received", "event", "websocket"): 200,
        ("received", "open", "websocket"): 1,
        ("received", "ping", "websocket"): 1,
        ("sent", "event", "websocket"): 1,
        ("sent", "pong", "websocket"): 1,
    }
    (connection,) = found.connections
    assert (connection.url, connection.file, connection.engineio) == ("ws://example.test/chat", "chat.har", 4)
    assert connection.kinds == totals.kinds
    assert sum(count.messages for count in connection.events) == 202
    assert [problem.position for problem in found.problems] == ["line 7"]


def test_the_choices_are_on_everything(found: Findings) -> None:
    rows = {row.label: row for row in found.whole}
    assert list(rows) == ["off", "stock", "seed", "recommended", "best", "stock clients", "fewest bytes"]
    assert {row.messages for row in rows.values()} == {203}
    assert rows["best"].wire_bytes < rows["stock"].wire_bytes < rows["off"].wire_bytes
    verdict = found.verdict
    assert verdict is not None
    assert verdict.best.row == rows["best"]
    assert verdict.stock_clients.row == rows["stock clients"]
    assert isinstance(eval(verdict.best.source, {"Settings": Settings}), Settings)
    assert verdict.saving.saved_price_per_day is not None
    assert verdict.saving.saved_price_per_day > 0


def test_events_add_up_to_the_wire_bytes(found: Findings) -> None:
    rows = {row.label: row for row in found.whole}
    received = [cost for cost in found.events if cost.direction == "received"]
    assert sum(cost.off_bytes for cost in received) == rows["off"].wire_bytes
    assert sum(cost.stock_bytes for cost in received) == rows["stock"].wire_bytes
    assert sum(cost.best_bytes for cost in received) == rows["best"].wire_bytes
    assert sum(cost.messages for cost in received) == 203
    sent = [cost for cost in found.events if cost.direction == "sent"]
    assert {cost.event for cost in sent} == {"user_typing", "(pong)"}
    assert sum(cost.off_bytes for cost in sent) == found.sent[0].wire_bytes


def test_the_floor_is_below_the_best(found: Findings) -> None:
    assert found.floor is not None
    assert found.floor.zstd_bytes is not None
    assert max(found.floor.xz_bytes, found.floor.zstd_bytes) < found.floor.best_bytes < found.floor.payload_bytes


def test_the_findings_are_json(found: Findings) -> None:
    restored = json.loads(dump(found))
    assert restored["totals"]["messages"] == 206
    assert restored["whole"][0]["label"] == "off"


def test_the_default_settings_are_the_stock_presets_too(found: Findings) -> None:
    rows = {row.label: row for row in found.whole}
    for name, settings in Settings.presets().items():
        changed = {
            field.name
            for field in dataclasses.fields(Settings)
            if getattr(settings, field.name) != getattr(Settings(), field.name)
        }
        assert set(rows[name].changes) == changed


# No contents

_SECRETS = ("hunter2-hunter2", "s3cr3t@example.com", "Grüße an niemanden", "5e7b1c0ffee")


def _with_secrets() -> Iterator[Item]:
    yield Opened(0, "ws://example.test/5e7b1c0ffee1/socket", "a.har")
    for at in range(30):
        secret = _SECRETS[at % len(_SECRETS)]
        yield event(
            0,
            "message_new",
            {
                "content": secret,
                "items": [secret, {"deep": secret}],
                "by_user": {secret: {"n": 1}},
                f"{at}a{at}b{at}": 1,
            },
            time_ms=10.0 * at,
        )
        yield event(0, f"direct:{_SECRETS[3]}:{at}", secret, time_ms=10.0 * at + 1)
        yield Record(0, _RECEIVED, Kind.PLAIN, (json.dumps({"token": secret}),), 10.0 * at + 2)
        yield event(0, "message_send", {"content": secret}, time_ms=10.0 * at + 3, direction=_SENT)
        yield Record(0, _RECEIVED, Kind.ACK, (f'431["{secret}"]',), 10.0 * at + 4, args=(secret,), ack_id=1)


@pytest.mark.parametrize("anonymous", [False, True])
def test_no_secret_is_in_the_findings(anonymous: bool) -> None:
    text = dump(examine(_with_secrets(), anonymous=anonymous))
    for secret in _SECRETS:
        assert secret not in text
    assert ("message_new" in text) is not anonymous
    assert ('"content"' in text) is not anonymous


@hypothesis.settings(max_examples=8)
@hypothesis.given(st.lists(strategies.objects_with_bytes, min_size=1, max_size=5), st.booleans())
def test_no_value_is_in_the_findings_whatever_was_said(data: list[dict[str, Any]], anonymous: bool) -> None:
    secret = "kept-from-every-report"

    def plant(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plant(item) for key, item in value.items()}
        return [plant(item) for item in value] if isinstance(value, list) else secret

    items = [event(at % 2, "x", plant(value), value, time_ms=float(at)) for at, value in enumerate(data)]
    findings = examine([*items, *items], anonymous=anonymous)
    assert secret not in dump(findings)
    assert findings.totals.replayed_messages == 2 * len(data)


def test_anonymous_names_are_the_same_within_one_run_and_differ_between_two() -> None:
    first, second = (examine(chat(60), anonymous=True) for _ in range(2))
    for findings in (first, second):
        names = {cost.event for cost in findings.events}
        assert names == {count.event for connection in findings.connections for count in connection.events}
        assert all(name.startswith("event-") for name in names)
        assert all(key.key == "*" or key.key.startswith("key-") for key in findings.repeats.keys)
    assert {cost.event for cost in first.events}.isdisjoint({cost.event for cost in second.events})


# What there may be too little or too much of


def test_nothing_gives_empty_findings() -> None:
    findings = examine([])
    assert (findings.whole, findings.verdict, findings.floor, findings.alternatives) == ((), None, None, ())
    assert json.loads(dump(findings))["totals"]["messages"] == 0


def test_clients_alone_have_rows_but_no_verdict() -> None:
    findings = examine([event(0, "message_send", {"content": "hello"}, direction=_SENT)] * 5)
    assert findings.verdict is None
    assert findings.sent[0].messages == 5
    assert [cost.direction for cost in findings.events] == ["sent"]


def test_frames_of_another_protocol_are_compressed_only() -> None:
    plain = [Record(0, _RECEIVED, Kind.PLAIN, (f'{{"n": {at}, "text": "the same"}}',)) for at in range(50)]
    findings = examine([*plain, Record(0, _RECEIVED, Kind.PLAIN, (b"\x00" * 3000,))])
    rows = {row.label: row for row in findings.whole}
    assert rows["stock"].wire_bytes < rows["off"].wire_bytes
    assert list(rows) == ["off", "stock"]
    assert (findings.verdict, findings.shares, findings.front) == (None, (), ())
    assert findings.obstacle is not None
    assert "no Socket.IO" in findings.obstacle
    assert [cost.event for cost in findings.events] == ["(plain)"]


@pytest.mark.parametrize(
    "args",
    [
        (float("nan"),),
        (list(itertools.accumulate(range(400), lambda inner, _: [inner], initial=[]))[-1],),
        (10**5000,),
        ({1: 2},),
    ],
    ids=["nan", "deep", "digits", "key"],
)
def test_what_our_json_cannot_carry_is_replayed_as_it_came(args: Sequence[Any]) -> None:
    odd = Record(0, _RECEIVED, Kind.EVENT, ('42["x",1]',), event="x", args=tuple(args))
    findings = examine([odd] * 3)
    assert findings.totals.as_captured == 3
    assert findings.whole[0].wire_bytes == 3 * (len('42["x",1]') + 2)


def test_events_of_any_length_are_counted_and_not_kept() -> None:
    names = [f"{at:03}" + "n" * 50_000 for at in range(40)]
    findings = examine([event(0, name, 1) for name in names] + [event(0, name, 1, direction=_SENT) for name in names])
    assert [(cost.event, cost.messages) for cost in findings.events] == [("*", 40), ("*", 40)]
    assert {(count.event, count.messages) for count in findings.connections[0].events} == {("*", 40)}
    off = next(row for row in findings.whole if row.label == "off")
    assert findings.events[0].off_bytes in (off.wire_bytes, findings.sent[0].wire_bytes)
    counts: Counter[str] = Counter()
    book(counts, names[0], 1)
    assert len(next(iter(counts))) == MAX_BOOKED_CHARACTERS


def test_what_is_recommended_is_what_the_reasons_are_about() -> None:
    verdict = examine(chat(60, connections=5)).verdict
    assert verdict is not None
    for choice in (verdict.best, verdict.stock_clients):
        percent = f"{100 * choice.wire_bytes / verdict.saving.stock_bytes:.1f} % of what a stock server"
        assert percent in choice.reasons[0]
        assert f"One window for all takes {choice.wire_bytes:,} bytes" in choice.reasons[1]


def test_lone_surrogates_are_counted() -> None:
    findings = examine([event(0, "x", {"content": "\ud800"}), event(0, "\udfff", 1)] * 3)
    assert findings.totals.replayed_messages == 6
    json.dumps(dataclasses.asdict(findings))


def test_several_connections_that_are_sent_the_same_share() -> None:
    findings = examine(chat(60, connections=5))
    assert findings.audience.per_message == 5
    best = next(row for row in findings.whole if row.label == "best")
    assert best.shared_cpu_us < best.cpu_us
    assert best.shared_memory_bytes == best.memory_bytes / 5
    assert findings.shared is not None
    assert (findings.shared.connections, findings.shared.deliveries, findings.shared.broadcasts) == (5, 300, 60)
    assert findings.verdict is not None
    assert findings.verdict.saving.best_bytes == findings.shared.shared_bytes
    assert "deflate_shared=False" not in findings.verdict.best.source


def test_connections_that_are_sent_different_things_do_not_share() -> None:
    items = [event(at % 5, "x", {"text": "some words", "at": at}, time_ms=float(at)) for at in range(100)]
    findings = examine(items)
    assert findings.audience.per_message == 1
    assert findings.shared is None
    assert findings.verdict is not None
    assert "deflate_shared=False" in findings.verdict.best.source


def test_progress_is_told_and_never_more_than_there_is() -> None:
    told: dict[str, list[tuple[int, int | None]]] = {}
    examine(chat(50), progress=lambda stage, done, of: told.setdefault(stage, []).append((done, of)))
    assert next(iter(told)) == "read"
    assert {"read", "settings", "replay", "floor"} <= set(told)
    for steps in told.values():
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    for stage in ("replay", "other servers", "floor"):
        assert told[stage][-1][0] == told[stage][-1][1]


@pytest.mark.parametrize(("users", "price_per_gb"), [(0, None), (-1, None), (1, -0.1), (1, float("nan"))])
def test_figures_that_cannot_be_are_refused(users: int, price_per_gb: float | None) -> None:
    with pytest.raises(ValueError, match=r"users|price_per_gb"):
        examine([], users=users, price_per_gb=price_per_gb)


def test_memory_does_not_grow_with_the_capture() -> None:
    """4 MB of messages leave a fraction of that in memory while they are read."""
    text = "x" * 20_000
    peaks: list[int] = []

    def items() -> Iterator[Item]:
        for at in range(200):
            yield Record(0, _RECEIVED, Kind.PLAIN, (f"{at} {text}",), float(at))
        peaks.append(tracemalloc.get_traced_memory()[1])

    tracemalloc.start()
    try:
        examine(items())
    finally:
        tracemalloc.stop()
    assert peaks[0] < 1_000_000
