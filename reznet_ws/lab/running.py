"""What runs in this process and must not outlive it: one of a kind by each name.

In: things with a `stop`. Out: nothing.
Never: leaves anything running when the interpreter ends.
"""

from __future__ import annotations

import atexit
from typing import Protocol


class Stoppable(Protocol):
    """Something that stops, and calls `Running.end` when it does; doing it twice does nothing."""

    def stop(self) -> None: ...


class Running:
    """The things of one kind that run, each under its name."""

    def __init__(self) -> None:
        self._things: dict[str, Stoppable] = {}
        atexit.register(self.stop)

    def begin(self, thing: Stoppable, name: str = "") -> None:
        """Remember what runs now."""
        self._things[name] = thing

    def end(self, thing: Stoppable, name: str = "") -> bool:
        """Forget it; whether it was still known."""
        known = self._things.get(name) is thing
        if known:
            del self._things[name]
        return known

    def stop(self, name: str | None = None) -> None:
        """Stop what runs under a name, if anything; without a name, all."""
        for key, thing in list(self._things.items()):
            if name in (None, key):
                thing.stop()
