"""A stranger's project: its tests use the fixture, and its notebook is made by the command and run by nbval."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from repo_files import ROOT

from reznet_ws.__main__ import main

APP = """
import socketio
from fastapi import FastAPI

api = FastAPI()
sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio, api)


@sio.event
async def enter(sid, room):
    await sio.enter_room(sid, room)


@sio.event
async def say(sid, room, text):
    await sio.enter_room(sid, room)
    await sio.emit("said", {"text": text, "from": sid, "kind": "a remark that everybody in the room hears"}, room=room)
"""

TOO_MUCH = """

def test_asks_too_much(socketio_lab):
    lab = socketio_lab("main:app", users=2, scenario=Scenario(join=join, act=act, every_s=0.1, rooms=["red"]))
    lab.observe(0.5)
    lab.assert_fewer_bytes(99)
"""

LOOKS = """
import sys

HEAVY = {"reznet_ws.lab.lab", "socketio", "uvicorn", "fastapi", "aiohttp", "plotly", "ipywidgets", "hdrh"}


FOUND = sorted(HEAVY & sys.modules.keys())  # before the next file imports an application


def test_it(request):
    assert request.config.pluginmanager.has_plugin("reznet_ws")
    print("found:", FOUND)
"""


DOCUMENTATION = ROOT / "docs" / "testing.md"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # Where no browser draws, which takes its time.
    bare = {**os.environ, "PATH": "/nonexistent", "BROWSER_PATH": "", "REZNET_CHROMIUM": ""}
    return subprocess.run([sys.executable, *command], cwd=folder, env=bare, capture_output=True, text=True, timeout=100)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    return tmp_path


def test_the_test_of_the_documentation_works_as_it_is_pasted_and_reads_what_was_measured(project: Path) -> None:
    pasted = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    (text,) = [block for block in pasted if "socketio_lab" in block]
    # A busy machine is not to fail it.
    (project / "test_live.py").write_text(text.replace("p95_ms=500", "p95_ms=9000") + TOO_MUCH)
    (project / "test_before.py").write_text(LOOKS)
    done = run(project, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider")
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "found: []" in done.stdout  # nothing of it is imported before a test asks
    assert "% fewer bytes, 99 % claimed" in done.stdout
    assert "said: " in done.stdout


@pytest.fixture
def make(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`reznet-ws new-notebook` in the project's folder; what it said."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run_command(*arguments: str, status: int = 0) -> str:
        assert main(["new-notebook", "shop.ipynb", *arguments]) == status
        sys.modules.pop("main", None)
        said = capsys.readouterr()
        return said.err if status else said.out

    return run_command


def test_a_notebook_is_made_for_it_and_passes_under_nbval(project: Path, make: Callable[..., str]) -> None:
    assert "whose users send 'say'" in make("--app", "main:app", "--event", "say", "--data", '["red", "hello"]')
    written = (project / "shop.ipynb").read_text(encoding="utf-8")
    assert "listens to: `enter(room)`, `say(room, text)`." in written
    assert make("--app", "main:app", status=2) == "reznet_ws: shop.ipynb is there already\n"
    options = ("--nbval", "--nbval-sanitize-with", "reznet_ws", "-p", "no:cacheprovider", "shop.ipynb")
    done = run(project, "-m", "pytest", "-q", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_what_no_notebook_can_be_made_for_is_said(project: Path, make: Callable[..., str]) -> None:
    assert "No module named 'nowhere'" in make("--app", "nowhere:app", status=2)
    assert "no attribute 'other'" in make("--app", "main:other", status=2)
    assert "no Socket.IO server was found" in make("--app", "main:api", status=2)
    assert "--data {: " in make("--app", "main:app", "--data", "{", status=2)
    assert not (project / "shop.ipynb").exists()
