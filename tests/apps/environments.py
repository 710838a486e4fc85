"""An environment for each application, with this package in it: made once, and again when one of them changes.

In: what to install. Out: a folder with a Python that has it. Never: touches the environment that the tests run in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-apps"


def make(requirement: str) -> Path:
    """The `bin` folder of an environment that holds a release and this package, as a user would install both.

    Raises: RuntimeError with the installer's last lines.
    """
    home = HOME / requirement.partition("==")[0]
    stamp = home / "reznet.stamp"
    where = home / "bin"
    python, ours = str(where / "python"), ("--editable", f"{ROOT}[serve]")
    what = f"{sys.version} {requirement} {ours} {zlib.crc32((ROOT / 'pyproject.toml').read_bytes())}"
    if stamp.is_file() and stamp.read_text() == what:
        return where
    print(f"Installing {requirement} in .venv-apps …", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    uv = shutil.which("uv") if os.environ.get("REZNET_UV", "1") != "0" else None
    _run(sys.executable, "-m", "venv", str(home))
    try:
        _run(*([uv, "pip", "install", "--python", python] if uv else _pip(python)), requirement, *ours)
    except RuntimeError:
        if uv is None:
            raise
        _run(*_pip(python), requirement, *ours)  # which may know of an index that uv does not
    stamp.write_text(what)
    return where


def _pip(python: str) -> list[str]:
    return [python, "-m", "pip", "install", "--no-input"]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{last}")
