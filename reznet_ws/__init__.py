"""Cut the bytes a Socket.IO server sends, losslessly, and measure each cut at the socket."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reznet_ws.adapters.manager import AsyncServer, ConnectionManager, attach
    from reznet_ws.message.batch import MessageBatcher
    from reznet_ws.message.fields import FIELD_MAP, DecodeError, PayloadError
    from reznet_ws.message.payload import PayloadOptimizer, decode_payload
    from reznet_ws.message.schemas import SchemaError
    from reznet_ws.recovery.policy import Recovery
    from reznet_ws.settings import Settings, SettingsError

__all__ = [
    "FIELD_MAP",
    "AsyncServer",
    "ConnectionManager",
    "DecodeError",
    "Join",
    "Latest",
    "MessageBatcher",
    "PayloadError",
    "PayloadOptimizer",
    "Recovery",
    "SchemaError",
    "Settings",
    "SettingsError",
    "attach",
    "decode_payload",
]

# Imported when first used, so that the pure modules can be had without socketio.
_HOMES = {
    "AsyncServer": "adapters.manager",
    "FIELD_MAP": "message.fields",
    "ConnectionManager": "adapters.manager",
    "DecodeError": "message.fields",
    "Join": "settings",
    "Latest": "settings",
    "MessageBatcher": "message.batch",
    "PayloadError": "message.fields",
    "PayloadOptimizer": "message.payload",
    "Recovery": "recovery.policy",
    "SchemaError": "message.schemas",
    "Settings": "settings",
    "SettingsError": "settings",
    "attach": "adapters.manager",
    "decode_payload": "message.payload",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
