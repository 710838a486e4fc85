"""The site's parts that take no minutes: what goes to the browser, and that it can be read there."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from repo_files import ROOT

from website.distribution import write_distribution
from website.pages import BROWSER_NOTEBOOKS, write_config, write_sources
from website.sockets import without_sockets

# What serves, measures or starts something: not there in a browser.
NOT_THERE = ["choreographer", "cloudpickle", "fastapi", "hdrh", "kaleido", "psutil", "uvicorn", "uvloop"]


def code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": 1, "source": [source]}


def test_cells_that_use_a_lab_or_what_came_of_it_are_told_and_the_others_run() -> None:
    sources = [
        "from reznet_ws.lab import Lab\nfrom math import pi",
        "lab = Lab.quiet()",
        "figures = [pi]",
        "received = lab.play(figures)",
        "print(received)",
        "received = figures",
        "print(received)",
    ]
    notebook = {"cells": [code(source) for source in sources], "nbformat": 4}
    kept = without_sockets(notebook, "page.html")
    assert [cell["cell_type"] for cell in kept["cells"]] == [
        "code",
        "markdown",
        "code",
        "markdown",
        "markdown",
        *["code"] * 2,
    ]
    assert "```python\nlab = Lab.quiet()\n```" in kept["cells"][1]["source"]
    assert "](page.html)" in kept["cells"][1]["source"]
    assert [cell["cell_type"] for cell in notebook["cells"]] == ["code"] * len(sources)


def wheel(folder: Path, name: str, module: str, needs: str = "") -> Path:
    path = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}/__init__.py", "")
        archive.writestr(
            f"{module}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
        )
    return path


def test_the_lock_names_what_lies_beside_it_and_what_each_needs_in_a_browser(tmp_path: Path) -> None:
    core = tmp_path / "pyodide"
    core.mkdir()
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"):
        (core / name).write_text("")
    info = {"python": "3.14.2", "abi_version": "2026_0"}
    (core / "pyodide-lock.json").write_text(json.dumps({"info": info, "packages": {"numpy": {}}}))
    needs = (
        "Requires-Dist: Plot.Ly>=7\nRequires-Dist: psutil; sys_platform != 'emscripten'\n"
        "Requires-Dist: absent\nRequires-Dist: plotly; extra == 'x'\n"
    )
    wheels = [wheel(tmp_path, "reznet-ws", "reznet_ws", needs), wheel(tmp_path, "Plot.Ly", "plot_ly")]
    write_distribution(core, wheels, tmp_path / "out")
    lock = json.loads((tmp_path / "out" / "pyodide-lock.json").read_text())
    assert lock["info"] == info
    assert lock["packages"]["reznet-ws"]["depends"] == ["plot-ly"]
    assert lock["packages"]["reznet-ws"]["imports"] == ["reznet_ws"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {entry["file_name"] for entry in lock["packages"].values()} <= names


def test_the_pages_lead_to_what_there_is(tmp_path: Path) -> None:
    source, contents, lite = tmp_path / "source", tmp_path / "contents", tmp_path / "lite"
    write_sources(ROOT, source, contents)
    lite.mkdir()
    write_config(lite, ["reznet-ws"])
    config = json.loads((lite / "jupyter-lite.json").read_text())["jupyter-config-data"]["litePluginSettings"]
    assert config["@jupyterlite/pyodide-kernel-extension:kernel"]["disablePyPIFallback"]
    index = (source / "index.md").read_text()
    for name in BROWSER_NOTEBOOKS:
        assert f"?path=notebooks/{name}.ipynb" in index
        assert (contents / "notebooks" / f"{name}.ipynb").exists()
    assert ".. autofunction:: reznet_ws.attach" in (source / "api.md").read_text()
    assert ".. autoclass:: reznet_ws.lab.Lab" in (source / "api.md").read_text()


@pytest.mark.parametrize("name", BROWSER_NOTEBOOKS)
def test_a_notebook_for_the_browser_is_read_without_what_is_not_there(name: str) -> None:
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    imports = "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])
    looks = f"{imports}\nimport sys\nprint(*(name for name in {NOT_THERE} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
