"""Emit from a process that is no server: `Emitter(socketio.AsyncRedisManager(url, write_only=True))`.

In: events. Out: messages that all servers behind the same channel send on, each with its layers.
Never: has clients of its own.
"""

from reznet_ws.adapters.emitting import Emitter

__all__ = ["Emitter"]
