"""Small traffic: the cursors of some people who edit one document, about 100 bytes a move, all of one shape.

In: a seed. Out: an endless iterator of events.
Never: draws from anything but the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from reznet_ws.demo.workload import TraceEvent

_PEOPLE, _WIDTH, _HEIGHT, _STEP = 6, 1600, 900, 40
_APART_MS = 50.0


def move_cursors(seed: int) -> Iterator[TraceEvent]:
    """Somebody's cursor after the other, a little further each time."""
    draw = random.Random(seed)
    document, people = f"{draw.getrandbits(64):016x}", [f"{draw.getrandbits(32):08x}" for _ in range(_PEOPLE)]
    places = {person: [draw.randrange(_WIDTH), draw.randrange(_HEIGHT)] for person in people}
    offset_ms = 0.0
    while True:
        person = draw.choice(people)
        x, y = places[person] = [place + draw.randint(-_STEP, _STEP) for place in places[person]]
        data = {"document": document, "person": person, "x": x, "y": y}
        yield TraceEvent(offset_ms=offset_ms, event="cursor", data=data)
        offset_ms += _APART_MS
