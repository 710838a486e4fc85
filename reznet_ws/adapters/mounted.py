"""The Socket.IO server somewhere within an ASGI application.

In: an application, wrapped and mounted however. Out: its `socketio.AsyncServer`.
Never: changes or calls anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import socketio

# By what names applications, mounts and middlewares hold what they wrap.
_INNER = ("engineio_server", "other_asgi_app", "app", "asgi_app", "application", "_app", "__wrapped__")
_MOST = 10_000


def find_server(app: Any) -> socketio.AsyncServer:
    """The one server within an application. Raises: ValueError where there is none, or several."""
    found: list[Any] = []
    waiting, seen = [app], {id(app)}
    while waiting and len(seen) < _MOST:
        thing = waiting.pop()
        if isinstance(thing, socketio.AsyncServer):
            found.append(thing)
            continue
        for inner in _within(thing):
            if inner is not None and id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)
    if len(found) != 1:
        what = "no Socket.IO server was" if not found else f"{len(found)} Socket.IO servers were"
        raise ValueError(f"{what} found within the application; say which: sio=…")
    return found[0]


def _within(thing: Any) -> Iterator[Any]:
    for name in _INNER:
        yield getattr(thing, name, None)
    routes = getattr(thing, "routes", None)
    if isinstance(routes, (list, tuple)):
        yield from routes
