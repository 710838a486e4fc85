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

from benchmarks.contestants import NODE_FOLDER
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


def has_node() -> bool:
    """Whether Node runs and its packages are installed."""
    return bool(_node_version()) and (NODE_FOLDER / "node_modules" / "socket.io").is_dir()


def _versions() -> list[str]:
    versions = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in _PACKAGES)]
    if has_node():
        versions.append(f"Node {_node_version()}")
        for name in _NODE_PACKAGES:
            package = NODE_FOLDER / "node_modules" / name / "package.json"
            if package.is_file():
                stated = json.loads(package.read_text(encoding="utf-8"))
                versions.append(f"{stated['name']} {stated['version']}")
    return versions


def _node_version() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().removeprefix("v")


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if about.is_file():
        for line in about.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
