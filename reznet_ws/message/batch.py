"""Layer 4: which messages wait, and what each receiver gets in one go.

In: a message, the receivers it is for, the time. Out: batches, each with the receivers that get the very same messages.
Never: reads a clock, encodes, sends, or looks into a message.

The first message to a receiver goes at once and opens the window; what follows waits until it closes. There is one
window for all, so receivers that are owed the same always fall due together and share one encoding. What waits is kept
per receiver: a message to some of a room, or to one of its members, can overtake nothing and ends nobody else's wait.
Of those with the same key only the newest waits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from reznet_ws.message.latest import Conflated, Key, LatestQueue
from reznet_ws.settings import Settings

Receiver = TypeVar("Receiver", bound=Hashable)
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Receiver, Message]):
    """Messages that travel together, and everybody who gets just these."""

    receivers: tuple[Receiver, ...]
    messages: tuple[Message, ...]


class MessageBatcher(Generic[Receiver, Message]):
    """Holds small messages back for at most one window. Times in ms on any clock that never runs backwards."""

    def __init__(self, settings: Settings | None = None, conflated: Conflated | None = None) -> None:
        self.settings = settings or Settings()
        self.conflated = conflated or Conflated()
        self._waiting: dict[Receiver, LatestQueue[Message]] = {}
        self._served: set[Receiver] = set()
        self._closes_ms: float | None = None

    @property
    def closes_ms(self) -> float | None:
        """When `due` must be called next; None while no window is open."""
        return self._closes_ms

    def add(
        self,
        receivers: Iterable[Receiver],
        message: Message,
        now_ms: float,
        *,
        may_wait: bool,
        latest: Key | None = None,
    ) -> list[Batch[Receiver, Message]]:
        """Take a message for some receivers; give back what must be sent now, in order.

        With `may_wait` off (a critical event, or a large one), what waits for its receivers goes first, then itself;
        but for what has its key in `latest`, which nobody needs any more.
        """
        receivers = tuple(receivers)
        batches = self.due(now_ms)
        if not may_wait or not self.settings.batch:
            if latest is not None:
                self._conflate(receivers, latest)
            return [*batches, *self.flush(receivers), Batch(receivers, (message,))]
        at_once, full = [], []
        for receiver in receivers:
            if receiver not in self._served:
                at_once.append(receiver)
            else:
                waiting = self._waiting.get(receiver)
                if waiting is None:
                    waiting = self._waiting[receiver] = LatestQueue()
                if waiting.put(message, latest) is not None:
                    self.conflated.messages += 1
                if len(waiting) >= self.settings.batch_max_messages:
                    full.append(receiver)
        if at_once:
            self._served.update(at_once)
            if self._closes_ms is None:
                self._closes_ms = now_ms + self.settings.batch_window_ms
            batches.append(Batch(tuple(at_once), (message,)))
        return batches + self.flush(full)

    def due(self, now_ms: float) -> list[Batch[Receiver, Message]]:
        """What the window held, once it has closed; whoever gets something is held back for another window."""
        if self._closes_ms is None or now_ms < self._closes_ms:
            return []
        batches = self.flush()
        self._served = {receiver for batch in batches for receiver in batch.receivers}
        self._closes_ms = now_ms + self.settings.batch_window_ms if batches else None
        return batches

    def flush(self, receivers: Iterable[Receiver] | None = None) -> list[Batch[Receiver, Message]]:
        """Everything that waits, for some receivers or for all; the window goes on."""
        if not self._waiting:
            return []
        # Receivers that are owed the same messages share a batch; the messages are the same objects, so their
        # identities tell, without comparing contents.
        groups: dict[tuple[int, ...], tuple[list[Receiver], LatestQueue[Message]]] = {}
        for receiver in tuple(self._waiting) if receivers is None else receivers:
            waiting = self._waiting.pop(receiver, None)
            if waiting is not None:
                key = tuple(map(id, waiting))
                groups.setdefault(key, ([], waiting))[0].append(receiver)
        return [Batch(tuple(same), tuple(messages)) for same, messages in groups.values()]

    def _conflate(self, receivers: Iterable[Receiver], latest: Key) -> None:
        for receiver in receivers:
            waiting = self._waiting.get(receiver)
            if waiting is not None and waiting.drop(latest) is not None:
                self.conflated.messages += 1
                if not waiting:
                    del self._waiting[receiver]

    def discard(self, receiver: Receiver) -> None:
        """Forget a receiver that is gone."""
        self._waiting.pop(receiver, None)
        self._served.discard(receiver)
