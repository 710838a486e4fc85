"""Who takes part, by name: how each server is started, and what it is.

In: nothing. Out: a table; a new way of this project's is one line in `WAYS`.
Never: starts anything.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reznet_ws.message.formats import QUERY_KEY, ROWS_FORMAT
from reznet_ws.message.payload import FORMAT
from reznet_ws.settings import Settings

NODE_FOLDER = Path(__file__).parent
_NODE_SERVER = NODE_FOLDER / "servers" / "node.mjs"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of this project's: a preset, and what is changed in it. `format`: what its clients ask for."""

    about: str
    preset: str = "recommended"
    changes: Mapping[str, Any] = field(default_factory=dict)
    format: int = 1

    def settings(self) -> Settings:
        """What the server is given."""
        return Settings.presets()[self.preset].replace(**self.changes)


WAYS: Mapping[str, Way] = {
    "off": Way("no layer, our way out", "off"),
    "stock": Way("the preset stock: 12 bits for each connection, our way out", "stock"),
    "own": Way("15 bits for each connection", changes={"deflate_shared": False}),
    "recommended": Way("the default"),
    "at once": Way("the default with coalesce_ms=0", changes={"coalesce_ms": 0}),
    "format 2": Way("the default, clients of format 2: batches of 50 ms", format=FORMAT),
    "rows": Way("the default, clients of format 3", format=ROWS_FORMAT),
    "rows, far": Way("the same, with far references", changes={"far_references": True}, format=ROWS_FORMAT),
    "unbatched": Way("clients of format 2, batch=False", changes={"batch": False}, format=FORMAT),
    "batch 10": Way("clients of format 2, batches of 10 ms", changes={"batch_window_ms": 10}, format=FORMAT),
    "batch 20": Way("clients of format 2, batches of 20 ms", changes={"batch_window_ms": 20}, format=FORMAT),
    "batch at once": Way(
        "clients of format 2, batches of 50 ms, coalesce_ms=0", changes={"coalesce_ms": 0}, format=FORMAT
    ),
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server. `arguments` start it, the script comes behind them; `query` is what clients add to the address.

    `npm_packages`: what it needs, each with a name that the package has only where it works.
    """

    name: str
    family: str
    about: str
    arguments: tuple[str, ...]
    npm_packages: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.servers.{module}", *arguments)


def _node(name: str, about: str, packages: Mapping[str, str], *arguments: str) -> Contestant:
    return Contestant(name, "node", about, ("node", str(_NODE_SERVER), *arguments), packages)


def _floor(name: str, loop: str) -> Contestant:
    arguments = _python("raw_sockets", "--loop", loop)
    return Contestant(name, "floor", f"one prebuilt frame to raw {loop} sockets", arguments)


def _ours(name: str, way: Way) -> Contestant:
    query = "" if way.format == 1 else f"&{QUERY_KEY}={way.format}"
    return Contestant(f"reznet {name}", "reznet_ws", way.about, _python("asgi", "--way", name), query=query)


_WS = {"socket.io": "Server"}
_UWS = {**_WS, "@trufflesuite/uws-js-unofficial": "us_socket_local_port"}

CONTESTANTS: Mapping[str, Contestant] = {
    one.name: one
    for one in (
        Contestant("uvicorn", "python-socketio", "as it comes: 12 bits, level 5", _python("asgi", "--deflate", "12")),
        Contestant(
            "uvicorn 15",
            "python-socketio",
            "15 bits, zlib's own memory level, in uvicorn's sansio protocol (its factory exchanged)",
            _python("asgi", "--deflate", "15"),
        ),
        Contestant("uvicorn off", "python-socketio", "permessage-deflate off", _python("asgi", "--deflate", "off")),
        _node("node", "socket.io on ws, perMessageDeflate: true", _WS, "--engine", "ws", "--deflate"),
        _node("node off", "socket.io on ws, its default", _WS, "--engine", "ws"),
        _node("node uws", "socket.io on uWebSockets, its default", _UWS, "--engine", "uws"),
        *(_ours(name, way) for name, way in WAYS.items()),
        _floor("floor", "uvloop"),
        _floor("floor asyncio", "asyncio"),
    )
}

# What is compared, and what with.
BASELINE, CANDIDATE, FLOOR = "uvicorn", "reznet recommended", "floor"
PAIR = (BASELINE, CANDIDATE)
# In every topology; the others in one room only.
MAIN = (BASELINE, "uvicorn 15", "node", CANDIDATE)
WIDE = (*MAIN, "uvicorn off", "node off", "node uws", "reznet own", FLOOR)
_BATCHING_WAYS = ("at once", "format 2", "unbatched", "batch 10", "batch 20", "batch at once")
BATCHING = (*PAIR, *(f"reznet {way}" for way in _BATCHING_WAYS))
