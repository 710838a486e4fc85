"""The report's files, and that nothing of what a message said is in any of them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from audit.planted import EVENTS, KEYS, MARK, planted_har, planted_jsonl, planted_log

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.show.command import audit, report_on
from reznet_ws.audit.show.pictures import draw_all, draw_overview
from reznet_ws.audit.show.report_files import SCHEMA_VERSION, report_json, report_png, write_report


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("planted")
    made = {"planted.har": planted_har(), "planted.log": planted_log(), "planted.jsonl": planted_jsonl()}
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert all(text.count(MARK) > 5 for text in made.values())
    return [folder / name for name in made]


def everything_said(paths: list[Path], folder: Path, *, anonymous: bool) -> dict[str, str]:
    stream = io.StringIO()
    answer = report_on(paths, folder, stream, anonymous=anonymous)
    assert answer.status == 0
    files = {path.name: path.read_bytes().decode(errors="replace") for path in folder.iterdir()}
    return {"stdout": answer.out, "stderr": answer.err + stream.getvalue(), **files}


def shown(outputs: dict[str, str], names: Iterable[str]) -> list[str]:
    """Which names there are among the report's texts."""
    return [name for name in names if re.search(rf"[\"/]{re.escape(name)}[\"/]", outputs["report.json"])]


def test_no_secret_is_in_any_output(planted: list[Path], tmp_path: Path) -> None:
    outputs = everything_said(planted, tmp_path, anonymous=False)
    assert {"report.html", "report.json", "report.png"} <= set(outputs)
    assert [name for name, text in outputs.items() if MARK in text] == []
    names = [*EVENTS, *KEYS, "chat.example.test", "planted.har"]
    assert shown(outputs, names) == names, "names of the application are shown"


@pytest.mark.usefixtures("no_browser")
def test_anonymous_reports_hold_no_name_either(planted: list[Path], tmp_path: Path) -> None:
    outputs = everything_said(planted, tmp_path, anonymous=True)
    assert [name for name, text in outputs.items() if MARK in text] == []
    assert shown(outputs, [*EVENTS, *KEYS, "chat.example.test", "planted.har"]) == []
    long_names = ["chat_message", "nickname", "chat.example.test", "planted.har"]
    assert [(at, name) for at, text in outputs.items() for name in long_names if name in text] == []


def test_no_secret_is_drawn(planted: list[Path]) -> None:
    findings = audit(planted)
    figures = [picture.figure for picture in draw_all(findings).values()] + [draw_overview(findings, "x")]
    assert MARK not in "".join(figure.to_json() for figure in figures)


def test_the_json_holds_every_record_and_its_version(audited: Findings) -> None:
    read = json.loads(report_json(audited))
    assert read["schema_version"] == SCHEMA_VERSION
    assert set(read) == {"schema_version", *audited.__dataclass_fields__}
    (connection,) = read["connections"]
    assert {"url", "kinds", "events"} <= set(connection)
    kinds = connection["kinds"]
    assert sum(kind["messages"] for kind in kinds) == audited.totals.messages
    assert {"direction", "kind", "frames", "payload_bytes"} <= set(kinds[0])
    messages = {(event["direction"], event["event"]): event["messages"] for event in connection["events"]}
    assert messages["sent", "user_typing"] == 12


def test_the_json_is_ascii_whatever_names_there_are(hostile: Findings) -> None:
    assert report_json(hostile).isascii()


def test_all_three_files_are_written(audited: Findings, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    written = write_report(audited, folder)
    assert [path.name for path in written] == ["report.html", "report.png", "report.json"]
    assert sorted(folder.iterdir()) == sorted(written)
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("no_browser")
def test_captures_are_named_without_their_folders(audited: Findings, capture: Path, tmp_path: Path) -> None:
    assert audited.problems[0].file == str(capture)
    for path in write_report(audited, tmp_path):
        text = path.read_text(encoding="utf-8")
        assert capture.name in text
        assert capture.parent.name not in text


@pytest.mark.usefixtures("no_browser")
def test_without_a_browser_there_is_no_picture_and_no_old_one(hostile: Findings, tmp_path: Path) -> None:
    (tmp_path / "report.png").write_bytes(b"an earlier one")
    written = write_report(hostile, tmp_path)
    assert [path.name for path in written] == ["report.html", "report.json"]
    assert not (tmp_path / "report.png").exists()


def test_without_a_verdict_there_is_no_picture(nothing_from_the_server: Findings, tmp_path: Path) -> None:
    assert [path.name for path in write_report(nothing_from_the_server, tmp_path)] == ["report.html", "report.json"]
    assert report_png(nothing_from_the_server) is None
