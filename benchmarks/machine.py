"""What the figures were measured on.

In: nothing. Out: a description without names or paths.
Never: identifies the machine or its user.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.contestants import NODE_FOLDER, Contestant
from benchmarks.processor import LOAD_CORE, SERVER_CORE, can_pin

_PACKAGES = ("python-socketio", "python-engineio", "uvicorn", "uvloop", "websockets")
_NODE_PACKAGES = ("socket.io", "engine.io/node_modules/ws", "@trufflesuite/uws-js-unofficial")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "is_pinned": can_pin(),
        "server_core": SERVER_CORE,
        "load_core": LOAD_CORE,
        "versions": ", ".join(_versions()),
    }


def lacks(contestant: Contestant) -> str | None:
    """What keeps a server from running here."""
    for package, name in contestant.npm_packages.items():
        # uWebSockets comes as a binary for some versions of Node and some systems.
        if _ask_node(f"process.exit(require('{package}').{name} ? 0 : 1)") is None:
            return f"{package} is not installed, or not made for this Node: see ./run bench"
    return None


def _versions() -> list[str]:
    versions = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in _PACKAGES)]
    node = _ask_node("process.stdout.write('Node ' + process.versions.node)")
    if node:
        versions.append(node)
    for name in _NODE_PACKAGES:
        package = NODE_FOLDER / "node_modules" / name / "package.json"
        if package.is_file():
            stated = json.loads(package.read_text(encoding="utf-8"))
            versions.append(f"{stated['name']} {stated['version']}")
    return versions


def _ask_node(script: str) -> str | None:
    """What a script says, None where it fails or there is no Node."""
    try:
        done = subprocess.run(
            ["node", "-e", script], cwd=NODE_FOLDER, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if about.is_file():
        for line in about.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
