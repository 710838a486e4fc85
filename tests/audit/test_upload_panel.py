"""The notebook's panel without a browser: assigning to a widget's value does what a person's upload does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pytest
from audit.conftest import jsonl

from reznet_ws.audit.show.upload_panel import AuditPanel

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def uploaded(name: str, content: str) -> dict[str, Any]:
    """As the widget has it."""
    body = content.encode()
    return {"name": name, "type": "", "size": len(body), "content": memoryview(body), "last_modified": NOW}


def texts(panel: AuditPanel) -> str:
    return "\n".join(child.value for child in panel.result.children if isinstance(child, widgets.HTML))


@pytest.fixture
def panel() -> Iterator[AuditPanel]:
    made = AuditPanel()
    yield made
    made.close()


def test_an_upload_is_audited_and_shown(panel: AuditPanel) -> None:
    panel.upload.value = (uploaded("../../my chat.jsonl", jsonl(40)), uploaded("..", jsonl(20)))
    assert panel.findings is not None
    assert panel.findings.totals.files == 2
    assert texts(panel).startswith("<h3>Set Settings(")
    (picture,) = (child for child in panel.result.children if isinstance(child, widgets.Image))
    assert bytes(picture.value).startswith(b"\x89PNG")
    assert not [name for name in (one.file for one in panel.findings.connections) if Path(name).exists()]
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"].startswith("Set Settings(")
    assert bundle["image/png"]


@pytest.mark.usefixtures("no_browser")
def test_names_are_hashes_if_so_chosen(panel: AuditPanel) -> None:
    panel.anonymous.value = True
    panel.users.value = 50
    panel.upload.value = (uploaded("chat.jsonl", jsonl(30)),)
    assert panel.findings is not None
    assert panel.findings.audience.per_message == 50
    assert "message_new" not in texts(panel)


def test_what_cannot_be_read_is_said_and_escaped(panel: AuditPanel) -> None:
    panel.upload.value = (uploaded("<b>notes</b>.txt", "no capture"),)
    assert panel.findings is not None
    assert panel.findings.verdict is None
    assert "it is no HAR file" in texts(panel)
    assert "<b>" not in texts(panel)


@pytest.mark.usefixtures("no_browser")
def test_files_on_this_machine_need_no_upload(panel: AuditPanel, capture: Path) -> None:
    panel.show([capture])
    assert panel.findings is not None
    assert panel.findings.connections[0].file == str(capture)
    assert not any(isinstance(child, widgets.Image) for child in panel.result.children), "no browser draws one"
    assert "image/png" not in panel._repr_mimebundle_()


def test_before_the_first_upload_it_says_what_to_do(panel: AuditPanel) -> None:
    assert panel._repr_mimebundle_()["text/plain"] == "Choose captures"
