"""Which names of keys and events may be shown: those that the application's author gave, not what its users typed.

In: arguments of events, as they pass; then names. Out: the name, `*` in place of what looks like contents, or a hash.
Never: keeps a value. What it keeps is bounded; past the bounds it shows less.

Objects are used in two ways. A record has the same few keys each time, and they are names; a map has a key for each
user, file or request, and they are contents. A map gives itself away: its keys look like ids, come once and never
again, change from object to object, or lead to values of the very same shape. Where all siblings have one shape, or
many have, it may still be a record (`x`, `y`): then the keys made of words that fields have are shown
(`field_words.py`), and no others.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from reznet_ws.audit.examine.binary_json import json_in
from reznet_ws.audit.examine.field_words import is_field

HIDDEN = "*"
_MAX_NAME_CHARACTERS = 40
_MAX_EVENT_CHARACTERS = 64
_MAX_WORDS = 4
# An address's path: a token of letters alone is longer than a word, or changes its case more often.
_MAX_PATH_WORDS = 3
_PATH_WORD = re.compile(r"[a-z]{1,16}|[A-Z]{1,16}|[A-Z]?[a-z]{1,12}(?:[A-Z][a-z]{1,12}){0,2}|[a-z]{1,12}[0-9]{1,2}")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

_MAX_PLACES = 2000  # where objects stand, each a path of keys
_MAX_KEYS = 300  # at one place
_MAX_DEPTH = 12
_MAX_OBJECTS = 200_000
_MAX_EVENTS = 5000
_MAX_ITEMS = 16  # of a list, or an array of a million objects would be looked at whole

# A key that came less often is no proof of a name.
_LEAST_COUNT = 3
# At one place: of so many keys each object holds less than half, and none (such as `type`) is in half of the objects.
_MANY_KEYS = 16
_MOST_OF_A_MAP = 0.5
# As many keys that lead to objects or arrays of one and the same shape make a map.
_ALIKE_KEYS = 4
# As many siblings of one shape, or two that have no others beside them, may be one.
_ALIKE_SIBLINGS = 4
_ONLY_SIBLINGS = 2

_WORD_BREAK = re.compile(r"[\s:/._\-|]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = re.compile(r"[0-9a-fA-F]{4,}")
_DIGITS = re.compile(r"[0-9]+")
# What joins the names of people and machines, and seldom those of fields.
_JOINED = re.compile(r"[.\-]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTENT_CHARACTERS = re.compile(r"[@\\?&=%<>{}\[\]()\"'`,;!]")


class Names:
    """Learns from the arguments of events which keys are names, then shows them.

    `salt`: names are shown as a keyed hash of them with it, `key-3fa2c1d0`, the same within one run only.
    """

    def __init__(self, salt: bytes | None = None) -> None:
        self._salt = salt
        self._places: dict[tuple[str, ...], _Place] = {}
        self._objects = 0
        self._shown: dict[str, str] | None = None
        self._events: Counter[str] = Counter()
        self._hides_single_events: bool | None = None

    def learn(self, event: str, args: Sequence[Any]) -> None:
        """Look at one event."""
        self._shown = self._hides_single_events = None
        event = event[: _MAX_EVENT_CHARACTERS + 1]
        if event in self._events or len(self._events) < _MAX_EVENTS:
            self._events[event] += 1
        for arg in args:
            self._look((event,), arg)

    def key(self, name: str) -> str:
        """How a key is shown."""
        if self._shown is None:
            self._shown = {name: name for name in self._names_of_records()}
        return self._hash("key", self._shown.get(name, HIDDEN))

    def key_like(self, short: str) -> str:
        """How an abbreviation is shown, which is nobody's contents but would tell of the key."""
        return self._hash("key", short)

    def event(self, name: str) -> str:
        """How an event is shown; the parts of it that look like ids are hidden."""
        return self._hash("event", self._event(name))

    def address(self, url: str) -> str:
        """How an address is shown: scheme, host, and the plain words of its path, since a token may be part of a path.

        Nothing of a query string, a fragment, or a user's name and password in front of the host.
        """
        scheme, slashes, rest = url.partition("?")[0].partition("#")[0].partition("://")
        if not slashes:
            scheme, rest = "", scheme
        host, *path = rest.split("/")
        host = host.rpartition("@")[2]
        shown = [host if not host or _HOST.fullmatch(host) else HIDDEN, *map(_path_part, path)]
        return self._hash("url", scheme + slashes + "/".join(shown))

    def file(self, name: str) -> str:
        """How a file is shown."""
        return self._hash("file", name)

    def _event(self, name: str) -> str:
        if len(name) > _MAX_EVENT_CHARACTERS or _CONTENT_CHARACTERS.search(name) or len(name.split()) > _MAX_WORDS:
            return HIDDEN
        if self._hides_single_events is None:
            once = sum(count == 1 for count in self._events.values())
            self._hides_single_events = once > max(_MANY_KEYS, len(self._events) * _MOST_OF_A_MAP)
        if self._hides_single_events and self._events[name] <= 1:
            return HIDDEN
        return _hide_ids(name)

    def _hash(self, kind: str, shown: str) -> str:
        if self._salt is None or shown == HIDDEN:
            return shown
        digest = hashlib.blake2b(shown.encode(errors="surrogatepass"), key=self._salt, digest_size=4)
        return f"{kind}-{digest.hexdigest()}"

    def _look(self, place: tuple[str, ...], value: Any) -> None:
        if len(place) > _MAX_DEPTH or self._objects >= _MAX_OBJECTS:
            return
        if isinstance(value, list):
            for item in value[:_MAX_ITEMS]:
                self._look(place, item)
        elif isinstance(value, bytes):
            within = json_in(value)
            if within is not None:
                self._look(place, within)
        elif isinstance(value, dict):
            self._objects += 1
            known = self._places.get(place)
            if known is None:
                if len(self._places) >= _MAX_PLACES:
                    return
                known = self._places[place] = _Place()
            known.objects += 1
            known.children += len(value)
            for whole, item in value.items():
                key = whole[: _MAX_NAME_CHARACTERS + 1]  # whose rest is not kept: it is no name
                if key in known.counts or len(known.counts) < _MAX_KEYS:
                    known.counts[key] += 1
                    if isinstance(item, (dict, list)) and item:
                        known.shapes.setdefault(key, _shape(item))
                    elif not isinstance(item, (dict, list)) and item is not None:
                        known.scalars.setdefault(key, _scalar_shape(item))
                    self._look((*place, key), item)
                else:
                    known.overflows = True

    def _names_of_records(self) -> set[str]:
        names: Counter[str] = Counter()
        contents: Counter[str] = Counter()
        for known in self._places.values():
            hidden = known.contents()
            for key, count in known.counts.items():
                (contents if key in hidden else names)[key] += count
        return {
            name for name, count in names.items() if count >= max(_LEAST_COUNT, contents[name] + 1) and not is_id(name)
        }


