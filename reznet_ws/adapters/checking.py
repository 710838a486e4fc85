"""A server whose events have schemas: what does not fit is refused where it is emitted, before anything is sent.

In: what an application emits. Out: the same, or an error that names the event and the path.
Never: part of a server that was attached without `schemas=`.
"""

from __future__ import annotations

from typing import Any

from reznet_ws.adapters.socketio import OptimizedServer


class CheckingServer(OptimizedServer):
    """What `attach` makes of a server whose events have schemas; `call` and `send` go by `emit`."""

    async def emit(self, event: Any, data: Any = None, *args: Any, **options: Any) -> None:
        """Send an event that fits its schema. Raises: PayloadError; nothing is sent then, to no server of several."""
        self.reznet.check(event, data)
        await super().emit(event, data, *args, **options)
