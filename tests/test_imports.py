"""The pure modules can be had without sockets, and a file imports only from those before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reznet_ws

ROOT = Path(reznet_ws.__file__).parent
PURE = [
    "settings",
    "ledger",
    "message.fields",
    "message.json_text",
    "message.payload",
    "message.packet",
    "message.batch",
    "message.formats",
    "message.message_pack",
    "message.schemas",
    "message.snapshots",
    "stats",
    "recovery.policy",
    "recovery.visits",
    "demo.vocabulary",
    "demo.cast",
    "demo.cursors",
    "demo.scenes",
    "demo.topologies",
    "demo.workload",
]
# Floors of the house, lowest first; those in one string are not yet apart.
FLOORS = [
    "settings ledger",
    "message recovery stats",
    "deflate",
    "outgoing",
    "adapters wire api emitter metrics webtransport",
    "client",
    "demo",
    "replay",
    "draw",
    "lab",
    "audit",
    "__main__ pytest_plugin",
]
FLOOR = {name: index for index, names in enumerate(FLOORS) for name in names.split()}
KEPT_OUT = ["socketio", "engineio", "asyncio", "uvicorn", "websockets", "fastapi", "aiohttp", "socket", "ssl"]


def _files() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if "node_modules" not in path.parts]


def _module(path: Path) -> str:
    """The module or folder at the top of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    """What a file imports from this package, by the module at its top; also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *rest = name.split(".")
            if package == "reznet_ws":
                yield reznet_ws._HOMES.get(rest[0], rest[0]).partition(".")[0] if rest else "reznet_ws"


def _run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("module", ["", *(f".{name}" for name in PURE)])
def test_a_pure_module_pulls_in_no_sockets(module: str) -> None:
    found = _run(f"import sys, reznet_ws{module}; print(*(name for name in {KEPT_OUT} if name in sys.modules))")
    assert found == []


def test_an_impure_module_would_be_noticed() -> None:
    found = _run(
        f"import sys, reznet_ws.adapters.socketio; print(*(name for name in {KEPT_OUT} if name in sys.modules))"
    )
    assert {"socketio", "engineio", "asyncio"} <= set(found)


@pytest.mark.parametrize("name", reznet_ws.__all__)
def test_every_name_of_the_package_is_there_when_asked_for(name: str) -> None:
    assert getattr(reznet_ws, name).__name__ == name if name != "FIELD_MAP" else reznet_ws.FIELD_MAP


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'reznet_ws' has no attribute 'nothing'"):
        reznet_ws.nothing  # noqa: B018


def test_the_names_that_are_offered_are_the_names_that_are_found() -> None:
    assert sorted(reznet_ws.__all__) == sorted(reznet_ws._HOMES)


def test_every_file_has_its_floor() -> None:
    assert {_module(path) for path in _files()} - {"__init__"} == set(FLOOR)


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_only_from_its_floor_and_below(path: Path) -> None:
    module = _module(path)
    if module == "__init__":
        return  # it hands out names of all, when asked
    for name in _imports(path):
        assert name in FLOOR, f"{name} is imported whole"
        assert FLOOR[name] <= FLOOR[module]


# Beside the lab and not on it: what measures, and what reads captures, is had without a dashboard.
@pytest.mark.parametrize("folder", [ROOT / "audit", ROOT.parent / "benchmarks"], ids=lambda path: path.name)
def test_nothing_beside_the_lab_imports_from_it(folder: Path) -> None:
    files = [path for path in sorted(folder.rglob("*.py")) if "node_modules" not in path.parts]
    assert files
    assert [path for path in files if "lab" in _imports(path)] == []


DRAWING = ["plotly", "ipywidgets", "IPython"]


def test_a_replay_draws_nothing() -> None:
    modules = ", ".join(f"reznet_ws.replay.{path.stem}" for path in sorted((ROOT / "replay").glob("*.py")))
    assert _run(f"import sys, {modules}; print(*(name for name in {DRAWING} if name in sys.modules))") == []


def test_a_drawing_replay_would_be_noticed() -> None:
    drawing = "reznet_ws.draw.course_charts, reznet_ws.draw.progress_bar"
    found = _run(f"import sys, {drawing}; print(*(name for name in {DRAWING} if name in sys.modules))")
    assert set(found) == set(DRAWING)
