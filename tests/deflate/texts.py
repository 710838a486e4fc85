"""Messages of several kinds, by number: what the tests send."""

from __future__ import annotations

import random

WORDS = "plan task agent status token é workflow message result tool answer to the of with next done"


def text(number: int, size: int = 300) -> bytes:
    """Words and figures, with much in it that other numbers have too."""
    chooser = random.Random(number)
    parts = [f'42["message",{{"id":{number},"text":"']
    while sum(map(len, parts)) < size:
        parts.append(f"{chooser.choice(WORDS.split())} {chooser.randrange(400)} ")
    return ("".join(parts) + '"}]').encode()


def hexadecimal(number: int, size: int) -> bytes:
    """What looks alike by chance only."""
    return f'42["digest","{random.Random(number).randbytes(size // 2).hex()}"]'.encode()


def figures(number: int, size: int) -> bytes:
    """Few letters, short matches everywhere."""
    chooser = random.Random(number)
    return f'42["figures",{[round(chooser.gauss(0, 1), 2) for _ in range(size // 7)]}]'.encode()


def rows(number: int, size: int) -> bytes:
    """Long matches everywhere: zlib takes the longest, and one a little longer from far away costs more bits."""
    return f'42["rows",{[[number + place, number % 7, 0, 0, 1, 0] for place in range(size // 24)]}]'.encode()
