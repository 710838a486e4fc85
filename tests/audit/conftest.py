"""One audit for all tests of what is made of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from reznet_ws.audit.examine.findings import ConnectionCount, Findings, ProblemNote
from reznet_ws.audit.examine.replayed import EventCost
from reznet_ws.audit.show.command import audit
from reznet_ws.replay.trace import record

# Markup, plotly's markup, what turns a terminal or a line round, what looks like a number, half of a surrogate pair.
HOSTILE = (
    "<img src=x onerror=\"document.title='run'\">",
    "<a href='https://example.test'>x</a> &amp;",
    "\x1b[2Jcleared\r\nnext \u202egnol",
    "</script><script>document.title='run'</script>",
    "2024-01-01",
    "\ud800{{ 7 * 7 }}",
    "n" * 500,
)


def jsonl(count: int, mix: str = "chat") -> str:
    """A capture of the lab's traffic: what one client gets, and now and then something that it sends."""
    lines = []
    for number, message in enumerate(record(count, mix=mix)):
        line = {"event": message.event, "data": message.data, "ts_ms": message.offset_ms, "dir": "in"}
        lines.append(json.dumps(line))
        if number % 10 == 0:
            line = {"event": "user_typing", "data": {"is_typing": True}, "ts_ms": message.offset_ms, "dir": "out"}
            lines.append(json.dumps(line))
    return "\n".join(lines)


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one, with one line that is broken."""
    path = tmp_path_factory.mktemp("captures") / "chat.jsonl"
    path.write_text(jsonl(120) + "\n{broken\n")
    return path


@pytest.fixture(scope="session")
def audited(capture: Path) -> Findings:
    """What is found in it."""
    return audit([capture], users=100, price_per_gb=0.09)


@pytest.fixture(scope="session")
def hostile(audited: Findings) -> Findings:
    """The same, with names by somebody who means harm."""
    events = tuple(EventCost("received", name, 3, 900 - at, 500, 300) for at, name in enumerate(HOSTILE))
    sent = tuple(dataclasses.replace(event, direction="sent") for event in events)
    keys = tuple(dataclasses.replace(audited.repeats.keys[0], key=name) for name in HOSTILE)
    connections = tuple(ConnectionCount(at, name, name, 4, None, (), ()) for at, name in enumerate(HOSTILE))
    assert audited.field_map is not None
    entries = tuple(dataclasses.replace(audited.field_map.entries[0], key=name) for name in HOSTILE)
    return dataclasses.replace(
        audited,
        events=events + sent,
        repeats=dataclasses.replace(audited.repeats, keys=keys),
        connections=connections,
        field_map=dataclasses.replace(audited.field_map, entries=entries),
        problems=tuple(ProblemNote(name, name, name) for name in HOSTILE),
    )


@pytest.fixture(scope="session")
def nothing_from_the_server(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A capture in which only the client speaks: there is no verdict."""
    path = tmp_path_factory.mktemp("captures") / "sent.jsonl"
    path.write_text("\n".join(json.dumps({"event": "say", "data": number, "dir": "out"}) for number in range(5)))
    return audit([path])


@pytest.fixture
def no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Chrome and Chromium, for what needs none: a picture takes seconds."""
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    monkeypatch.setenv("PATH", str(tmp_path))
