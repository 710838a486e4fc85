"""Words that authors of applications call fields by, to tell `x` and `unread_count` from what people are called.

In: a key. Out: whether it consists of such words. Never: decides alone; see `names.py`.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

# camelCase, snake_case, kebab-case, and digits behind a word.
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SEPARATORS = re.compile(r"[\s_\-.:$]+")


def is_field(key: str) -> bool:
    """Whether every word of a key is one that fields have, also in the plural; a single letter is one."""
    words = _words()
    parts = [part.lower() for part in _PARTS.findall(key)]
    covered = sum(map(len, parts)) == len(_SEPARATORS.sub("", key))
    return covered and all(part.isdigit() or len(part) == 1 or _singular(part) & words for part in parts)


def _singular(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("es")}


@functools.cache
def _words() -> frozenset[str]:
    return frozenset(resources.files(__package__).joinpath("field_words.txt").read_text(encoding="utf-8").split())