class _Place:
    """What is known of the objects at one path."""

    __slots__ = ("children", "counts", "objects", "overflows", "scalars", "shapes")

    def __init__(self) -> None:
        self.objects = self.children = 0
        self.counts: Counter[str] = Counter()
        self.shapes: dict[str, int] = {}
        self.scalars: dict[str, str] = {}
        self.overflows = False

    def contents(self) -> set[str]:
        """The keys that are no names: all those of a map; of a record that has such keys too, the seldom ones."""
        keys = len(self.counts)
        if keys >= _ALIKE_KEYS and len(self.shapes) == keys and len(set(self.shapes.values())) == 1:
            return set(self.counts)
        changes = self.children < self.objects * keys * _MOST_OF_A_MAP
        seldom = {key for key, count in self.counts.items() if count < self.objects * _MOST_OF_A_MAP}
        has_ids = sum(map(is_id, self.counts)) > keys / 2
        if self.overflows or has_ids or (keys > _MANY_KEYS and changes and len(seldom) == keys):
            return seldom if changes else set(self.counts)
        doubtful = self._siblings() | {key for key in self.counts if _JOINED.search(key)}
        return {key for key in doubtful if not is_field(key)}

    def _siblings(self) -> set[str]:
        """The keys whose values are of one shape with many others', or with all others'."""
        groups: dict[str, set[str]] = {}
        for key, shape in (*self.scalars.items(), *((key, str(shape)) for key, shape in self.shapes.items())):
            groups.setdefault(shape, set()).add(key)
        found: set[str] = set()
        for keys in groups.values():
            is_all = len(keys) >= _ONLY_SIBLINGS and len(keys) == len(self.counts)
            if is_all or len(keys) >= _ALIKE_SIBLINGS:
                found |= keys
        return found


def is_id(name: str) -> bool:
    """Whether a name looks like an id, or like something that somebody typed."""
    if not name or len(name) > _MAX_NAME_CHARACTERS or _CONTENT_CHARACTERS.search(name):
        return True
    if name.count("/") > 1 or _UUID.search(name):
        return True
    if any(character.isspace() or not character.isprintable() for character in name):
        return True
    return any(map(_is_id_part, _WORD_BREAK.split(name)))


def _is_id_part(part: str) -> bool:
    if part.isdigit():
        return True
    has_digits = any(character.isdigit() for character in part)
    if has_digits and _HEX.fullmatch(part):
        return True
    # `mp3`, `ipv6`, `sha256` and `utf8` are words; `a1b2c3` and `x8842119` are not.
    runs = _DIGITS.findall(part)
    return len(runs) > 2 or sum(map(len, runs)) > 3


def _hide_ids(name: str) -> str:
    parts = re.split(r"([\s:/._\-|]+)", _UUID.sub(HIDDEN, name))
    hidden = [HIDDEN if part and _is_id_part(part) else part for part in parts]
    return "".join(hidden)


def _path_part(part: str) -> str:
    words = [word for word in re.split(r"[._-]", part) if word]
    is_plain = len(words) <= _MAX_PATH_WORDS and all(map(_PATH_WORD.fullmatch, words))
    return part if is_plain else HIDDEN


def _shape(value: Any) -> int:
    """A hash of what an object or an array looks like from outside: its keys, or the kinds of its items."""
    if isinstance(value, dict):
        return hash(("object", *sorted(value)[:_MAX_KEYS]))
    return hash(("array", *sorted({type(item).__name__ for item in value[:_MAX_ITEMS]})))


def _scalar_shape(value: Any) -> str:
    """What a value looks like from outside. Texts that are words are all alike; a date, an address, an id are not."""
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, (int, float)):
        return "number"
    if not isinstance(value, str):
        return type(value).__name__
    if not value or len(value) > _MAX_NAME_CHARACTERS:
        return "no text" if not value else "long text"
    if _DATE.match(value):
        return "date"
    if "://" in value:
        return "address"
    return "id" if is_id(value) and " " not in value else "words"
