"""The site's sources: what is in the repo, laid out for Sphinx, and the notebooks that go to the browser.

In: the repo. Out: folders of Markdown and notebooks, and JupyterLite's settings.
Never: changes a page's text, or a cell that runs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from website.sockets import without_sockets

# Nearly all of their cells open no socket; `./run site --check` holds each to what was saved.
BROWSER_NOTEBOOKS = (
    "03-one-message",
    "04-abbreviation",
    "06-large-payloads",
    "07-batching",
    "09-topologies",
    "10-all-together",
    "12-deltas",
)

_INDEX = """# reznet_ws

Socket.IO servers in Python send far more bytes than they need. One line cuts them, losslessly, and a live lab shows
what each cut is worth.

{pages}

## Notebooks that run here

They run in your browser: nothing to install, and nothing leaves it. The first cell takes some ten seconds, in which
Python is loaded.

{here}

```{{toctree}}
:hidden:
:caption: Documentation

{documents}
api
```

```{{toctree}}
:hidden:
:caption: Notebooks, as saved
:glob:

notebooks/*
```
"""


def write_sources(root: Path, source: Path, contents: Path) -> None:
    """The pages for Sphinx, and the notebooks that JupyterLite offers."""
    source.mkdir(parents=True)
    shutil.copy(root / "website" / "conf.py", source)
    shutil.copytree(root / "docs", source / "docs")
    shutil.copytree(root / "notebooks", source / "notebooks", ignore=shutil.ignore_patterns(".*", "captures"))
    titles = {path: _title(path) for path in sorted((source / "docs").glob("*.md"))}
    (contents / "notebooks").mkdir(parents=True)
    here = []
    for name in BROWSER_NOTEBOOKS:
        notebook = root / "notebooks" / f"{name}.ipynb"
        kept = without_sockets(json.loads(notebook.read_text(encoding="utf-8")), f"../../../notebooks/{name}.html")
        (contents / "notebooks" / notebook.name).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
        address = f"lite/lab/index.html?path=notebooks/{name}.ipynb"
        here.append(f'- <a href="{address}">{name}</a>: {_question(notebook)}')
    index = _INDEX.format(
        pages="\n".join(f"- [{title}](docs/{path.name})" for path, title in titles.items()),
        here="\n".join(here),
        documents="\n".join(f"docs/{path.stem}" for path in titles),
    )
    (source / "index.md").write_text(index, encoding="utf-8")
    (source / "api.md").write_text(_api(root), encoding="utf-8")


def write_config(lite: Path, preloaded: Iterable[str]) -> None:
    """JupyterLite's settings: Python from beside it, and no other place to look for packages."""
    kernel = {
        "pyodideUrl": "./static/pyodide/pyodide.mjs",
        "loadPyodideOptions": {"packages": list(preloaded)},
        "disablePyPIFallback": True,
    }
    config = {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "exposeAppInBrowser": True,
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }
    (lite / "jupyter-lite.json").write_text(json.dumps(config, indent=1))


def _api(root: Path) -> str:
    """A page with every public name, as the package's `__all__` has them."""
    parts = ["# Names", ""]
    for module in ("reznet_ws", "reznet_ws.lab"):
        text = (root / Path(*module.split(".")) / "__init__.py").read_text()
        listed = re.search(r"^__all__ = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
        assert listed is not None, module
        parts += [f"## {module}", ""]
        for name in sorted(name for name in re.findall(r'"(\w+)"', listed[1]) if not name.isupper()):
            kind = "autofunction" if name.islower() else "autoclass"
            members = "\n   :members:" if kind == "autoclass" else ""
            parts += ["```{eval-rst}", f".. {kind}:: {module}.{name}{members}", "```", ""]
    return "\n".join(parts)


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _question(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).partition("\n")[0].removeprefix("# ")
