"""JupyterLab on a free loopback port, and a notebook in it, driven by Chromium.

In: a folder to serve. Out: a page whose kernel is ready.
Never: touches the repo's notebooks (they are copied), the user's settings, or the network beyond loopback.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60
KERNEL_TIMEOUT_MS = 90_000
RUN_TIMEOUT_MS = 300_000
FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """The browser's path. Raises: FileNotFoundError saying how to get one."""
    wanted = os.environ.get("REZNET_CHROMIUM", "")
    for name in [wanted] if wanted else NAMES:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(
        f"no Chromium at {wanted!r} or on the PATH; `./run test` installs one, or set REZNET_CHROMIUM to its path"
    )


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*as_root, *FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab over a copy of the notebooks; gives its address."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port = _free_port()
    log = folder / "jupyterlab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(_command(folder, port), stdout=stream, stderr=stream, env=_environment(folder))
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/api", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


def open_notebook(page: Page, url: str, name: str, *, alone: bool = True) -> None:
    """Open a notebook and wait until its kernel is idle; `alone`, or in the whole of JupyterLab."""
    page.goto(f"{url}/{'doc' if alone else 'lab'}/tree/notebooks/{name}")
    page.wait_for_function(
        """() => {
            const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
            return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
        }""",
        timeout=KERNEL_TIMEOUT_MS,
    )


def run_all(page: Page) -> None:
    """Run every cell, as the menu's "Run All Cells" does, and wait until each has run or one has failed."""
    page.evaluate(
        """async () => {
            await window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs');
            void window.jupyterapp.commands.execute('notebook:run-all-cells');
        }"""
    )
    page.wait_for_function(
        """() => {
            const {content, sessionContext} = window.jupyterapp.shell.currentWidget;
            const cells = content.widgets.filter(cell => cell.model.type === 'code');
            const failed = cells.some(cell => cell.model.outputs.toJSON().some(item => item.output_type === 'error'));
            const ran = cells.every(cell => cell.model.executionState === 'idle' && cell.model.executionCount);
            return failed || (ran && sessionContext.session.kernel.status === 'idle');
        }""",
        timeout=RUN_TIMEOUT_MS,
    )


def cell_errors(page: Page) -> list[str]:
    """What cells raised."""
    return page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code')
            .flatMap(cell => cell.model.outputs.toJSON())
            .filter(output => output.output_type === 'error')
            .map(output => `${output.ename}: ${output.evalue}`)"""
    )


def change_theme(page: Page, theme: str) -> None:
    """ "JupyterLab Light" or "JupyterLab Dark"."""
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme, timeout=KERNEL_TIMEOUT_MS)


def _command(folder: Path, port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.disable_check_xsrf=True",
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
    ]


def _environment(folder: Path) -> dict[str, Any]:
    own = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    # The kernel finds the package of this checkout and our venv's kernel.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **own, "REZNET_QUICK": "1", "PATH": path, "PYTHONPATH": str(ROOT)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start in {START_TIMEOUT_S} s:\n{log.read_text()[-3000:]}")
