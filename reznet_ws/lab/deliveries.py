"""Whether each client got each message that was for it, once and in order, whatever the messages are.

In: emissions as a server's tap recorded them, arrivals as the clients' handlers saw them; both as digests. Out: how
many were lost, doubled, overtaken or altered, and when what arrived had been due.
Never: looks into a message. Never: calls something lost that may still be on its way, until told to give up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

# So many of the latest are remembered for each client, to tell a second copy from what nobody emitted.
_RECENT = 256


@dataclass
class Wrong:
    """What went wrong, in deliveries. `altered`: a handler got what nobody had emitted to it."""

    lost: int = 0
    doubled: int = 0
    overtaken: int = 0
    altered: int = 0


@dataclass
class _Receiver:
    """One client's connection: what is on its way to it, as (digest, when it was due)."""

    is_ours: bool = False
    due: deque[tuple[int, float]] = field(default_factory=deque)
    missing: list[int] = field(default_factory=list)
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))


class Deliveries:
    """What is on its way to each connection, by its Engine.IO session."""

    def __init__(self) -> None:
        self.wrong = Wrong()
        self._receivers: dict[str, _Receiver] = {}
        self._ended: set[str] = set()

    def sent(self, digest: int, due_s: float, receivers: Iterable[str]) -> None:
        """A message was emitted to some connections."""
        for sid in receivers:
            receiver = self._receivers.get(sid)
            if receiver is None:
                if sid in self._ended:
                    continue
                receiver = self._receivers[sid] = _Receiver()
            receiver.due.append((digest, due_s))

    def opened(self, sid: str) -> None:
        """A connection is one of our clients'; only those are looked after."""
        if sid not in self._ended:
            self._receivers.setdefault(sid, _Receiver()).is_ours = True

    def arrived(self, sid: str, digest: int) -> float | None:
        """A handler got a message; when that had been due, where that is known."""
        receiver = self._receivers.get(sid)
        if receiver is None:
            return None  # what comes after a goodbye
        due = receiver.due
        if due and due[0][0] == digest:
            receiver.recent.append(digest)
            return due.popleft()[1]
        return self._explain(receiver, digest)

    def _explain(self, receiver: _Receiver, digest: int) -> float | None:
        """What is not the next one: a gap is lost, until what is missing turns up overtaken."""
        wrong = self.wrong
        if any(number == digest for number, _ in receiver.due):
            while True:
                number, due_s = receiver.due.popleft()
                if number == digest:
                    receiver.recent.append(digest)
                    return due_s
                receiver.missing.append(number)
                wrong.lost += 1
        if digest in receiver.missing:
            receiver.missing.remove(digest)
            receiver.recent.append(digest)
            wrong.lost -= 1
            wrong.overtaken += 1
        elif digest in receiver.recent:
            wrong.doubled += 1
        else:
            wrong.altered += 1
        return None

    def ended(self, sid: str, *, by_client: bool) -> None:
        """A connection is over; what was on its way is lost, unless the client itself went."""
        receiver = self._receivers.pop(sid, None)
        self._ended.add(sid)
        if receiver is not None and not by_client:
            self.wrong.lost += len(receiver.due)

    def on_their_way(self, before_s: float) -> int:
        """How many deliveries that were due before a moment have neither arrived nor been given up."""
        return sum(
            due_s < before_s for receiver in self._receivers.values() if receiver.is_ours for _, due_s in receiver.due
        )

    def give_up(self, before_s: float) -> None:
        """Call lost what was due before a moment and has not arrived."""
        for receiver in self._receivers.values():
            while receiver.is_ours and receiver.due and receiver.due[0][1] < before_s:
                receiver.missing.append(receiver.due.popleft()[0])
                self.wrong.lost += 1

    def forget_others(self, before_s: float) -> None:
        """Drop what was for connections that none of our clients has claimed since a moment."""
        for sid, receiver in list(self._receivers.items()):
            if not receiver.is_ours and receiver.due and receiver.due[-1][1] < before_s:
                del self._receivers[sid]
            elif not receiver.is_ours:
                while receiver.due and receiver.due[0][1] < before_s:
                    receiver.due.popleft()
