"""What waits in queues, each thing held and counted once, however many queues it is in.

In: what is put into queues and taken out again. Out: how many bytes of memory all of it takes, and what one may hold.
Never: closes a connection.
"""

from __future__ import annotations

from collections.abc import Callable

from reznet_ws.settings import Settings

# What a frame takes beside its bytes: this object, what books it and the shares behind that. 200,000 frames
# of 45 bytes in the queue of one line took 930 each.
_FRAME_BYTES = 900


class QueueBudget:
    """The bytes that all queues of a server hold."""

    def __init__(self) -> None:
        self.held_bytes = 0

    def most_for_one(self, settings: Settings) -> int:
        """What may be queued for one connection at this moment; nothing where it may miss what is too much for all."""
        is_full = settings.skip_slow_readers and self.held_bytes > settings.max_held_bytes
        return 0 if is_full else settings.max_queued_bytes


class Held:
    """Something that any number of queues hold together."""

    __slots__ = ("_budget", "_copies", "size_bytes")

    def __init__(self, budget: QueueBudget | None, size_bytes: int) -> None:
        """`budget`: None for what is not worth counting."""
        self._budget, self._copies = budget, 0
        self.size_bytes = 0 if budget is None else size_bytes

    def take(self) -> None:
        """It is in one more queue."""
        if not self._copies and self._budget is not None:
            self._budget.held_bytes += self.size_bytes
        self._copies += 1

    def leave(self) -> None:
        """It is in one queue less."""
        self._copies -= 1
        if not self._copies and self._budget is not None:
            self._budget.held_bytes -= self.size_bytes


class QueuedFrame(Held):
    """A frame that waits for sockets which are full; `booked()` is called for each that takes it."""

    __slots__ = ("booked", "wire")

    def __init__(
        self, wire: bytes, booked: Callable[..., None] | None = None, budget: QueueBudget | None = None
    ) -> None:
        super().__init__(budget, len(wire) + _FRAME_BYTES)
        self.wire, self.booked = wire, booked
