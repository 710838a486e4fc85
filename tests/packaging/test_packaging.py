"""The repo installs as it says: pyproject, both lock files, environment.yml and the wheel agree with each other."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
import rattler
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {"lab": ROOT / "requirements/lab.txt", "test": ROOT / "requirements/test.txt"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

MACHINES = [
    {"python_version": version, "python_full_version": f"{version}.9", **system}
    for version in ("3.11", "3.12", "3.13")
    for system in (
        {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
        {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
        {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
    )
]


def read_pins(extra: str, machine: dict[str, str]) -> dict[str, str]:
    """Name -> version of every package that a lock file pins for one machine."""
    pins: dict[str, str] = {}
    for line in LOCKS[extra].read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(machine):
                (specifier,) = requirement.specifier
                assert specifier.operator == "=="
                assert canonicalize_name(requirement.name) not in pins
                pins[canonicalize_name(requirement.name)] = specifier.version
    return pins


def asked_for(extra: str) -> Iterator[Requirement]:
    """What pyproject asks for with an extra, the package's own extras followed."""
    for line in (
        PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra] + PYPROJECT["build-system"]["requires"]
    ):
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            for other in requirement.extras:
                yield from asked_for(other)
        else:
            yield requirement


# The lock files


@pytest.mark.parametrize("extra", LOCKS)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['sys_platform']}")
def test_a_lock_pins_what_pyproject_asks_for(extra: str, machine: dict[str, str]) -> None:
    machine = {**default_environment(), **machine}  # type: ignore[dict-item]
    pins = read_pins(extra, machine)
    for requirement in asked_for(extra):
        if requirement.marker is None or requirement.marker.evaluate(machine):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['sys_platform']}")
def test_both_locks_pin_the_same_versions(machine: dict[str, str]) -> None:
    machine = {**default_environment(), **machine}  # type: ignore[dict-item]
    assert read_pins("lab", machine).items() <= read_pins("test", machine).items()


def test_what_is_installed_is_what_the_lock_pins() -> None:
    pins = read_pins("test", dict(default_environment()))  # type: ignore[arg-type]
    assert {name: metadata.version(name) for name in pins} == pins


@pytest.mark.parametrize("extra", LOCKS)
def test_a_lock_is_complete(extra: str) -> None:
    """Installed with --no-deps, it must name whatever any package in it needs here."""
    pins = read_pins(extra, dict(default_environment()))  # type: ignore[arg-type]
    todo = [(requirement.name, frozenset(requirement.extras)) for requirement in asked_for(extra)]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras | {""}):
                assert needed.specifier.contains(pins[canonicalize_name(needed.name)], prereleases=True), (name, line)
                todo.append((needed.name, frozenset(needed.extras)))


def test_the_four_libraries_that_the_protocol_class_leans_on_are_pinned() -> None:
    exact = {Requirement(d).name for d in PROJECT["dependencies"] if "==" in d}
    assert exact == {"python-socketio", "python-engineio", "uvicorn", "websockets"}


# environment.yml


def test_the_conda_environment_is_python_pip_and_the_lab() -> None:
    assert list(ENVIRONMENT) == ["name", "channels", "dependencies"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    *conda, pip = ENVIRONMENT["dependencies"]
    names = [rattler.MatchSpec(spec, strict=True).name for spec in conda]
    assert [name.normalized for name in names if name] == ["python", "pip"]
    assert pip == {"pip": ["-e .[lab]"]}
    assert "lab" in PROJECT["optional-dependencies"]


def test_the_conda_environment_takes_the_pythons_that_pyproject_takes() -> None:
    spec = rattler.MatchSpec(ENVIRONMENT["dependencies"][0], strict=True)
    assert spec.version is not None
    assert SpecifierSet(spec.version) == SpecifierSet(PROJECT["requires-python"])


def test_pip_accepts_the_conda_environments_pip_half() -> None:
    """Offline: everything it asks for is installed, so pip only has to agree."""
    (line,) = ENVIRONMENT["dependencies"][-1]["pip"]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", *line.split()]
    done = subprocess.run(pip, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    would = next(line for line in done.stdout.splitlines() if line.startswith("Would install"))
    assert would.split()[2:] == [f"reznet-ws-{PROJECT['version']}"]


# The wheel


def test_the_wheel_holds_the_package_and_the_built_decoder_and_no_more(tmp_path: Path) -> None:
    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read(f"reznet_ws-{PROJECT['version']}.dist-info/entry_points.txt").decode()
        headers = HeaderParser().parsestr(archive.read(f"reznet_ws-{PROJECT['version']}.dist-info/METADATA").decode())
    inside = {name for name in names if name.startswith("reznet_ws/")}
    modules = (path for path in (ROOT / "reznet_ws").rglob("*.py") if "node_modules" not in path.parts)
    sources = {path.relative_to(ROOT).as_posix() for path in modules}
    assert inside >= sources | {"reznet_ws/py.typed", "reznet_ws/client/js/reznet.js"}
    assert {name.partition("/")[0] for name in names} == {"reznet_ws", f"reznet_ws-{PROJECT['version']}.dist-info"}
    decoder = {name for name in inside if name.startswith("reznet_ws/client/js/") and not name.endswith(".py")}
    assert decoder - {"reznet_ws/client/js/reznet.d.ts"} == {"reznet_ws/client/js/reznet.js"}
    assert not [name for name in inside if "node_modules" in name or "__pycache__" in name]
    assert "reznet-ws = reznet_ws.__main__:main" in entry_points
    assert headers["License-Expression"] == "MIT"
    assert set(headers.get_all("Provides-Extra", [])) == {"lab", "test"}


# What the repo must not hold


def repo_files() -> Iterator[tuple[Path, str]]:
    """Every text file that is, or could be, committed."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in data:
            yield path, data.decode()


def test_no_file_names_a_machines_path_or_a_package_index() -> None:
    path = r"(?<![\w.~/-])/(root|work|tmp/w|Users/\w+|home/\w+|opt/pypi)/"
    hosts = r"(pypi|pythonhosted|npmjs|yarnpkg|debian|ubuntu|anaconda)\.(org|com|net)"
    flags = r"--(extra-)?index-url|--find-links"
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file, text in repo_files()
        if file != Path(__file__)
        for match in re.finditer(f"{path}|{hosts}|{flags}", text)
    ]
    assert found == []


def test_no_lock_names_where_a_package_comes_from() -> None:
    for file in [*LOCKS.values(), *(path for path, _ in repo_files() if path.name == "package-lock.json")]:
        assert not re.search(r'(?<!"url": ")https?://', file.read_text()), file.name


# The run script


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
        page = f"http://127.0.0.1:{port}/lab/tree/notebooks/00-dashboard.ipynb"
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
