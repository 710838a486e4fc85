"""What each connection must get: every message that was emitted, once, in order, unaltered.

In: the lists that the server plays from, and texts as they arrive. Out: nothing, or an error that ends the run.
Never: decodes a text twice: the first of each message is compared as JSON, the others with it, byte by byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_CHARACTERS_SHOWN = 80


class LoadError(RuntimeError):
    """The run counts for nothing: something was lost, doubled, out of order, altered or refused."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is being emitted: emission `base` is message `first` of a list; the next one is due 1/rate later."""

    list: str
    first: int
    base: int
    rate_per_s: float

    def index(self, number: int) -> int:
        """The place in the list, laps not taken off."""
        return self.first + number - self.base

    def due_ns(self, number: int, began_ns: int) -> int:
        """When an emission was due."""
        return began_ns + round((number - self.base) * 1e9 / self.rate_per_s)

    def first_of(self, got: int, emitted: int, joined_ns: int, began_ns: int) -> int:
        """The first of the last `got` emissions, all that a client had that joined on the way.

        Raises: LoadError where it had joined before the one before that was due.
        """
        first = emitted - got
        if first > self.base and self.due_ns(first - 1, began_ns) > joined_ns:
            raise LoadError(f"a client had joined before emission {first - 1} was due, and did not get it")
        return first


class Expected:
    """Compares what arrives with what was emitted."""

    def __init__(self, lists: dict[str, list[Any]]) -> None:
        self._due = {name: [_canonical(message) for message in several] for name, several in lists.items()}
        self._texts: dict[str, list[bytes | None]] = {name: [None] * len(several) for name, several in lists.items()}

    def check(self, play: Play, number: int, text: bytes) -> None:
        """Compare one text with emission `number`. Raises: LoadError."""
        texts = self._texts[play.list]
        index = play.index(number) % len(texts)
        if texts[index] is None and _canonical(json.loads(text[2:])) == self._due[play.list][index]:
            texts[index] = text
        if texts[index] != text:
            shown = text[:_CHARACTERS_SHOWN].decode(errors="replace")
            raise LoadError(f"emission {number} was due and this came: {shown}")


def _canonical(message: Any) -> str:
    """JSON with numbers as JavaScript has them: 1 and 1.0 are the same, and so are integers beyond 53 bits."""
    return json.dumps(json.loads(json.dumps(message), parse_int=float), sort_keys=True)
