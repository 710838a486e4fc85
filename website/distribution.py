"""Python for the browser, in one folder that needs nothing else: Pyodide's core, and wheels of pure Python.

In: Pyodide's npm package, wheels. Out: the folder, with a lock of exactly what is in it.
Never: names an address: whatever the lock names lies beside it.

The npm package's own lock names hundreds of packages that are not in it; here it gives only the version of the ABI.
"""

from __future__ import annotations

import email
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
_LOCK = "pyodide-lock.json"
# What the notebooks draw with, which the package itself asks for in an extra.
_OURS = "reznet-ws"
_DRAWS_WITH = ["anywidget", "ipywidgets", "plotly", "websockets"]
# Loaded with the kernel, so that nothing is looked for elsewhere.
PRELOADED = ["comm", "ipykernel", "ipython", "micropip", "packaging", "piplite", "pyodide-kernel", _OURS]


def write_distribution(pyodide: Path, wheels: Iterable[Path], folder: Path) -> None:
    """Fill a folder. Raises: FileNotFoundError where the npm package is not complete."""
    folder.mkdir(parents=True)
    for name in _CORE:
        shutil.copy(pyodide / name, folder)
    packages: dict[str, dict[str, Any]] = {}
    asked: dict[str, list[str]] = {}
    info = json.loads((pyodide / _LOCK).read_text())["info"]
    for wheel in wheels:
        shutil.copy(wheel, folder)
        name, entry, requirements = _describe(wheel)
        packages[name], asked[name] = entry, requirements
    for name, entry in packages.items():
        needs = {_name for line in asked[name] if (_name := _needed(line, info["python"])) is not None}
        needs |= set(_DRAWS_WITH) if name == _OURS else set()
        entry["depends"] = sorted(needs & packages.keys())
    (folder / _LOCK).write_text(json.dumps({"info": info, "packages": packages}, indent=1))


def _describe(wheel: Path) -> tuple[str, dict[str, Any], list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(
            archive.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        )
    modules = {name.partition("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
    entry = {
        "name": metadata["Name"],
        "version": metadata["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(name for name in modules if name.isidentifier()),
        "unvendored_tests": False,
    }
    return canonicalize_name(metadata["Name"]), entry, metadata.get_all("Requires-Dist", [])


def _needed(line: str, python: str) -> str | None:
    requirement = Requirement(line)
    machine = {
        "sys_platform": "emscripten",
        "platform_system": "Emscripten",
        "os_name": "posix",
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "extra": "",
    }
    if requirement.marker is not None and not requirement.marker.evaluate(machine):
        return None
    return canonicalize_name(requirement.name)
