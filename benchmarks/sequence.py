"""What each client must get: every message that was emitted to it, once, in order, unaltered.

In: the script that the server plays, and texts as they arrive. Out: nothing, or an error that ends the run.
Never: decodes a text twice where many get the same: it is compared byte by byte with the one before.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reznet_ws.client.decoder import unpack
from reznet_ws.message.packet import BATCH_EVENT
from reznet_ws.message.payload import decode_payload
from reznet_ws.replay.script import Script

_CHARACTERS_SHOWN = 80
# Texts that several clients are sent, each under way to some of them still.
_TEXTS_KEPT = 256


class LoadError(RuntimeError):
    """The run counts for nothing: something was lost, doubled, out of order, altered or refused."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is being emitted: `count` emissions of the script from `first` on, of which the first is number `base` of
    the whole run, and the next one is due 1/rate later. `is_endless`: the same ones again and again.
    """

    first: int
    count: int
    base: int
    rate_per_s: float = 0
    is_endless: bool = False

    @property
    def end(self) -> int:
        """The number of the first emission after it, if it has an end."""
        return self.base + self.count

    def due_ns(self, number: int, began_ns: int) -> int:
        """When an emission was due."""
        return began_ns + round((number - self.base) * 1e9 / self.rate_per_s)


class Due:
    """What one client is due in a play. `next`: the number of the emission that comes next, the play's end if none."""

    __slots__ = ("_got", "_indexes", "_play", "next")

    def __init__(self, play: Play, indexes: Sequence[int]) -> None:
        self._play = play
        self._indexes = indexes[bisect_left(indexes, play.first) : bisect_left(indexes, play.first + play.count)]
        self._got = 0
        self.next = self._number()

    @property
    def index(self) -> int:
        """Where the script has the emission that comes next. Raises: LoadError where none is due."""
        if self.next >= self._play.end and not self._play.is_endless:
            raise LoadError(f"a client got {self._got + 1} messages of {self._got}")
        return self._indexes[self._got % len(self._indexes)]

    def advance(self, events: int = 1) -> None:
        """So many have come."""
        self._got += events
        self.next = self._number()

    def _number(self) -> int:
        play, each = self._play, len(self._indexes)
        if play.is_endless and not each:
            return sys.maxsize
        if self._got >= each and not play.is_endless:
            return play.end
        laps, place = divmod(self._got, each)
        return play.base + laps * play.count + self._indexes[place] - play.first


class Expected:
    """The script, by client; compares what arrives with what was emitted."""

    def __init__(self, script: Script) -> None:
        self._messages = script.messages
        self._sendings = script.sendings
        self._texts: dict[int, bytes] = {}
        self._canonical: dict[int, str] = {}
        self._due: list[list[int]] = [[] for _ in range(script.clients)]
        for index, slots in enumerate(script.receivers()):
            for slot in slots:
                self._due[slot].append(index)

    def due(self, play: Play, slot: int) -> Due:
        """What a client is due in a play."""
        return Due(play, self._due[slot])

    def check(self, due: Due, text: bytes) -> list[int]:
        """Compare one text with what is due. Gives the numbers of the emissions in it. Raises: LoadError."""
        message = self._sendings[due.index].message
        if self._texts.get(message) == text:
            numbers = [due.next]
            due.advance()
            return numbers
        came = canonical_events(text)
        if len(came) == 1:
            self._texts[message] = text
        numbers = []
        for one in came:
            message = self._sendings[due.index].message
            if message not in self._canonical:
                self._canonical[message] = _canonical(self._messages[message])
            if one != self._canonical[message]:
                self._texts.pop(message, None)
                shown = text[:_CHARACTERS_SHOWN].decode(errors="replace")
                raise LoadError(f"emission {due.next} was due and this came: {shown}")
            numbers.append(due.next)
            due.advance()
        return numbers


@lru_cache(_TEXTS_KEPT)
def canonical_events(text: bytes) -> tuple[str, ...]:
    """The events in one packet, of format 1 or 2, in words that can be compared."""
    event, *arguments = json.loads(text[2:])
    events = unpack(arguments[0]) if event == BATCH_EVENT else [(event, arguments)]
    return tuple(_canonical([name, *map(decode_payload, inner)]) for name, inner in events)


def _canonical(message: Any) -> str:
    """JSON with numbers as JavaScript has them: 1 and 1.0 are the same, and so are integers beyond 53 bits."""
    return json.dumps(json.loads(json.dumps(message), parse_int=float), sort_keys=True)
