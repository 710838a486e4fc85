"""The script that recorded the sample still records one."""

from __future__ import annotations

import runpy
from pathlib import Path

from reznet_ws.audit.read.capture import Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.reading import read

SCRIPT = Path(__file__).parent / "record_har.py"


def test_a_recording_holds_the_whole_of_a_connection(tmp_path: Path) -> None:
    path = tmp_path / "chat.har"
    runpy.run_path(str(SCRIPT))["record"](path, seconds=2.5, tabs=1)
    items = list(read([path]))
    assert [item for item in items if isinstance(item, Problem)] == []
    assert [(item.url, item.engineio) for item in items if isinstance(item, Opened)] == [
        ("ws://localhost:8000/socket.io/", 4)
    ]
    found = [item for item in items if isinstance(item, Record)]
    assert {Kind.OPEN, Kind.CONNECT, Kind.UPGRADE, Kind.EVENT, Kind.ACK} <= {record.kind for record in found}
    assert {record.transport for record in found} == set(Transport)
    moments = [record.time_ms for record in found if record.time_ms is not None]
    assert len(moments) == len(found)
    assert 1_000 < moments[-1] < 60_000
