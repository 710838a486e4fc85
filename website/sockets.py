"""Which cells of a notebook need a lab, and so sockets: those that use it, and those that use what came of it.

In: a notebook. Out: the same, where those cells are told and no longer run.
Never: runs anything.
"""

from __future__ import annotations

import ast
from typing import Any

_SOURCES = {"Lab"}
_SAID = "*This cell opens sockets, so here it is only shown; [the page of this notebook]({page}) has its output.*"


def without_sockets(notebook: dict[str, Any], page: str) -> dict[str, Any]:
    """The notebook for a browser. `page` is where its saved outputs are."""
    tainted = set(_SOURCES)
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            used, bound, imported = _names("".join(cell["source"]))
            if used & tainted:
                tainted |= bound
                text = f"{_SAID.format(page=page)}\n\n```python\n{''.join(cell['source'])}\n```"
                cell = {"cell_type": "markdown", "id": cell["id"], "metadata": {}, "source": text}
            else:
                tainted -= bound - imported  # a name that is given another value
        cells.append(cell)
    return {**notebook, "cells": cells}


def _names(source: str) -> tuple[set[str], set[str], set[str]]:
    """The names that a cell uses, those that it binds, and those of them that it imports."""
    used, bound, imported = set(), set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            imported |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return used, bound | imported, imported
