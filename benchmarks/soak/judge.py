"""Who was due what, and who got what: what is lost, doubled, overtaken or misdelivered.

In: what a server emitted to which sessions, in order, and what each session got. Out: counts.
Never: reads a clock or a socket. Holds only what one side has said and the other has not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# What a session got lately, so that a second one of these is known as such.
_REMEMBERED = 2000


@dataclass(slots=True)
class Verdict:
    """Deliveries, and how many of them were wrong."""

    deliveries: int = 0
    lost: int = 0
    doubled: int = 0
    overtaken: int = 0
    misdelivered: int = 0

    @property
    def is_right(self) -> bool:
        """Whether every delivery that was due came once, in order, and no other one did."""
        return not (self.lost or self.doubled or self.overtaken or self.misdelivered)


@dataclass(slots=True)
class _Session:
    due: deque[int] = field(default_factory=deque)
    got: deque[int] = field(default_factory=deque)
    # Passed over: lost, unless they come after all.
    missing: set[int] = field(default_factory=set)
    seen: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    is_over: bool = False


class Judge:
    """Compares as both sides tell. Emissions have rising numbers; `known` is the last that the server has told of."""

    def __init__(self) -> None:
        self.verdict = Verdict()
        self.known = -1
        self._sessions: dict[str, _Session] = {}

    def emitted(self, number: int, sessions: list[str]) -> None:
        """A server emitted this to these."""
        for sid in sessions:
            self._of(sid).due.append(number)  # also where it is over: it may have got this before
        self.known = number

    def told(self) -> None:
        """All that was emitted up to `known` is told: look at what came before that was."""
        for session in self._sessions.values():
            if session.got:
                self._compare(session)

    def got(self, sid: str, number: int) -> None:
        """A session got this."""
        session = self._of(sid)
        session.got.append(number)
        self._compare(session)

    def over(self, sid: str) -> None:
        """A session ended: what it was still due may be missing at its end, but not before."""
        self._of(sid).is_over = True

    @property
    def outstanding(self) -> int:
        """What living sessions are still due."""
        return sum(len(session.due) for session in self._sessions.values() if not session.is_over)

    def close(self) -> Verdict:
        """Nothing comes any more."""
        for session in self._sessions.values():
            self._compare(session)
            self.verdict.misdelivered += len(session.got)
            self.verdict.lost += len(session.missing) + (0 if session.is_over else len(session.due))
        self._sessions.clear()
        return self.verdict

    def _of(self, sid: str) -> _Session:
        return self._sessions.setdefault(sid, _Session())

    def _compare(self, session: _Session) -> None:
        verdict = self.verdict
        while session.got and session.got[0] <= self.known:
            number = session.got.popleft()
            verdict.deliveries += 1
            if session.due and session.due[0] == number:
                session.due.popleft()
            elif number in session.due:
                while session.due[0] != number:
                    session.missing.add(session.due.popleft())
                session.due.popleft()
            elif number in session.missing:
                session.missing.discard(number)
                verdict.overtaken += 1
            elif number in session.seen:
                verdict.doubled += 1
            else:
                verdict.misdelivered += 1
            session.seen.append(number)
