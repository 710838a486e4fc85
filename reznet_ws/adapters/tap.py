"""A tap on what a server emits: which message, when, and who it is for.

In: an application's server that has our layers. Out: a record of each emission, made before anything is sent.
Never: changes what is sent, or asks the application to number anything.

The tap is a class below the application's own manager and above ours, so that what comes from a message queue is
recorded where it is delivered.
"""

from __future__ import annotations

import contextvars
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import engineio
import socketio

from reznet_ws.adapters.adopting import change_class
from reznet_ws.adapters.socketio import OptimizedManager, as_arguments
from reznet_ws.message.digest import digest

# An application whose traffic is planned says here when the message was due, on the monotonic clock.
due_s: contextvars.ContextVar[float | None] = contextvars.ContextVar("due_s", default=None)

# Two minutes at 800 messages a second; who never looks holds no more.
_MOST = 100_000


@dataclass(slots=True)
class Emission:
    """One emission. `receivers` are Engine.IO sessions; times on the monotonic clock."""

    digest: int
    namespace: str
    due_s: float
    receivers: Sequence[str]


class Tap:
    """The records of one server, oldest first; `take` may be called from any thread."""

    def __init__(self) -> None:
        self._emissions: deque[Emission] = deque(maxlen=_MOST)
        self._receivers: list[str] = []

    def record(self, number: int, namespace: str, receivers: list[str]) -> Emission:
        """Note one emission, before it is sent."""
        if receivers != self._receivers:  # whoever emits to the same again holds the same list
            self._receivers = receivers
        planned_s = due_s.get()
        at_s = time.monotonic() if planned_s is None else planned_s
        emission = Emission(number, namespace, at_s, self._receivers)
        self._emissions.append(emission)
        return emission

    def take(self) -> list[Emission]:
        """What was emitted since the last call."""
        return [self._emissions.popleft() for _ in range(len(self._emissions))]


class TappedManager(OptimizedManager):
    """Records what passes."""

    tap: Tap

    async def emit(
        self,
        event: Any,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Note it, and send it; what cannot be sent was not emitted."""
        members, _ = self._members(namespace, to or room, skip_sid)
        emission = None
        if members:
            number = _digest(event, as_arguments(data), self.server.packet_class)
            if number is not None:
                emission = self.tap.record(number, namespace, members)
        try:
            await super().emit(event, data, namespace, room, skip_sid, callback, to, **kwargs)
        except Exception:
            if emission is not None:
                emission.receivers = ()
            raise


def tap(sio: socketio.AsyncServer) -> Tap:
    """Put a tap on a server that has our layers; a server has one."""
    manager = sio.manager
    kind = type(manager)
    if not issubclass(kind, TappedManager):
        # The application's own class, where it has one, and ours below it.
        *own, ours = kind.__bases__ if len(kind.__bases__) > 1 else [kind]
        change_class(manager, type(f"Tapped{kind.__name__}", (*own, TappedManager, ours), {}))
        manager.tap = Tap()
    return manager.tap  # type: ignore[no-any-return]


def _digest(event: Any, args: list[Any], kind: Any) -> int | None:
    """As a client will see it: with the server's own JSON, what that makes of the arguments. None for what fails."""
    try:
        if kind.json is not engineio.json:
            plain, attachments = kind.deconstruct_binary(args)
            args = kind.reconstruct_binary(json.loads(kind.json.dumps(plain)), attachments)
        return digest(event, args)
    except (TypeError, ValueError):
        return None
