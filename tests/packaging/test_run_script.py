"""The run script: what it makes, and what it says where it cannot."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from repo_files import ROOT, repo_files


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repo as a newcomer's clone would be, in a folder whose name holds spaces."""
    there = tmp_path / "a folder with spaces"
    for file, _ in repo_files():
        target = there / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return there


def fake_command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A folder for PATH with a few POSIX tools and no Python, Node or uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "dirname", "cat", "cksum", "date", "sed", "grep", "rm", "mkdir", "tail", "id"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return folder


def run(repo: Path, *args: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(repo / "run"), *args]
    return subprocess.run(command, env={"PATH": str(path)}, cwd=path, capture_output=True, text=True, timeout=60)


def test_without_a_new_python_the_script_says_so_in_one_line(copy: Path, bare_path: Path) -> None:
    fake_command(bare_path, "python3.12", "exit 127")  # a shim with nothing behind it
    fake_command(bare_path, "python3", "exit 1")  # too old
    done = run(copy, "lab", path=bare_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("run: found no Python 3.11 or newer")
    assert done.stderr.count("\n") == 1
    assert not (copy / ".venv").exists()


def test_without_venv_the_script_names_the_missing_package(copy: Path, bare_path: Path) -> None:
    fake_command(bare_path, "python3", f'case "$2" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"')
    done = run(copy, "lab", path=bare_path)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_the_script_leaves_an_environment_that_it_did_not_make(copy: Path, bare_path: Path) -> None:
    (copy / ".venv").mkdir()
    (copy / ".venv/mine").touch()
    fake_command(bare_path, "python3", f'exec "{sys.executable}" "$@"')
    done = run(copy, "lab", path=bare_path)
    assert done.returncode == 1
    assert "was not made by this script" in done.stderr
    assert (copy / ".venv/mine").exists()


def test_an_unknown_command_is_refused_with_the_list_of_commands(bare_path: Path) -> None:
    done = run(ROOT, "lap", path=bare_path)
    assert done.returncode == 1
    assert "run: unknown command: lap" in done.stderr
    assert all(f"./run {command}" in done.stderr for command in ("lab", "test", "lock"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_command_opens_the_lab_from_a_fresh_clone(copy: Path, tmp_path: Path) -> None:
    """From nothing to an answering page: called from another folder, in a path with spaces."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Without what `./run test` put on the PATH: a newcomer has no uv.
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
    mine = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    environment = {**os.environ, **mine, "PATH": os.pathsep.join(path)}
    log = tmp_path / "log"
    command = [str(copy / "run"), "lab", "--no-browser", f"--port={port}", "--IdentityProvider.token="]
    with log.open("w") as out:
        lab = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        page = f"http://127.0.0.1:{port}/lab/tree/notebooks/01-dashboard.ipynb"
        while True:
            assert lab.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(page, timeout=10) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.1)
    finally:
        os.killpg(lab.pid, signal.SIGTERM)
        lab.wait(30)
    said = log.read_text()
    assert re.match(r"Making \.venv with Python 3\.\d+ …\nInstalling \d+ packages …\nDone in \d+ s\.\nOpening ", said)
