"""Environments with chosen versions of the libraries that the adapters touch, and the tests run in them.

In: versions by package. Out: an environment that holds them, everything else as the lock file has it; what the tests
there say. Never: the environment that this runs in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements/test.txt"
EXTRAS = ("client", "fastapi", "serve")


class CannotInstall(Exception):
    """No environment holds these versions together."""


@dataclass(frozen=True)
class Outcome:
    """What the tests in one environment said."""

    passed: int
    failed: tuple[str, ...]
    log: str

    @property
    def is_good(self) -> bool:
        """Whether tests ran and none failed."""
        return self.passed > 0 and not self.failed


def ranges() -> dict[str, Requirement]:
    """Every library that the package asks for at run time, with its range; only those that exist here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in project["optional-dependencies"][extra])]
    found = [Requirement(line) for line in lines]
    return {each.name: each for each in found if each.marker is None or each.marker.evaluate()}


def lowest() -> dict[str, str]:
    """The lower end of each range."""
    ends = {}
    for name, requirement in ranges().items():
        (ends[name],) = (each.version for each in requirement.specifier if each.operator in (">=", "=="))
    return ends


def locked() -> dict[str, str]:
    """What the lock file pins for this machine."""
    machine: dict[str, str] = dict(default_environment())  # type: ignore[arg-type]
    lines = (line.removesuffix("\\") for line in LOCK.read_text().splitlines() if re.match(r"[\w.-]+==", line))
    found = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name): next(iter(each.specifier)).version
        for each in found
        if each.marker is None or each.marker.evaluate(machine)
    }


@contextlib.contextmanager
def empty_environment() -> Iterator[Path]:
    """The Python of an environment that holds nothing yet. Raises: CannotInstall."""
    with tempfile.TemporaryDirectory(prefix="reznet-versions-") as folder:
        uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, folder)
        yield Path(folder) / ("bin/python" if os.name == "posix" else "Scripts/python.exe")


@contextlib.contextmanager
def environment(pins: Mapping[str, str]) -> Iterator[Path]:
    """The Python of an environment with these versions and all that the tests need; no version is the newest.

    Raises: CannotInstall.
    """
    free = {*pins, *_needed_by(pins)}
    with empty_environment() as python:
        others = python.parents[1] / "others.txt"
        others.write_text("".join(f"{name}=={version}\n" for name, version in locked().items() if name not in free))
        wanted = [f"{name}=={version}" if version else name for name, version in pins.items()]
        install = ["pip", "install", "--quiet", "--python", str(python)]
        everything = ["-r", "pyproject.toml", "--extra", "test", "--group", "build"]
        uv(*install, *everything, "--constraints", str(others), *wanted)
        uv(*install, "--no-deps", "--no-build-isolation", "-e", ".")
        yield python


def installed(python: Path) -> dict[str, str]:
    """The versions in an environment, by package."""
    found = json.loads(uv("pip", "list", "--quiet", "--format", "json", "--python", str(python)))
    return {canonicalize_name(each["name"]): each["version"] for each in found}


def resolve(requirements: Iterable[str]) -> dict[str, str]:
    """What would be installed for these together. Raises: CannotInstall where nothing could be."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.in"
        wanted.write_text("\n".join(requirements))
        said = uv("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.12", str(wanted))
    found = [Requirement(line) for line in said.splitlines() if not line.startswith("#")]
    return {each.name: next((spec.version for spec in each.specifier), "here") for each in found}


def run_tests(python: Path, selection: Sequence[str], workers: int = 2) -> Outcome:
    """Run a part of the tests in an environment, all to the end."""
    options = ["-q", "-n", str(workers), "--dist", "loadfile", "-p", "no:cacheprovider", "--timeout", "120", "-rfE"]
    options += ["-m", "not browser and not node and not redis"]
    # Older libraries warn of one another; and pytest's own tracebacks can fail below deep recursion (Python 3.11).
    options += ["-W", "default", "--tb", "native", "-p", "no:unraisableexception"]
    done = subprocess.run(
        [str(python), "-m", "pytest", *options, *selection], cwd=ROOT, capture_output=True, text=True, check=False
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    failed = tuple(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE))
    if done.returncode and not failed:
        failed = (f"pytest ended with {done.returncode}",)
    return Outcome(int(passed[1]) if passed else 0, failed, done.stdout + done.stderr)


def _needed_by(names: Iterable[str]) -> set[str]:
    """Whatever these packages need here, however far down: an older one may need older ones."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        for line in metadata.requires(todo.pop()) or ():
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            if name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                found.add(name)
                todo.append(name)
    return found


def uv(*arguments: str) -> str:
    """What uv prints, the one that the lock file pins. Raises: CannotInstall with what it complains of."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotInstall(done.stderr.strip())
    return done.stdout
