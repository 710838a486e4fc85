"""The core, installed as an application would install it: with python-socketio and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from versions.environments import ROOT, empty_environment, uv

import reznet_ws

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

OPTIONAL = ("aiohttp", "fastapi", "httptools", "uvicorn", "uvloop", "websockets")
IMPORT_S = 0.3


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def core(wheel: Path) -> Iterator[Path]:
    """The Python of an environment with the core alone."""
    with empty_environment() as python:
        uv("pip", "install", "--quiet", "--python", str(python), str(wheel))
        yield python


def run(python: Path, code: str) -> Any:
    """What a program prints as JSON; -I keeps out whatever lies in this folder."""
    done = subprocess.run(
        [str(python), "-I", "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_none_of_the_optional_libraries_comes_with_it(core: Path) -> None:
    code = f"""if True:
        import importlib.util, json
        print(json.dumps([name for name in {OPTIONAL} if importlib.util.find_spec(name)]))"""
    assert run(core, code) == []


@pytest.mark.parametrize("name", reznet_ws.__all__)
def test_every_public_name_is_there(core: Path, name: str) -> None:
    assert run(core, f"import json, reznet_ws; reznet_ws.{name}; print(json.dumps('found'))") == "found"


def test_a_server_takes_the_one_line(core: Path) -> None:
    """Whoever serves it may be a server that we know nothing of."""
    code = """if True:
        import json, socketio, reznet_ws
        manager = reznet_ws.attach(socketio.AsyncServer(async_mode="asgi"))
        print(json.dumps(manager.get_stats()["total_messages"]))"""
    assert run(core, code) == 0


def test_importing_the_package_is_quick(core: Path) -> None:
    """CPU of the import alone, the least of five: a busy machine adds to a time and never takes from it."""
    code = """if True:
        import json, time
        began_s = time.process_time()
        import reznet_ws
        print(json.dumps(time.process_time() - began_s))"""
    assert min(run(core, code) for _ in range(5)) < IMPORT_S
