"""The traffic of an agent chat: users ask, agents think, stream, report their status and post long plans.

In: a seed, a rate, a mix. Out: an endless iterator of messages, each with the time when it is due.
Never: reads a clock (time is simulated), waits or sends.
Never: draws from anything but the seed: the same arguments give the same bytes on every Python and every platform.
Never: makes a message before it is asked for.

- A *scene* is one thing that happens in one channel: somebody asks and an agent streams its answer, for instance. Its
  messages come close together, as they do in a real room; scenes overlap.
- A scene of n messages pays for a slot of n/rate seconds, and the next scene starts anywhere in it. So the starts are
  random, and yet the rate cannot drift: all scenes so far are never more than two away from rate × time.
- The room is in full swing at 0: scenes that began up to 6 s before are under way, and what they had to say before 0 is
  left out. So the first second is as busy as any other, and the first messages may be the end of a stream.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from reznet_ws.demo.cast import Cast, Scene, Step
from reznet_ws.demo.scenes import SCENES
from reznet_ws.demo.vocabulary import LANGUAGES, Draw

EVENTS = (
    "message_stream",
    "agent_status",
    "user_typing",
    "message_new",
    "message_update",
    "workflow_plan",
    "error",
)
MIN_RATE_PER_S, MAX_RATE_PER_S = 0.1, 10_000.0
MAX_WEIGHT = 1000

# Few scenes last longer than 6 s. 6000 messages take 0.2 s to make; above 1000 a second the room has less time to fill.
_WARM_UP_MS, _WARM_UP_MESSAGES = 6_000.0, 6_000


@dataclass(frozen=True, kw_only=True)
class TraceEvent:
    """One event that the server emits. Units: offset in ms from the start; `data["seq"]` counts from 0."""

    offset_ms: float
    event: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How often each kind of scene starts, in relation to the others, and in which languages people talk.

    Units: weights, of which only the ratio counts. Raises: ValueError.
    """

    streamed: float = 0.0  # a question, and an answer that arrives in chunks: about 30 messages
    answered: float = 0.0  # a question, and an answer in one piece: 8
    talk: float = 0.0  # a remark from one user to the others: 3 or 4
    typing: float = 0.0  # somebody types and thinks better of it: 2
    presence: float = 0.0  # agents come and go: 1 to 3
    plan: float = 0.0  # an orchestrator posts a plan above 10 KB: 3
    failure: float = 0.0  # an error: 1
    languages: tuple[str, ...] = ("en",)

    def __post_init__(self) -> None:
        weights = self.weights()
        for name, weight in weights.items():
            if not 0 <= weight <= MAX_WEIGHT:
                raise ValueError(f"{name} is {weight!r}; a weight must be from 0 to {MAX_WEIGHT}")
        if not any(weights.values()):
            raise ValueError("every weight is 0; at least one must be above")
        if not self.languages or not set(self.languages) <= set(LANGUAGES):
            raise ValueError(f"languages is {self.languages!r}; it must name some of {', '.join(LANGUAGES)}")

    def weights(self) -> dict[str, float]:
        """Kind of scene -> its weight."""
        return {name: getattr(self, name) for name in SCENES}


def generate(seed: int, rate_per_s: float, mix: Mix | str = "chat") -> Iterator[TraceEvent]:
    """Endless messages in the order of their offsets, on average `rate_per_s` of them each second.

    Raises: ValueError, at the call, for a negative seed, a rate outside `MIN_RATE_PER_S` to `MAX_RATE_PER_S` or an
    unknown mix.
    """
    # random.Random takes a seed's absolute value, so that -1 would be 1 once more.
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number of at least 0")
    if not MIN_RATE_PER_S <= rate_per_s <= MAX_RATE_PER_S:
        raise ValueError(f"rate_per_s is {rate_per_s!r}; it must be from {MIN_RATE_PER_S} to {MAX_RATE_PER_S:.0f}")
    if isinstance(mix, str):
        if mix not in MIXES:
            raise ValueError(f"mix is {mix!r}; it must be a Mix or one of {', '.join(MIXES)}")
        mix = MIXES[mix]
    return _number(_merge(_scenes(random.Random(seed).random, rate_per_s, mix)))


def _number(steps: Iterator[Step]) -> Iterator[TraceEvent]:
    seq = 0
    for offset_ms, event, data in steps:
        if offset_ms >= 0:
            data["seq"] = seq
            yield TraceEvent(offset_ms=offset_ms, event=event, data=data)
            seq += 1


def _merge(scenes: Iterator[Scene]) -> Iterator[Step]:
    """Interleave the scenes, which come in the order of their starts, and hold only those that overlap."""
    # The count keeps equal offsets in order, and the heap from comparing dicts.
    waiting: list[tuple[float, int, Step]] = []
    count = 0
    for scene in scenes:
        while waiting and waiting[0][0] < scene.start_ms:
            yield heapq.heappop(waiting)[2]
        for step in scene.steps:
            heapq.heappush(waiting, (step[0], count, step))
            count += 1


def _scenes(draw: Draw, rate_per_s: float, mix: Mix) -> Iterator[Scene]:
    cast = Cast.drawn(draw)
    plays = list(SCENES.values())
    # accumulate() adds plainly; sum() rounds floats in another way from Python 3.12 on.
    limits = list(accumulate(mix.weights().values()))
    slot_ms, length_ms = -min(_WARM_UP_MS, 1000 * _WARM_UP_MESSAGES / rate_per_s), 0.0
    while True:
        scene = Scene.drawn(draw, cast, mix.languages, slot_ms + length_ms * draw())
        play = plays[bisect(limits, limits[-1] * draw(), hi=len(plays) - 1)]
        play(scene)
        yield scene
        slot_ms += length_ms
        length_ms = 1000 * len(scene.steps) / rate_per_s


# What "chat" gives by count: message_stream 46 %, agent_status 20, user_typing 15, message_new 12, message_update 5,
# workflow_plan 1.5, error 0.4.
_CHAT = Mix(streamed=1.95, answered=2.9, talk=2.4, typing=0.3, presence=2.2, plan=1.6, failure=0.5)
MIXES: Mapping[str, Mix] = {
    "chat": _CHAT,
    "streaming": Mix(streamed=20, answered=0.5, talk=1, typing=1, presence=1, plan=0.6, failure=0.6),
    "status": Mix(streamed=0.1, answered=0.5, talk=1, typing=12, presence=20, plan=0.1, failure=0.3),
    "plans": Mix(streamed=0.5, answered=2, talk=2, typing=1, presence=1, plan=12, failure=0.3),
    "unicode": dataclasses.replace(_CHAT, languages=("en", "ru", "zh")),
}
