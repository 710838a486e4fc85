"""Every private name of another library that we touch: what for, and whether it is there.

In: the libraries that are installed. Out: what is missing; that part is then left to stock.
Never: patches anything.
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Iterator
from importlib import metadata
from typing import Any

logger = logging.getLogger("reznet_ws")

# Library -> module -> names of classes' attributes, each with what it is for.
_ON_CLASSES: dict[str, dict[str, dict[str, str]]] = {
    "python-socketio": {
        "socketio.async_server": {
            "AsyncServer._send_packet": "acknowledgements and CONNECT go behind what waits",
            "AsyncServer._send_eio_packet": "an application's own is honoured",
            "AsyncServer._handle_event": "events are checked, and those that are never compressed known",
            "AsyncServer._handle_ack": "acknowledgements are checked",
            "AsyncServer._handle_connect": "joins are counted, and what a client says that it holds is taken out",
            "AsyncServer._handle_eio_connect": "registered with Engine.IO",
            "AsyncServer._handle_eio_message": "attachments are bounded, bad packets close their connection",
            "AsyncServer._handle_eio_disconnect": "a connection is forgotten",
            "AsyncServer._engineio_server_class": "`reznet_ws.AsyncServer` makes ours",
        },
        "socketio.async_manager": {
            "AsyncManager.emit": "every event of this process ends here, also below a PubSubManager",
            "AsyncManager.get_participants": "who is in a room",
            "AsyncManager.sid_from_eio_sid": "who is asked for an answer",
            "AsyncManager._generate_ack_id": "the number of that answer",
        },
        "socketio.async_pubsub_manager": {
            "AsyncPubSubManager._publish": "what an emission is told travels to other processes",
            "AsyncPubSubManager._handle_emit": "and is heeded there",
            "AsyncPubSubManager._handle_leave_room": "a client that is away is taken out of a room",
            "AsyncPubSubManager._handle_disconnect": "or sent away",
        },
        "socketio.packet": {"Packet.encode": "whether packets are python-socketio's own"},
    },
    "python-engineio": {
        "engineio.async_server": {
            "AsyncServer.handle_request": "every request enters here",
            "AsyncServer._handle_connect": "connections are counted",
            "AsyncServer._trigger_event": "a session begins",
            "AsyncServer.send_packet": "an application's own is honoured",
            "AsyncServer.create_queue": "an application's own is honoured",
            "AsyncServer.disconnect": "connections are closed at once",
        },
        "engineio.async_socket": {
            "AsyncSocket.send": "messages go to their line",
            "AsyncSocket.poll": "what is queued is bounded",
            "AsyncSocket.close": "sessions end",
            "AsyncSocket.check_ping_timeout": "asked before sending, as engineio does",
        },
        "engineio.packet": {"Packet.encode": "text and base64 of one packet are kept apart"},
    },
    # Asked for only where `recovery=` is given. An id is made in `pre_connect`, which came with 5.18, or in `connect`.
    "python-socketio, for recovery": {
        "socketio.async_server": {
            "AsyncServer._handle_connect": "a client that comes back is known before its handler runs",
            "AsyncServer._handle_disconnect": "who says goodbye does not come back",
        },
        "socketio.async_manager": {
            "AsyncManager.basic_enter_room": "and its rooms",
            "AsyncManager.is_connected": "whether it was let in",
        },
        "socketio.async_pubsub_manager": {"AsyncPubSubManager._thread": "a stream is read beside the channel"},
        "socketio.async_redis_manager": {"AsyncRedisManager._redis_connect": "the stream is where the URL says"},
    },
    "uvicorn": {
        "uvicorn.protocols.websockets.websockets_sansio_impl": {
            f"WebSocketsSansIOProtocol.{name}": purpose
            for name, purpose in {
                "handle_cont": "empty fragments are forgotten",
                "handle_ping": "a client that takes no answers gets none",
                "handle_close": "nothing is written after a goodbye",
                "handle_parser_exception": "nor after an error",
                "shutdown": "nor when the server stops",
                "connection_lost": "histories are left",
                "send": "a goodbye goes behind what is queued",
                "run_asgi": "the coroutine in which the connection is found",
            }.items()
        },
    },
    "websockets": {
        "websockets.server": {
            "ServerProtocol.process_extensions": "permessage-deflate is negotiated by the settings",
            "ServerProtocol.accept": "a request is answered anew where another protocol had it",
        },
        "websockets.protocol": {"Protocol.send_close": "goodbyes", "Protocol.data_to_send": "what it has to say"},
        "websockets.extensions.permessage_deflate": {
            "PerMessageDeflate.decode": "receiving stays websockets' own",
            "ServerPerMessageDeflateFactory.process_request_params": "what is granted",
        },
    },
}
# What a connection of uvicorn's must have, beside what its class has.
CONNECTION_NAMES = (
    *("config", "conn", "request", "response", "scope", "transport", "queue", "writable", "loop"),
    *("handshake_complete", "close_sent", "connections", "tasks"),
)
# What a connection must have on which uvicorn may wait for a request; where it lacks that, it may wait as it likes.
# Beside these, uvicorn's protocols for HTTP have `config` and `loop`, and are told of the server's end by `shutdown`.
HTTP_NAMES = ("cycle", "timeout_keep_alive_task", "transport")
# What websockets' protocol must have; one of the last two is the bound on a message, without which nothing is taken
# over: since websockets 16 the first, before it the second.
PROTOCOL_NAMES = ("available_extensions", "extensions", "state")
SIZE_NAMES = ("max_message_size", "max_size")


def names() -> Iterator[tuple[str, str, str]]:
    """Every private name: library, name, what for."""
    for library, modules in _ON_CLASSES.items():
        for module, found in modules.items():
            for name, purpose in found.items():
                yield library, f"{module}.{name}", purpose
    for name in CONNECTION_NAMES:
        yield "uvicorn", f"WebSocketsSansIOProtocol().{name}", "taking a connection over"
    for name in (*PROTOCOL_NAMES, *SIZE_NAMES):
        yield "websockets", f"ServerProtocol().{name}", "taking a connection over"


def missing(library: str) -> list[str]:
    """The names of a library's classes that are not there, each with what it is for."""
    lacking = []
    for module, found in _ON_CLASSES[library].items():
        for name, purpose in found.items():
            at: Any
            try:
                at = importlib.import_module(module)
                for part in name.split("."):
                    at = getattr(at, part)
            except (ImportError, AttributeError):
                lacking.append(f"{module}.{name} ({purpose})")
    return lacking


@functools.cache
def fits(library: str) -> bool:
    """Whether all is there; says once what is lost where it is not."""
    lacking = missing(library)
    if library == "websockets" and not lacking and size_name() is None:
        lacking = ["a bound on the size of a message"]
    if lacking:
        logger.warning(
            "%s lacks %s: WebSocket connections are left as they are, uncompressed by us and uncounted",
            _name(library),
            ", ".join(lacking),
        )
    return not lacking


def _name(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return f"{library}, which is not installed,"


@functools.cache
def size_name() -> str | None:
    """How websockets' protocol calls the bound on a message; None where it has none that is known."""
    from websockets.server import ServerProtocol

    protocol = ServerProtocol(max_size=1)
    return next((name for name in SIZE_NAMES if hasattr(protocol, name)), None)


def can_take_over(connection: Any) -> bool:
    """Whether a connection of uvicorn's has all that we touch."""
    return all(hasattr(connection, name) for name in CONNECTION_NAMES) and all(
        hasattr(connection.conn, name) for name in PROTOCOL_NAMES
    )
