"""A notebook that launches somebody's own application, for `reznet-ws new-notebook`.

In: where the application is, and an event that users send. Out: the text of a notebook that has not run.
Never: overwrites a file. Never: starts the application.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reznet_ws.lab.site import import_named, own_site

# Measured, so that nbval compares none of it; shown to a person, so that nbval does not run it.
_MEASURED, _BY_HAND = "nbval-ignore-output", "nbval-skip"


def write_notebook(path: Path, app: str, event: str | None, data: Sequence[Any]) -> str:
    """Write it; the event that its users send. Without one, the first that the application listens to.

    Raises: FileExistsError, ValueError for an application without a Socket.IO server, and what its import raises.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    heard = _events(app)
    event = event or next(iter(heard), "message")
    listens = ", ".join(heard.values()) or "no event by its name"
    text = json.dumps(_notebook(app, event, data, listens, _import_path(app, path)), indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
    return event


def _events(app: str) -> dict[str, str]:
    """What an application listens to in the default namespace, each as code: its name and what its handler takes."""
    handlers = own_site(import_named(app), None, None).sio.handlers.get("/", {})
    return {
        name: f"`{name}({', '.join(list(inspect.signature(handler).parameters)[1:])})`"  # without the session id
        for name, handler in handlers.items()
        if name not in ("connect", "disconnect", "*")
    }


def _import_path(app: str, path: Path) -> str | None:
    """The folder that has to be on the path so that the notebook's kernel finds the application; None if it is."""
    spec = importlib.util.find_spec(app.partition(":")[0].partition(".")[0])
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    home = home.parent if spec.submodule_search_locations else home
    folder = path.resolve().parent
    if home == folder or "site-packages" in home.parts:
        return None
    return Path(os.path.relpath(home, folder)).as_posix()


def _notebook(app: str, event: str, data: Sequence[Any], listens: str, import_path: str | None) -> dict[str, Any]:
    imports = "from reznet_ws.draw.course_charts import counted, draw_bars, show_table\nfrom reznet_ws.lab import Lab"
    if import_path is not None:
        imports = f"import sys\n\n{imports}\n\nsys.path.insert(0, {import_path!r})"
    said = "".join(f", {value!r}" for value in data)
    cells = [
        _prose(
            f"# What does `{app}` send, and does all of it arrive?\n\n"
            "This notebook starts the application, lets users work with it, switches the layers and asserts what you "
            "claim. It takes about ten seconds. Change what you like, and run it all."
        ),
        _code(imports.replace("import Lab", "import Lab, Scenario")),
        _prose(
            f"## What users do\n\nThe application listens to: {listens}. `join` is awaited once after each connection, "
            "`act` again and again. Both are plain async Python: `user.emit(event, …)` says something, "
            "`await user.call(event, …)` asks and gives the answer, `await user.wait_for(event)` waits for an event. "
            "Change them until they do what your users do."
        ),
        _code(
            "async def join(user):\n"
            '    pass  # such as: await user.call("enter", user.rooms[0])\n\n\n'
            "async def act(user):\n"
            f"    await user.emit({event!r}{said})\n\n\n"
            "scenario = Scenario(join=join, act=act, every_s=0.2)"
        ),
        _prose("## Watch\n\nTen users in another process, for two seconds. Bytes are counted at the server's sockets."),
        _code(
            f"lab = Lab(app={app!r}, users=10, scenario=scenario).start()\n"
            "measured = lab.observe(2)\n"
            'show_table(["event", "deliveries", "bytes", "with no layer"], measured.by_event)',
            _MEASURED,
        ),
        _prose("To play with every switch while it runs:"),
        _code("lab.dashboard()", _BY_HAND),
        _prose("## Compare\n\nEach variant in turn, with users that connect anew."),
        _code(
            'compared = lab.compare({"stock": "stock", "ours": {}}, rounds=2, seconds=1)\ncompared',
            _MEASURED,
        ),
        _code(
            "draw_bars(\n"
            '    "Bytes a delivery",\n'
            '    counted(len(compared.runs), "interleaved runs", where="the server\'s sockets", seed=None),\n'
            "    {name: compared.spread(name).median for name in compared.names},\n"
            '    unit="bytes",\n'
            ")",
            _MEASURED,
        ),
        _prose("## What must hold\n\nEach of these raises an error that says what was measured."),
        _code(
            "lab.observe(2)\n"
            "lab.assert_lossless()\n"
            "lab.assert_fewer_bytes(10)\n"
            "lab.assert_latency(p95_ms=500)\n"
            "lab.stop()"
        ),
    ]
    return {
        "cells": [{"id": f"cell-{number:02}", **cell} for number, cell in enumerate(cells, start=1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str, tag: str | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": [tag]} if tag else {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
