"""Whether a log has each line twice, because several handlers write it: a logger's own, and the root's.

In: the lines at the beginning of a log. Out: which lines to leave out.
Never: takes for a double what was sent twice. Handlers that write in different forms have their own prefixes, and one
mirrors the other; those that write in the same form repeat every line, so that no line stands alone.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

# A handler's copy is not farther from the original; and of its lines as many have one.
_NEAR_LINES = 32
_MIRRORED = 0.95
_MOST_ALONE = 1.1
_LEAST_LINES = 3
# As many lines that all come twice are no accident.
_LEAST_RUNS = 5
# Of a line that a terminal broke: a session, and what was done.
_LEAST_CHARACTERS = 36
_DIGITS = re.compile(r"[0-9]+")


class PacketLine(NamedTuple):
    """A line that says that a packet was sent or received: the form of what is around it, and what it says."""

    form: str
    said: str
    has_clock: bool
    whole: str


@dataclass(frozen=True, slots=True)
class Doubles:
    """`forms` that mirror another; and how often each line of the rest is written."""

    forms: frozenset[str] = frozenset()
    copies: int = 1


def form_of(wrapping: str, prefix: str) -> str:
    """What all lines of one handler have in common."""
    return f"{wrapping}{_DIGITS.sub('0', prefix)}"


def find_doubles(lines: Iterable[PacketLine]) -> Doubles:
    """What of these lines is there more than once."""
    lines = list(lines)
    by_form: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        by_form[line.form].append(at)
    # Who tells the time is kept; else who began.
    order = sorted(by_form, key=lambda form: (not lines[by_form[form][0]].has_clock, by_form[form][0]))
    left_out: set[str] = set()
    for number, form in enumerate(order):
        if any(_mirrors(lines, by_form[form], by_form[kept]) for kept in order[:number] if kept not in left_out):
            left_out.add(form)
    rest = [line.whole for line in lines if line.form not in left_out]
    runs = [sum(1 for _ in run) for _, run in groupby(rest)]
    copies = math.gcd(*runs) if len(runs) >= _LEAST_RUNS else 1
    return Doubles(frozenset(left_out), max(1, copies))


def _mirrors(lines: list[PacketLine], copies: list[int], originals: list[int]) -> bool:
    """Whether each of some lines is there in the other form too, and the other form says no more meanwhile."""
    if len(copies) < _LEAST_LINES:
        return False
    low, high = copies[0] - _NEAR_LINES, copies[-1] + _NEAR_LINES
    near = [at for at in originals if low <= at <= high]
    if len(near) > len(copies) * _MOST_ALONE + 1:
        return False
    mirrored = 0
    waiting: deque[int] = deque()
    following = iter(near)
    after = next(following, None)
    for at in copies:
        while after is not None and after <= at + _NEAR_LINES:
            waiting.append(after)
            after = next(following, None)
        while waiting and waiting[0] < at - _NEAR_LINES:
            waiting.popleft()
        twin = next((other for other in waiting if _say_the_same(lines[at].said, lines[other].said)), None)
        if twin is not None:
            waiting.remove(twin)
            mirrored += 1
    return mirrored >= len(copies) * _MIRRORED


def _say_the_same(first: str, second: str) -> bool:
    """Also where a terminal broke one of the lines sooner, since it begins farther to the right."""
    if first == second:
        return True
    shorter, longer = sorted((first, second), key=len)
    return len(shorter) >= _LEAST_CHARACTERS and longer.startswith(shorter)
