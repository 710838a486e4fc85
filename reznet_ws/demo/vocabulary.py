"""What the simulated agents and users say, put together from the words and templates in the folder `words`.

In: `draw`, a source of random numbers from 0 up to 1 (`random.Random(seed).random`), and a language. Out: text.
Never: draws by any other method than `random()`, the only one whose numbers Python promises to keep for a seed.
Never: computes a logarithm or a power: their last bit differs between C libraries.
The texts are invented.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, TypeVar

Draw = Callable[[], float]
T = TypeVar("T")


MIN_CONTENT_CHARS, MAX_CONTENT_CHARS = 40, 1500


@dataclass(frozen=True, kw_only=True)
class Language:
    """The templates and words of one language. Units: density as characters in relation to English."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    orders: tuple[str, ...]
    items: tuple[str, ...]
    headings: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]
    space: str = " "
    density: float = 1.0


def between(draw: Draw, low: float, high: float) -> float:
    """A number from low up to high, each as likely."""
    return low + (high - low) * draw()


def pick(draw: Draw, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(draw() * len(options))]


def favour(draw: Draw, options: Sequence[T]) -> T:
    """One of the options, the early ones more often, about as Zipf's law has it.

    The law gives the first of 20 options 28 % of the draws and the first of 200 17 %; the square of a draw gives 22 %,
    its cube 17 %.
    """
    chance = draw()
    chance *= chance if len(options) < 60 else chance * chance
    return options[int(chance * len(options))]


def on_topic(draw: Draw, language: Language) -> Language:
    """The same language, narrowed to the few words that one conversation keeps coming back to."""
    topic = {name: tuple(pick(draw, language.words[name]) for _ in range(size)) for name, size in _TOPIC.items()}
    return replace(language, words={**language.words, **topic})


def sentence(draw: Draw, language: Language) -> str:
    """One statement, with a capital and a full stop."""
    return _capital(_fill(draw, favour(draw, language.statements), language))


def content(draw: Draw, language: Language, low: int, high: int) -> str:
    """What an agent answers: Markdown of paragraphs, lists and code.

    Units: characters; about low to high, always within `MIN_CONTENT_CHARS` and `MAX_CONTENT_CHARS`.
    """
    return _gather(draw, language, between(draw, low, high), _block, "\n\n")


def remark(draw: Draw, language: Language, low: int, high: int) -> str:
    """What a user writes: statements and questions in one paragraph. Units: as `content` has them."""
    return _gather(draw, language, between(draw, low, high), _utterance, language.space)


def brief(draw: Draw, language: Language) -> str:
    """What a task of a plan is to do: an order and two to five statements, in 100 to 700 characters or so."""
    told = [_capital(_fill(draw, favour(draw, language.orders), language))]
    told += [sentence(draw, language) for _ in range(int(between(draw, 2, 6)))]
    return language.space.join(told)


def pieces(text: str) -> list[str]:
    """The text cut into words as a model streams them, each with the blanks before it; joined, they are the text."""
    return _PIECE.findall(text)


# Without this, a text of 1000 characters has too many different words: gzip leaves 62 % of it, of real prose 50 to 60.
_TOPIC = {"noun": 16, "verb": 12, "adj": 10}

# Chinese has no blanks between words; one or two characters are about one token of a model.
_PIECE = re.compile(r"\s*(?:[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]+)|\s+$")
_SLOT = re.compile(r"<([a-z]+)(\d?)>")


def _gather(draw: Draw, language: Language, goal: float, part: Callable[[Draw, Language], str], glue: str) -> str:
    # A Chinese text of 200 characters says what an English one of 500 does.
    goal = max(goal * language.density, MIN_CONTENT_CHARS)
    text = part(draw, language)
    while len(text) < goal:
        longer = text + glue + part(draw, language)
        if len(longer) > MAX_CONTENT_CHARS:
            break
        text = longer
    return text


