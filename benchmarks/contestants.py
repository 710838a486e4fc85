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

from reznet_ws.settings import Settings

NODE_FOLDER = Path(__file__).parent
_NODE_SERVER = NODE_FOLDER / "servers" / "node.mjs"

# This project's ways: name -> preset, and what is changed in it.
WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "off": ("off", {}),
    "stock": ("stock", {}),
    "own": ("recommended", {"deflate_shared": False}),
    "shared": ("off", {"deflate": True, "deflate_shared": True}),
    "uncoalesced": ("recommended", {"coalesce_ms": 0}),
    "recommended": ("recommended", {}),
}


def way_settings(name: str) -> Settings:
    """The settings of one of this project's ways."""
    preset, changes = WAYS[name]
    return Settings.presets()[preset].replace(**changes)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server. `arguments` start it; the messages file comes behind them.

    `npm_packages`: what it needs, each with a name that the package has only where it works.
    """

    name: str
    family: str
    about: str
    arguments: tuple[str, ...]
    npm_packages: Mapping[str, str] = field(default_factory=dict)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.servers.{module}", *arguments)


def _node(name: str, about: str, packages: Mapping[str, str], *arguments: str) -> Contestant:
    return Contestant(name, "node", about, ("node", str(_NODE_SERVER), *arguments), packages)


_WS = {"socket.io": "Server"}
_UWS = {**_WS, "@trufflesuite/uws-js-unofficial": "us_socket_local_port"}


_ABOUT_WAYS = {
    "off": "no layer, our way out",
    "stock": "the preset stock: 12 bits for each connection, our way out",
    "own": "15 bits for each connection",
    "shared": "one 15-bit window for all, and nothing else",
    "uncoalesced": "the default with coalesce_ms=0",
    "recommended": "the default",
}

CONTESTANTS: Mapping[str, Contestant] = {
    one.name: one
    for one in (
        Contestant("uvicorn-off", "python-socketio", "permessage-deflate off", _python("asgi", "--deflate", "off")),
        Contestant("uvicorn", "python-socketio", "as it comes: 12 bits, level 5", _python("asgi", "--deflate", "12")),
        Contestant(
            "uvicorn-15",
            "python-socketio",
            "15 bits, zlib's own memory level, in uvicorn's sansio protocol (its factory exchanged)",
            _python("asgi", "--deflate", "15"),
        ),
        _node("node-off", "socket.io on ws, its default", _WS, "--engine", "ws"),
        _node("node", "socket.io on ws, perMessageDeflate: true", _WS, "--engine", "ws", "--deflate"),
        _node("node-uws", "socket.io on uWebSockets, its default", _UWS, "--engine", "uws"),
        *(
            Contestant(f"reznet-{way}", "reznet_ws", _ABOUT_WAYS.get(way, way), _python("asgi", "--way", way))
            for way in WAYS
        ),
        Contestant(
            "floor", "floor", "one prebuilt frame to raw uvloop sockets", _python("raw_sockets", "--loop", "uvloop")
        ),
        Contestant(
            "floor-asyncio",
            "floor",
            "one prebuilt frame to raw asyncio sockets",
            _python("raw_sockets", "--loop", "asyncio"),
        ),
    )
}

# What the issue's targets compare.
BASELINE, CANDIDATE, FLOOR = "uvicorn", "reznet-recommended", "floor"
