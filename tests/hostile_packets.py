"""Packets that are hard on format 3: seeded, endless, and the same on every Python.

In: a seed. Out: texts of Socket.IO packets, most of them like one of those before.
Never: asserts.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

# More than a state holds, so that shapes come and go.
_SHAPES = 100
KEYS = [
    *("__proto__", "constructor", "toString", "hasOwnProperty", "length", "", "a", "2", "1", "01", "a:b", '"', "\\"),
    *("{", "]", ",", "\u2028", "😀", "ключ", "\ud800", "_placeholder", "num", "\x00", "\t"),
]
NUMBERS = [
    *("0", "-0", "1", "-1", "1.0", "-0.0", "1e5", "1E+5", "1e-7", "1.5", "0.1", "1e400", "9007199254740991"),
    *("9007199254740992", "9007199254740993", "999999999999999", "-999999999999999", "1000000000000000", "1" * 300),
    *("NaN", "Infinity", "-Infinity", "true", "false", "null"),
]
TEXTS = [
    *("", "a", '"', "\\", '\\"', "\\\\", "\n", "\x00\x01\t", "\ud800", "\udc00", "😀", "😀" * 40, "日本語" * 30, "é"),
    *("\u2028", "1", "null", "\\u0041", "x" * 78, "x" * 79, "x" * 80, "x" * 81, "x" * 300, "{}", '"a":', "\x7f"),
    *("\ufeff", "\uffff"),
]


def hostile_packets(seed: int) -> Iterator[str]:
    """Events of many shapes whose values change a little, and now and then something else."""
    draw = random.Random(seed)
    shapes = [_Shape(draw) for _ in range(_SHAPES)]
    while True:
        # Few shapes come often.
        shape = shapes[int(_SHAPES * draw.random() ** 3)]
        yield shape.packet() if draw.random() < 0.97 else _other(draw)


class _Shape:
    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._head = f'2{draw.choice(["", "/a,", "/чат,"])}["{draw.choice(["e", "message_new", "событие", "a,b]"])}"'
        self._comma, self._colon = draw.choice([(",", ":"), (", ", ": "), (",", " :")])
        self._escape = draw.random() < 0.5
        self._structure = [self._nest(draw.choice([1, 2, 3])) for _ in range(draw.choice([0, 1, 1, 1, 2]))]
        self._rows = [self._leaves(self._structure) for _ in range(draw.choice([1, 2, 5]))]
        self._steps = [draw.choice([0, 1, -1, 1000]) for _ in range(1000)]

    def packet(self) -> str:
        draw = self._draw
        at = draw.randrange(len(self._rows))
        share = draw.choice([0, 0.05, 0.2, 1])
        row = [
            self._changed(index, leaf) if draw.random() < share else leaf for index, leaf in enumerate(self._rows[at])
        ]
        self._rows[at] = row
        leaves = iter(row)
        return self._head + "".join(self._comma + self._write(item, leaves) for item in self._structure) + "]"

    def _nest(self, depth: int) -> Any:
        """A list, pairs of keys (some twice) and values, or None for a leaf."""
        draw = self._draw
        kind = draw.random() if depth else 1
        if kind > 0.7:
            return None
        count = draw.choice([0, 1, 2, 3, 8, 20])
        items = [self._nest(depth - 1) for _ in range(count)]
        return items if kind < 0.2 else tuple((draw.choice(KEYS), item) for item in items)

    def _leaves(self, structure: Any) -> list[str]:
        if structure is None:
            return [self._new()]
        items = structure if isinstance(structure, list) else [item for _, item in structure]
        return [leaf for item in items for leaf in self._leaves(item)]

    def _write(self, structure: Any, leaves: Iterator[str]) -> str:
        if structure is None:
            return next(leaves)
        if isinstance(structure, list):
            return "[" + self._comma.join(self._write(item, leaves) for item in structure) + "]"
        pairs = (f"{self._text(key)}{self._colon}{self._write(item, leaves)}" for key, item in structure)
        return "{" + self._comma.join(pairs) + "}"

    def _new(self) -> str:
        draw = self._draw
        kind = draw.random()
        if kind < 0.2:
            return draw.choice(NUMBERS)
        if kind < 0.4:
            return str(draw.randrange(-(10 ** draw.randrange(1, 18)), 10 ** draw.randrange(1, 18)))
        if kind < 0.5:
            made = str(uuid.UUID(int=draw.getrandbits(128)))
            return self._text(made if draw.random() < 0.8 else made.upper())
        return self._text("".join(draw.choice(TEXTS) for _ in range(draw.choice([1, 1, 2, 4]))))

    def _changed(self, index: int, leaf: str) -> str:
        draw = self._draw
        kind = draw.random()
        if kind < 0.4 and leaf.lstrip("-").isdigit():
            return str(int(leaf) + self._steps[index])
        if kind < 0.7 and leaf[0] == '"' and len(leaf) < 2000:
            text = json.loads(leaf)
            kept = text if draw.random() < 0.6 else text[: draw.randrange(len(text) + 1)]
            return self._text(kept + draw.choice(TEXTS))
        return self._new()

    def _text(self, text: str) -> str:
        # A lone surrogate has no UTF-8 form, so that no codec sends it as it is.
        escape = self._escape or any("\ud800" <= sign <= "\udfff" for sign in text)
        return json.dumps(text, ensure_ascii=escape)


def _other(draw: random.Random) -> str:
    many = ",".join(str(draw.randrange(9)) for _ in range(draw.choice([10, 500, 520])))
    return draw.choice(
        [
            *("0", '0{"sid":"x"}', "1", '23["asked",{"a":1}]', '3/a,7["answer"]', '4{"message":"no"}', "2[", "2", "2x"),
            *(
                '51-["bytes",{}]',
                '2["pretty",{\n  "a":1\n}]',
                '2["tabs",{\t"a":1}]',
                '2["cut",{"a":1',
                '2["e"]',
                '2["e"]x',
            ),
            f'2["many",[{many}]]',
            f'2["long","{"x" * draw.choice([500, 600])}","{"😀" * draw.choice([100, 300])}"]',
        ]
    )
