"""The verdict is honest: what cannot be set is not, what gains nothing is not praised, and stock is stock."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.examine.handshake import granted, say_grant
from reznet_ws.audit.show.command import audit
from reznet_ws.audit.show.format_text import say_format
from reznet_ws.audit.show.report_page import make_page
from reznet_ws.audit.show.terminal import audit_text
from reznet_ws.audit.show.verdict_text import headline, say_cost, verdict_lines
from reznet_ws.audit.show.wording import find_row, say_change
from reznet_ws.replay.memory import deflater_bytes

OPEN = '0{"sid":"abcdefghijklmnopAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
SOCKETIO = "wss://a.example/socket.io/?EIO=4&transport=websocket"
STOCK = ("off", "stock")


def message(data: str | bytes, at_s: float) -> dict[str, Any]:
    is_text = isinstance(data, str)
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"type": "receive", "time": 1.79e9 + at_s, "opcode": 1 if is_text else 2, "data": text}


def socket(
    messages: list[dict[str, Any]], url: str = SOCKETIO, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in (headers or {}).items()]
    return {
        "startedDateTime": "2026-09-21T18:13:20Z",
        "request": {"method": "GET", "url": url},
        "response": {"status": 101, "headers": named},
        "_webSocketMessages": messages,
    }


def audited(folder: Path, *entries: dict[str, Any]) -> Findings:
    path = folder / "capture.har"
    path.write_text(json.dumps({"log": {"entries": entries}}))
    return audit([path])


def tides(count: int = 100, **headers: str) -> dict[str, Any]:
    """Levels at four gauges: what a small window compresses as well as a large one."""
    levels = [f'42["tide",{{"gauge":"G{at % 4}","level":{100 + at}.5,"at":{at}}}]' for at in range(count)]
    messages = [message(OPEN, 0), *(message(text, 1 + at / 2) for at, text in enumerate(levels))]
    return socket(messages, headers={name.replace("_", "-"): value for name, value in headers.items()})


# What attach() would refuse


def test_messages_of_another_parser_are_compared_as_they_are(tmp_path: Path) -> None:
    packets = [{"type": 2, "nsp": "/", "data": ["tide", {"gauge": f"G{at % 4}", "level": at}]} for at in range(60)]
    findings = audited(
        tmp_path, socket([message(OPEN, 0), *(message(msgpack.packb(one), at) for at, one in enumerate(packets))])
    )
    first, second = verdict_lines(findings)
    assert 'serializer="msgpack"' in first
    assert "Settings(" not in first + second + audit_text(findings)
    assert "attach(sio" not in make_page(findings)
    assert "uvicorn main:app" in second
    assert [row.label for row in findings.whole] == list(STOCK)
    stock_server = next(option for option in findings.alternatives if option.setting == "uvicorn main:app")
    assert find_row(findings, "stock").wire_bytes == stock_server.wire_bytes


@pytest.mark.parametrize(
    "frames",
    [
        [f'{{"type":1,"target":"tide","arguments":[{{"level":{at}}}]}}\x1e' for at in range(60)],
        [f'[null,"{at}","room:lobby","tide",{{"level":{at}}}]' for at in range(60)],
    ],
    ids=["SignalR", "Phoenix"],
)
def test_what_is_no_socketio_gets_no_settings(tmp_path: Path, frames: list[str]) -> None:
    findings = audited(
        tmp_path, socket([message(text, at) for at, text in enumerate(frames)], "wss://a.example/hub?id=1")
    )
    first, second = verdict_lines(findings)
    assert "no Socket.IO" in first
    assert "Settings(" not in first + second + audit_text(findings)
    assert "uvicorn main:app" in second
    assert findings.verdict is None
    assert headline(findings) == first


def test_engineio_by_itself_gets_no_settings(tmp_path: Path) -> None:
    findings = audited(tmp_path, socket([message(OPEN, 0), *(message(f"4level {at}", at) for at in range(60))]))
    assert findings.obstacle is not None
    assert "Engine.IO without Socket.IO" in findings.obstacle


def test_a_foreign_websocket_beside_socketio_is_left_out_and_told(tmp_path: Path) -> None:
    alone = audited(tmp_path, tides())
    foreign = socket([message("reload " * 500, at) for at in range(20)], "wss://a.example/hot-reload")
    findings = audited(tmp_path, tides(), foreign)
    assert findings.totals.foreign_connections == 1
    assert find_row(findings, "stock").wire_bytes == find_row(alone, "stock").wire_bytes
    assert findings.totals.replayed_messages == alone.totals.replayed_messages
    assert "1 WebSocket with 70.0 kB from the server are no Socket.IO" in audit_text(findings)


# Nothing to gain


def test_less_than_two_percent_is_nothing_to_gain(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides())
    verdict = findings.verdict
    assert verdict is not None
    assert not verdict.gains
    assert verdict.saving.best_bytes > 0.98 * verdict.saving.stock_bytes
    first, second, _ = verdict_lines(findings)
    assert first.startswith("Nothing to gain in bytes")
    assert "keep the window that uvicorn has by itself" in first
    assert "a day" not in first + second
    sizes = [word for word in first.split() if word.replace(",", "").replace(".", "").isdigit()]
    assert len(set(sizes[:2])) == 2 or "(as many)" in first
    assert "µs of CPU" in second
    assert "of memory a connection" in second
    page = make_page(findings)
    assert "Set nothing for the sake of bytes" in page
    assert "At the capture's rate" not in page


# What was negotiated


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        ("", "no permessage-deflate"),
        ("x-webkit-deflate-frame", "no permessage-deflate"),
        ("permessage-deflate", "permessage-deflate, 15 bits"),
        ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", "permessage-deflate, 12 bits"),
        ('permessage-deflate;server_max_window_bits="10"', "permessage-deflate, 10 bits"),
        ("permessage-deflate; server_max_window_bits=99", "permessage-deflate, 15 bits"),
        (
            "Permessage-Deflate; Server_No_Context_Takeover",
            "permessage-deflate, 15 bits, each message by itself",
        ),
    ],
)
def test_a_handshake_says_what_is_granted(extensions: str, said: str) -> None:
    assert say_grant(granted(extensions)) == said


def test_a_server_that_granted_nothing_sends_what_no_layer_would(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides(Upgrade="websocket", Connection="Upgrade"))
    today = findings.today
    assert today is not None
    assert not today.is_deflated
    assert today.wire_bytes == find_row(findings, "off").wire_bytes
    first, second, _ = verdict_lines(findings)
    assert "turn on permessage-deflate, which this server did not grant" in first
    stock_bytes = find_row(findings, "stock").wire_bytes
    fewer = 100 - 100 * stock_bytes / today.wire_bytes
    assert fewer > 60
    assert f"with the default of uvicorn ({fewer:.1f} % fewer bytes)" in second
    assert "Today you send" in make_page(findings)


def test_a_server_that_granted_twelve_bits_sends_what_stock_does(tmp_path: Path) -> None:
    grant = "permessage-deflate; server_max_window_bits=12"
    findings = audited(tmp_path, tides(Upgrade="websocket", Sec_WebSocket_Extensions=grant))
    assert findings.today is not None
    assert findings.today.wire_bytes == find_row(findings, "stock").wire_bytes


def test_without_a_handshake_nothing_is_said_of_today(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides())
    assert findings.today is None
    assert not any("Today" in line for line in verdict_lines(findings))


# Stock is stock


def test_stock_has_a_window_for_each_connection_and_the_best_one_for_all(tmp_path: Path) -> None:
    path = tmp_path / "room.jsonl"
    with path.open("w") as file:
        for number in range(40):
            for member in range(8):
                data = {"id": number, "text": f"Words for everybody in the room, number {number}"}
                line = {"event": "said", "data": data, "ts_ms": 500 * number + member, "dir": "in", "stream": member}
                file.write(json.dumps(line) + "\n")
    findings = audit([path])
    stock, best = find_row(findings, "stock"), find_row(findings, "best")
    assert (stock.is_shared, best.is_shared) == (False, True)
    assert (stock.taken_us, stock.held_bytes) == (stock.cpu_us, deflater_bytes(12, 5))
    assert (best.taken_us, best.held_bytes) == (best.shared_cpu_us, best.memory_bytes / 8)
    row = next(line.split() for line in audit_text(findings).splitlines() if line.startswith("stock "))
    assert row[5:9] == [f"{stock.taken_us:.2f}" if stock.taken_us < 10 else f"{stock.taken_us:.1f}", "µs", "32.8", "kB"]
    assert "8.0 connections" in say_cost(findings)
    assert "100 % to all" in audit_text(findings)


def test_formats_stand_in_the_comparison_for_socketio_alone(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides())
    assert [(row.way, row.format) for row in findings.formats] == [
        ("plain", "1"),
        ("rows", "3"),
        ("rows with far references", "3"),
        ("MessagePack", "m"),
    ]
    assert findings.formats[0].bare_bytes == find_row(findings, "off").wire_bytes
    report, page = audit_text(findings), make_page(findings)
    for row in findings.formats:
        for text in (report, page):
            assert f"{row.way} (format {row.format})" in text
            assert f"{row.bare_bytes:,}" in text
            assert f"{row.deflated_bytes:,}" in text
    for text in (report, page):
        assert "A capture cannot tell what snapshots, latest= and join= would save" in text
    foreign = audited(tmp_path, socket([message(f"level {at}", at) for at in range(9)], "wss://a.example/hub"))
    assert (foreign.formats, foreign.superseded) == ((), ())
    assert "latest=" not in audit_text(foreign)


def test_the_verdict_names_the_format_that_pays_and_what_to_ask_for(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides())
    text, rows, far, packed = findings.formats
    assert findings.verdict is not None
    assert rows.deflated_bytes == far.deflated_bytes < 0.98 * min(text.deflated_bytes, findings.verdict.best.wire_bytes)
    said = say_format(findings)
    assert "(rows: ?reznet=3)" in said
    assert f"{say_change(rows.deflated_bytes, text.deflated_bytes)} than as text behind the same window" in said
    assert said in verdict_lines(findings)[2]
    # Far references take memory: they have to pay beside rows.
    pays = dataclasses.replace(far, deflated_bytes=rows.deflated_bytes // 2)
    said = say_format(dataclasses.replace(findings, formats=(text, rows, pays, packed)))
    assert "(rows with far references: ?reznet=3, far_references=True)" in said
    # Neither what a smaller window costs nor what one window for all saves is a format's merit.
    no_better = dataclasses.replace(text, deflated_bytes=rows.deflated_bytes)
    assert say_format(dataclasses.replace(findings, formats=(no_better, rows, far, packed))) == ""
    best = dataclasses.replace(findings.verdict.best, wire_bytes=rows.deflated_bytes)
    shared = dataclasses.replace(findings.verdict, best=best)
    assert say_format(dataclasses.replace(findings, verdict=shared)) == ""


def test_where_today_compresses_nothing_the_formats_are_compared_without_compression(tmp_path: Path) -> None:
    findings = audited(tmp_path, tides(Upgrade="websocket"))
    text, *others = findings.formats
    assert findings.today is not None
    assert not findings.today.is_deflated
    said = say_format(findings)
    assert "If frames stay uncompressed, as today" in said
    for row in others:
        assert f"{row.way} {say_change(row.bare_bytes, text.bare_bytes)} than text" in said


def test_what_a_newer_one_follows_soon_is_counted_by_event_and_connection(tmp_path: Path) -> None:
    def level(at_s: float, event: str = "tide") -> dict[str, Any]:
        return message(f'42["{event}",{{"level":{at_s}}}]', at_s)

    # 30 ms, half a second, 30 ms and 30 ms between tides; other events and connections follow nobody.
    one = [level(at_s) for at_s in (1, 1.03, 1.53, 1.56, 1.59)]
    one += [level(1.6, "wind"), level(3, "wind")]
    findings = audited(tmp_path, socket([message(OPEN, 0), *one]), socket([message(OPEN, 0), level(1.01)]))
    (row,) = findings.superseded
    assert (row.event, row.messages, row.superseded) == ("tide", 6, 3)
    assert "latest= drops no more: 3 of 6 tide" in audit_text(findings)


def test_without_the_library_format_m_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reznet_ws.message.message_pack.is_installed", lambda: False)
    findings = audited(tmp_path, tides(10))
    assert [row.format for row in findings.formats] == ["1", "3", "3"]
    assert "Format m was not tried" in audit_text(findings)


# A large capture


def test_of_a_large_capture_a_part_is_replayed_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reznet_ws.audit.examine.intake.REPLAYED_BYTES", 4000)
    findings = audited(tmp_path, tides(200), tides(100))
    totals = findings.totals
    assert totals.messages == totals.received_messages == 302
    assert 0 < totals.replayed_payload_bytes <= 4000 < totals.received_payload_bytes
    assert f"Replayed: {totals.replayed_messages:,} of 302 messages from the server" in audit_text(findings)
    assert find_row(findings, "off").messages == totals.replayed_messages
    assert sum(cost.messages for cost in findings.events) == totals.replayed_messages
    # As long as the parts last: 200 and 100 messages, half a second apart, were 99 and 50 seconds.
    assert totals.connected_ms is not None
    assert totals.connected_ms < 75_000
