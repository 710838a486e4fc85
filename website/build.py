"""The static site: pages of the documentation, the notebooks as saved, and a JupyterLite in which some of them run.

In: the repo, `website/node_modules`, the package registries where something is not here yet. Out: `build/site/html`,
which any server of files can serve and which asks no other for anything.
Never: runs a notebook here. `--check` runs them in a headless Chromium, on the site itself, and compares.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from website.check import check
from website.distribution import PRELOADED, write_distribution
from website.pages import BROWSER_NOTEBOOKS, write_config, write_sources

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-site"
BUILD = ROOT / "build" / "site"
WHEELS = ROOT / "build" / "browser-wheels"
_KERNEL = "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
# The kernel's own; its stand-in for `widgetsnbextension` keeps a package of the classic notebook out.
_KERNEL_WHEELS = ("piplite", "pyodide_kernel", "ipykernel-6", "widgetsnbextension-4")


def main() -> int:
    """Build, and with `--check` hold the notebooks to what was saved; the status is 1 where they differ."""
    parser = argparse.ArgumentParser(prog="./run site", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check",
        nargs="*",
        metavar="NAME",
        help="run these notebooks in Chromium, by parts of their names, or all that run there, and compare",
    )
    args = parser.parse_args()
    install()
    build()
    print(f"built {BUILD / 'html'}; see it with: python -m http.server -d build/site/html")
    if args.check is None:
        return 0
    chosen = [name for name in BROWSER_NOTEBOOKS if not args.check or any(part in name for part in args.check)]
    return 0 if check(BUILD / "html", BUILD / "contents" / "notebooks", chosen) else 1


def install() -> None:
    """The environment that builds, and the wheels that go to the browser, each again only where its lock changed."""
    uv = shutil.which("uv") or "uv"
    lock = ROOT / "requirements" / "site.txt"
    if not _is_current(ENVIRONMENT, lock):
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT))
        python = str(ENVIRONMENT / "bin" / "python")
        _run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--require-hashes", "-r", str(lock))
        _stamp(ENVIRONMENT, lock)
    lock = ROOT / "requirements" / "browser.txt"
    if not _is_current(WHEELS, lock):
        shutil.rmtree(WHEELS, ignore_errors=True)
        # Wheels of pure Python, whatever this machine is.
        pure = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.14")
        options = ("-qq", "--no-deps", "--require-hashes", *pure, "-d", str(WHEELS), "-r", str(lock))
        _run(sys.executable, "-m", "pip", "download", *options)
        _stamp(WHEELS, lock)


def build() -> None:
    """Lay out the sources, and let Sphinx and JupyterLite make the pages."""
    shutil.rmtree(BUILD, ignore_errors=True)
    own, lite, source, contents = (BUILD / name for name in ("wheel", "lite", "source", "contents"))
    _run("uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", str(own), ".")
    kernel = [path for name in _KERNEL_WHEELS for path in (ENVIRONMENT / _KERNEL).glob(f"{name}*.whl")]
    wheels = [*sorted(WHEELS.glob("*.whl")), *kernel, *own.glob("*.whl")]
    write_distribution(ROOT / "website" / "node_modules" / "pyodide", wheels, lite / "static" / "pyodide")
    write_config(lite, PRELOADED)
    write_sources(ROOT, source, contents)
    environment = {
        **os.environ,
        "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "REZNET_LITE": str(lite),
        "REZNET_LITE_CONTENTS": str(contents),
    }
    sphinx = str(ENVIRONMENT / "bin" / "sphinx-build")
    _run(sphinx, "-q", "-b", "html", "-d", str(BUILD / "doctrees"), str(source), str(BUILD / "html"), env=environment)


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env=env)


def _print_of(lock: Path) -> str:
    return hashlib.sha256(f"{ROOT}\n{lock.read_text()}".encode()).hexdigest()  # an environment's scripts hold its path


def _is_current(folder: Path, lock: Path) -> bool:
    stamp = folder / "reznet.stamp"
    return stamp.exists() and stamp.read_text() == _print_of(lock)


def _stamp(folder: Path, lock: Path) -> None:
    (folder / "reznet.stamp").write_text(_print_of(lock))


if __name__ == "__main__":
    sys.exit(main())
