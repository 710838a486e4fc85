"""Who takes part in an agent chat, and the scene in which they write down what happens in one channel.

In: random numbers, who is in the room, when the scene starts. Out: messages, each with its time.
Never: reads a clock (time is simulated), waits or sends.
Never: draws from anything but what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reznet_ws.demo.vocabulary import (
    AGENTS,
    LANGUAGES,
    MODELS,
    USERS,
    Draw,
    Language,
    between,
    favour,
    on_topic,
    pick,
)
from reznet_ws.message.fields import iso_from_ms

# 2025-10-25T12:00:00.000Z.
EPOCH_MS = 1_761_393_600_000

# When (ms), which event, its data.
Step = tuple[float, str, dict[str, Any]]


def draw_uuid(draw: Draw) -> str:
    """What looks like a random UUID (version 4): 122 bits that no compressor can guess, as in a real message."""
    a, b, c, d = (int(draw() * 0x1_0000_0000) for _ in range(4))
    high, low = b >> 16, b & 0x0FFF | 0x4000
    third = c >> 16 & 0x3FFF | 0x8000
    return f"{a:08x}-{high:04x}-{low:04x}-{third:04x}-{c & 0xFFFF:04x}{d:08x}"


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent, and the model behind it."""

    name: str
    id: str
    model: str
    provider: str


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who is there, each with the id that it keeps."""

    agents: list[Agent]
    users: list[tuple[str, str]]
    channels: list[str]

    @classmethod
    def drawn(cls, draw: Draw) -> Cast:
        """Everybody, with ids and models from the seed."""
        agents = []
        for name in AGENTS:
            model, provider = favour(draw, MODELS)
            agents.append(Agent(name=name, id=draw_uuid(draw), model=model, provider=provider))
        return cls(
            agents=agents,
            users=[(name, draw_uuid(draw)) for name in USERS],
            channels=[draw_uuid(draw) for _ in range(8)],
        )


@dataclass(kw_only=True)
class Scene:
    """Writes down what happens in one channel, while its own time goes on."""

    draw: Draw
    cast: Cast
    language: Language
    channel: str
    user: tuple[str, str]
    agent: Agent
    start_ms: float
    now_ms: float
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def drawn(cls, draw: Draw, cast: Cast, languages: Sequence[str], start_ms: float) -> Scene:
        """A channel, who talks in it with which agent, and in which of some languages."""
        language = LANGUAGES[pick(draw, languages)]
        channel, user, agent = favour(draw, cast.channels), favour(draw, cast.users), favour(draw, cast.agents)
        return cls(
            draw=draw,
            cast=cast,
            language=on_topic(draw, language),
            channel=channel,
            user=user,
            agent=agent,
            start_ms=start_ms,
            now_ms=start_ms,
        )

    def wait(self, low_ms: float, high_ms: float) -> None:
        """Let some time pass."""
        self.now_ms += between(self.draw, low_ms, high_ms)

    def emit(self, event: str, **data: Any) -> None:
        """Write down what happens now."""
        self.steps.append((self.offset_ms, event, data))

    @property
    def offset_ms(self) -> float:
        """The scene's own time."""
        return round(self.now_ms, 3)

    @property
    def now(self) -> str:
        """The same as a timestamp."""
        return iso_from_ms(EPOCH_MS + math.floor(self.offset_ms))