def _block(draw: Draw, language: Language) -> str:
    chance = draw()
    if chance < 0.18:
        code = _fill(draw, pick(draw, SNIPPETS), language)
        return f"{sentence(draw, language)}\n\n{code}"
    if chance < 0.36:
        return _listing(draw, language)
    count = int(between(draw, 1, 5))
    return language.space.join(sentence(draw, language) for _ in range(count))


def _listing(draw: Draw, language: Language) -> str:
    numbered = draw() < 0.4
    lines = [f"**{_capital(_fill(draw, pick(draw, language.headings), language))}**"]
    for number in range(1, int(between(draw, 3, 7))):
        item = _fill(draw, favour(draw, language.items), language)
        lines.append(f"{number}. {item}" if numbered else f"- {item}")
    return "\n".join(lines)


def _utterance(draw: Draw, language: Language) -> str:
    if draw() < 0.5:
        return _capital(_fill(draw, favour(draw, language.questions), language))
    return sentence(draw, language)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fill(draw: Draw, template: str, language: Language) -> str:
    """Replace each `<slot>` from left to right, also inside what a slot brought in.

    A slot with a digit, as in `<thing1>`, is the same word wherever the template has it.
    """
    kept: dict[str, str] = {}
    filled = []
    for text, name, digit in _parts(template):
        filled.append(text)
        if digit:
            if name + digit not in kept:
                kept[name + digit] = _word(draw, name, language)
            filled.append(kept[name + digit])
        elif name:
            filled.append(_word(draw, name, language))
    return "".join(filled)


# Templates are a few hundred; taken apart once, they let a plan be written in 1.6 ms instead of 2.5.
@cache
def _parts(template: str) -> list[tuple[str, str, str]]:
    """The template as (text, name of the slot after it, digit of that slot); the last slot is empty."""
    cut = [*_SLOT.split(template), "", ""]
    return list(zip(cut[::3], cut[1::3], cut[2::3], strict=True))


def _word(draw: Draw, name: str, language: Language) -> str:
    if name in _FIGURES:
        low, high = _FIGURES[name]
        # The product of two draws makes small figures frequent, as they are in talk.
        return str(int(low + (high - low) * draw() * draw()))
    if name == "hex":
        return f"{int(draw() * 0x10000000):07x}"
    if name == "nouns":
        return _plural(favour(draw, language.words["noun"]))
    options = language.words.get(name) or COMMON.get(name)
    # What is no slot is code, as in `new Set<string>()`.
    return f"<{name}>" if options is None else _fill(draw, favour(draw, options), language)


_FIGURES = {"n": (2, 60), "big": (100, 20_000), "pct": (1, 100), "port": (3000, 9999), "line": (5, 900)}


def _plural(noun: str) -> str:
    if noun.endswith("is"):
        return f"{noun[:-2]}es"
    if noun.endswith("y") and noun[-2] not in "aeo":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


_TEMPLATES = ("statements", "questions", "orders", "items", "headings")


def _read(name: str) -> tuple[dict[str, tuple[str, ...]], dict[str, Any]]:
    """The lists of one file by their names, and what else it says."""
    file = resources.files("reznet_ws.demo").joinpath("words", f"{name}.toml")
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    separators = {"words": None, "lines": "\n", "stanzas": "\n\n"}
    lists = {
        name: tuple(text.strip().split(separator))
        for kind, separator in separators.items()
        for name, text in said.pop(kind, {}).items()
    }
    return lists, said


def _read_language(name: str) -> Language:
    words, options = _read(name)
    options |= {kind: words.pop(kind) for kind in _TEMPLATES}
    return Language(words=words, **options)


COMMON, _ = _read("common")
AGENTS, USERS = COMMON["agent"], COMMON["user"]
SNIPPETS = COMMON.pop("snippets")
# Name and provider; code and what a user is told.
MODELS = tuple(tuple(line.split(" ")) for line in COMMON.pop("models"))
ERRORS = tuple(tuple(line.split(": ", 1)) for line in COMMON.pop("errors"))
LANGUAGES: Mapping[str, Language] = {name: _read_language(name) for name in ("en", "ru", "zh")}
