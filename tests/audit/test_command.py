"""`python -m reznet_ws audit`, as a person calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from audit.conftest import jsonl

import reznet_ws.audit.show.command
from reznet_ws.__main__ import main


def test_it_prints_the_verdict_and_tells_how_far_it_is_elsewhere(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(capture)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("Set Settings(")
    assert "trying settings ..." in printed.err
    assert f"{capture}: line 133: it is not JSON" in printed.err
    assert "Written" not in printed.out


@pytest.mark.usefixtures("no_browser")
def test_it_writes_the_report_and_says_what_the_picture_lacks(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    options = ["--out", str(folder), "--users", "100", "--price-per-gb", "0.09", "--anonymous"]
    assert main(["audit", str(capture), *options]) == 0
    printed = capsys.readouterr()
    assert f"Written: {folder / 'report.html'}" in printed.out
    assert "report.png was not drawn: that takes Chrome or Chromium" in printed.err
    assert "at a price of 0.09 per GB" in printed.out
    assert capture.name not in printed.out
    found = json.loads((folder / "report.json").read_text())
    assert found["is_anonymous"]
    assert found["audience"]["per_message"] == 100


def test_several_files_are_one_capture(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(jsonl(20))
    assert main(["audit", str(capture), str(other)]) == 0
    assert "of 2 connections in 2 files" in capsys.readouterr().out


@pytest.mark.parametrize("summary", [(), ("--summary",)])
def test_where_nothing_can_be_read_the_status_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], summary: tuple[str, ...]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no capture")
    assert main(["audit", str(path), str(tmp_path / "missing.har"), *summary]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{path}: the whole file: it is no HAR file" in printed.err
    assert "missing.har: the whole file: No such file or directory" in printed.err


def test_nothing_is_written_where_nothing_could_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no capture")
    assert main(["audit", str(tmp_path / "notes.txt"), "--out", str(tmp_path / "report")]) == 2
    assert list((tmp_path / "report").iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_summary_has_a_row_for_each_file(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("no capture")
    assert main(["audit", "--summary", str(capture), str(other)]) == 0
    printed = capsys.readouterr()
    rows = [line.split()[0] for line in printed.out.splitlines() if line.startswith((capture.name, other.name))]
    assert rows == [capture.name, other.name, f"{capture.name}:", f"{other.name}:"]
    assert f"{capture.name}: reading ..." in printed.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--users", "0"], "users is 0; it must be at least 1"),
        (["--price-per-gb", "nan"], "price_per_gb is nan"),
        (["--summary", "--out", "folder"], "--summary writes no report"),
    ],
)
def test_what_cannot_be_is_said(
    capture: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["audit", str(capture), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_a_file_is_said_before_the_long_part(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(capture), "--out", str(capture)]) == 2
    printed = capsys.readouterr()
    assert "File exists" in printed.err
    assert "reading" not in printed.err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="takes a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_said_before_the_long_part(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(capture), "--out", "/proc/self"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("reznet_ws: ")
    assert "reading" not in printed.err


@pytest.mark.usefixtures("no_browser")
def test_an_earlier_report_is_written_over_and_what_else_is_there_stays(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("an earlier one")
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["audit", str(capture), "--out", str(tmp_path)]) == 0
    assert "<title>Socket.IO traffic audit" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "report.html", "report.json"]


def test_without_the_lab_it_says_what_to_install(
    capture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "reznet_ws.audit.show.command")
    monkeypatch.delattr(reznet_ws.audit.show, "command")
    monkeypatch.setitem(sys.modules, "reznet_ws.audit.show.report_files", None)
    assert main(["audit", str(capture)]) == 2
    assert "pip install 'reznet-ws[lab]'" in capsys.readouterr().err
