"""A server that exists, and its parts, are given our classes; what an application has put in front stays in front.

In: the application's own `socketio.AsyncServer`. Out: the same server, with our road below it.
Never: replaces an attribute, or touches another server in the same process.
"""

from __future__ import annotations

from typing import Any

import engineio
import socketio
from socketio import packet as sio_packet

from reznet_ws.adapters.engineio import Engine
from reznet_ws.adapters.socketio import OptimizedManager, OptimizedServer
from reznet_ws.outgoing.broadcast import Broadcast


def adopt(
    sio: socketio.AsyncServer,
    road: Broadcast,
    server_class: type[OptimizedServer] = OptimizedServer,
    manager_class: type[OptimizedManager] = OptimizedManager,
    above: type | None = None,
) -> bool:
    """Give a server and its parts our classes; what an application has put in front stays in front.

    `above`: what a manager that reaches other processes has in front. Gives whether the application sends by a way of
    its own, which each message then takes.
    """
    manager, eio = sio.manager, sio.eio
    is_watched = _is_replaced(sio, "_send_eio_packet", socketio.AsyncServer) or any(
        _is_replaced(eio, name, engineio.AsyncServer) for name in ("send_packet", "send")
    )
    stock = {name: getattr(sio, f"_handle_eio_{name}") for name in ("connect", "message", "disconnect")}
    put_below(manager, manager_class, socketio.AsyncManager, above)
    put_below(sio, server_class, socketio.AsyncServer)
    for name, handler in stock.items():
        if eio.handlers.get(name) == handler:  # the Admin UI's own handlers call ours by their names
            eio.on(name, getattr(sio, f"_handle_eio_{name}"))
    has_own_queue = _is_replaced(eio, "create_queue", engineio.AsyncServer)
    is_watched = is_watched or has_own_queue  # which may be bounded: whoever sends then waits
    put_below(eio, Engine, engineio.AsyncServer)
    kind, refusal = sio.packet_class, None
    if kind.encode is not sio_packet.Packet.encode or not kind.uses_binary_events:
        refusal = f"the server's own packet class {kind.__name__} writes its packets"
    elif is_watched:
        refusal = "the application sends by a way of its own"
    eio.adopt(road, sio.environ, has_own_queue=has_own_queue, refusal=refusal)
    return is_watched


def write_packet(sio: socketio.AsyncServer) -> Any:
    """How a server's own packet class writes an event; None where it is python-socketio's, with Python's JSON."""
    kind = sio.packet_class
    is_plain = kind.encode is sio_packet.Packet.encode and kind.json is engineio.json and kind.uses_binary_events
    if is_plain:
        return None

    def write(event: Any, args: list[Any], namespace: str, ack_id: int | None) -> list[str | bytes]:
        encoded = kind(sio_packet.EVENT, namespace=namespace, data=[event, *args], id=ack_id).encode()
        return encoded if isinstance(encoded, list) else [encoded]

    return write


def put_below(thing: Any, ours: type, stock: type, above: type | None = None) -> None:
    """Give a thing our class, below the application's own where it has one."""
    plain = type(thing)
    if not issubclass(plain, ours):
        classes = (plain, ours) if above is None else (above, plain, ours)
        change_class(thing, ours if plain is stock else type(f"Optimized{plain.__name__}", classes, {}))


def change_class(thing: Any, kind: type) -> None:
    """Give an object another class; a method `emit` that somebody kept (the Admin UI, where it came first) follows."""
    method = getattr(type(thing), "emit", None)
    kept = [name for name, value in vars(thing).items() if method is not None and value == method.__get__(thing)]
    thing.__class__ = kind
    for name in kept:
        setattr(thing, name, thing.__class__.emit.__get__(thing))


def _is_replaced(thing: Any, name: str, stock: type) -> bool:
    return name in vars(thing) or getattr(type(thing), name) is not getattr(stock, name)
