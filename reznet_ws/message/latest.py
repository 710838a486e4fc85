"""Conflation: of messages of which only the newest counts, the older that still wait are dropped.

In: an event's data, and which of its fields tell apart what it is about; messages in their order. Out: a key for each
that may be dropped; the same messages, in order, without those that a newer one of the same key has followed.
Never: drops a message without a key, or lets one overtake another.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reznet_ws.settings import Settings

Message = TypeVar("Message")
# Two messages with the same one are about the same thing, and for the same audience.
Key = tuple[Hashable, ...]
# The name of a field, or several; none if there is one thing only that the event can be about.
Fields = str | tuple[str, ...]

_MISSING = object()


def key_of(fields: Fields, args: Sequence[Any]) -> Key | None:
    """What a message is about: the values of these fields of its first argument, with their types, since 1 is not true.

    None where a field is missing or holds an object or a list: such a message is never dropped.
    """
    if not fields:
        return ()
    data = args[0] if args else None
    if not isinstance(data, dict):
        return None
    values: list[Hashable] = []
    for name in (fields,) if isinstance(fields, str) else fields:
        value = data.get(name, _MISSING)
        if value is not None and not isinstance(value, (str, int, float)):
            return None
        values += [type(value).__name__, value]
    return tuple(values)


class LatestKeys:
    """The keys of messages, by one record of settings."""

    def __init__(self, settings: Settings) -> None:
        # Event -> fields; without any nobody needs to ask.
        self.rules: dict[str, Fields] = {rule.event: rule.key for rule in settings.latest}
        self._never = settings.never_compress

    def key(
        self, event: Any, args: Sequence[Any], audience: tuple[Any, ...], fields: Fields | None = None
    ) -> Key | None:
        """The key of a message by these fields, or by the settings; None for what is never dropped.

        `audience`: how the application names it, in values, or in lists and sets of them.
        """
        if not isinstance(event, str) or event in self._never:
            return None
        if fields is None:
            fields = self.rules.get(event)
        about = None if fields is None else key_of(fields, args)
        return None if about is None else (event, *map(_hashable, audience), *about)


def _hashable(name: Any) -> Hashable:
    return frozenset(name) if isinstance(name, (list, tuple, set)) else name


@dataclass(slots=True)
class Conflated:
    """How many messages gave way to a newer one, times receivers."""

    messages: int = 0


class LatestQueue(Generic[Message]):
    """Messages in their order; one with a key drops the older one with it, and stands at the end."""

    __slots__ = ("_messages", "_number")

    def __init__(self) -> None:
        self._messages: dict[Key | int, Message] = {}
        self._number = 0

    def put(self, message: Message, key: Key | None = None) -> Message | None:
        """Take a message; gives the one that is dropped for it, if any."""
        if key is None:
            self._number += 1
            self._messages[self._number] = message
            return None
        older = self.drop(key)
        self._messages[key] = message
        return older

    def get(self, key: Key) -> Message | None:
        """The message with a key, if it is still there."""
        return self._messages.get(key)

    def drop(self, key: Key) -> Message | None:
        """Drop the message with a key, if it is still there, and give it."""
        return self._messages.pop(key, None)

    def take_first(self) -> Message:
        """The oldest one. Raises: StopIteration where there is none."""
        return self._messages.pop(next(iter(self._messages)))

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages.values())

    def __len__(self) -> int:
        return len(self._messages)
