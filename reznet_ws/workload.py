"""The traffic of an agent chat: users ask, agents think, stream, report their status and post long plans.

In: a seed, a rate, a mix. Out: an endless iterator of messages, each with the time when it is due.
Never: reads a clock (time is simulated), waits, sends, or draws from anything but the seed. The same arguments give
the same bytes on every Python and every platform; nothing is made before it is asked for.

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
import json
import math
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from reznet_ws.fields import iso_from_ms
from reznet_ws.vocabulary import (
    AGENTS,
    ERRORS,
    LANGUAGES,
    MAX_CONTENT_CHARS,
    MODELS,
    USERS,
    Draw,
    Language,
    between,
    brief,
    content,
    favour,
    on_topic,
    pick,
    pieces,
    remark,
    sentence,
)

# The seed document's own timestamp: 2025-10-25T12:00:00.000Z.
EPOCH_MS = 1_761_393_600_000
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
MIN_PLAN_BYTES, MAX_PLAN_BYTES = 10_500, 24_000

# Few scenes last longer than 6 s. 6000 messages take 0.2 s to make; above 1000 a second the room has less time to fill.
_WARM_UP_MS, _WARM_UP_MESSAGES = 6_000.0, 6_000


@dataclass(frozen=True, kw_only=True)
class Message:
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
        return {name: getattr(self, name) for name in _SCENES}


def generate(seed: int, rate_per_s: float, mix: Mix | str = "chat") -> Iterator[Message]:
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


_Step = tuple[float, str, dict[str, Any]]


def _number(steps: Iterator[_Step]) -> Iterator[Message]:
    seq = 0
    for offset_ms, event, data in steps:
        if offset_ms >= 0:
            data["seq"] = seq
            yield Message(offset_ms=offset_ms, event=event, data=data)
            seq += 1


def _merge(scenes: Iterator[_Scene]) -> Iterator[_Step]:
    """Interleave the scenes, which come in the order of their starts, and hold only those that overlap."""
    # The count keeps equal offsets in order, and the heap from comparing dicts.
    waiting: list[tuple[float, int, _Step]] = []
    count = 0
    for scene in scenes:
        while waiting and waiting[0][0] < scene.start_ms:
            yield heapq.heappop(waiting)[2]
        for step in scene.steps:
            heapq.heappush(waiting, (step[0], count, step))
            count += 1


def _scenes(draw: Draw, rate_per_s: float, mix: Mix) -> Iterator[_Scene]:
    room = _Room.drawn(draw)
    plays = list(_SCENES.values())
    # accumulate() adds plainly; sum() rounds floats in another way from Python 3.12 on.
    limits = list(accumulate(mix.weights().values()))
    slot_ms, length_ms = -min(_WARM_UP_MS, 1000 * _WARM_UP_MESSAGES / rate_per_s), 0.0
    while True:
        scene = _Scene.drawn(draw, room, mix, slot_ms + length_ms * draw())
        play = plays[bisect(limits, limits[-1] * draw(), hi=len(plays) - 1)]
        play(scene)
        yield scene
        slot_ms += length_ms
        length_ms = 1000 * len(scene.steps) / rate_per_s


def _uuid(draw: Draw) -> str:
    """What looks like a random UUID (version 4): 122 bits that no compressor can guess, as in a real message."""
    a, b, c, d = (int(draw() * 0x1_0000_0000) for _ in range(4))
    high, low = b >> 16, b & 0x0FFF | 0x4000
    third = c >> 16 & 0x3FFF | 0x8000
    return f"{a:08x}-{high:04x}-{low:04x}-{third:04x}-{c & 0xFFFF:04x}{d:08x}"


@dataclass(frozen=True, kw_only=True)
class _Agent:
    name: str
    id: str
    model: str
    provider: str


@dataclass(frozen=True, kw_only=True)
class _Room:
    """Who is there, each with the id that it keeps."""

    agents: list[_Agent]
    users: list[tuple[str, str]]
    channels: list[str]

    @classmethod
    def drawn(cls, draw: Draw) -> _Room:
        agents = []
        for name in AGENTS:
            model, provider = favour(draw, MODELS)
            agents.append(_Agent(name=name, id=_uuid(draw), model=model, provider=provider))
        return cls(
            agents=agents,
            users=[(name, _uuid(draw)) for name in USERS],
            channels=[_uuid(draw) for _ in range(8)],
        )


@dataclass(kw_only=True)
class _Scene:
    """Writes down what happens in one channel, while its own time goes on."""

    draw: Draw
    room: _Room
    language: Language
    channel: str
    user: tuple[str, str]
    agent: _Agent
    start_ms: float
    now_ms: float
    steps: list[_Step] = field(default_factory=list)

    @classmethod
    def drawn(cls, draw: Draw, room: _Room, mix: Mix, start_ms: float) -> _Scene:
        language = LANGUAGES[pick(draw, mix.languages)]
        channel, user, agent = favour(draw, room.channels), favour(draw, room.users), favour(draw, room.agents)
        return cls(
            draw=draw,
            room=room,
            language=on_topic(draw, language),
            channel=channel,
            user=user,
            agent=agent,
            start_ms=start_ms,
            now_ms=start_ms,
        )

    def wait(self, low_ms: float, high_ms: float) -> None:
        self.now_ms += between(self.draw, low_ms, high_ms)

    def emit(self, event: str, **data: Any) -> None:
        self.steps.append((self.offset_ms, event, data))

    @property
    def offset_ms(self) -> float:
        return round(self.now_ms, 3)

    @property
    def now(self) -> str:
        return iso_from_ms(EPOCH_MS + math.floor(self.offset_ms))


def _play_streamed(scene: _Scene) -> None:
    question = _ask(scene)
    text = content(scene.draw, scene.language, 150, 650)
    message_id = _uuid(scene.draw)
    _status(scene, "busy")
    _stream(scene, message_id, text)
    _answer(scene, message_id, text, question)


def _play_answered(scene: _Scene) -> None:
    question = _ask(scene)
    if scene.draw() < 0.5:
        _status(scene, "busy")
    scene.wait(300, 1200)
    _answer(scene, _uuid(scene.draw), content(scene.draw, scene.language, 40, 1400), question)


def _play_talk(scene: _Scene) -> None:
    for _ in range(int(between(scene.draw, 1, 3))):
        _typing(scene, True)
        scene.wait(400, 1200)
    _say(scene)


def _play_typing(scene: _Scene) -> None:
    _typing(scene, True)
    scene.wait(500, 2500)
    _typing(scene, False)


def _play_presence(scene: _Scene) -> None:
    for _ in range(int(between(scene.draw, 1, 4))):
        agent = pick(scene.draw, scene.room.agents)
        status = pick(scene.draw, ("online", "idle", "busy"))
        # What comes and goes by itself carries no time, as in the seed document's own examples.
        scene.emit("agent_status", agent_name=agent.name, agent_id=agent.id, status=status)
        scene.wait(5, 400)


def _play_plan(scene: _Scene) -> None:
    (scene.agent,) = (agent for agent in scene.room.agents if agent.name == "@orchestrator")
    _status(scene, "planning")
    scene.wait(500, 2000)
    tasks = _tasks(scene)
    scene.emit(
        "workflow_plan",
        workflow_id=_uuid(scene.draw),
        channel_id=scene.channel,
        orchestrator=scene.agent.name,
        description=sentence(scene.draw, scene.language),
        status=pick(scene.draw, ("created", "running")),
        total_tasks=len(tasks),
        created_at=scene.now,
        plan={"tasks": tasks},
    )
    scene.wait(20, 300)
    _status(scene, "online")


def _play_failure(scene: _Scene) -> None:
    code, message = pick(scene.draw, ERRORS)
    scene.emit(
        "error",
        code=code,
        message=message,
        channel_id=scene.channel,
        agent_name=scene.agent.name,
        created_at=scene.now,
        retry_after_ms=int(between(scene.draw, 1, 60)) * 500,
    )


_SCENES: Mapping[str, Callable[[_Scene], None]] = {
    "streamed": _play_streamed,
    "answered": _play_answered,
    "talk": _play_talk,
    "typing": _play_typing,
    "presence": _play_presence,
    "plan": _play_plan,
    "failure": _play_failure,
}


def _ask(scene: _Scene) -> str:
    _typing(scene, True)
    scene.wait(400, 1500)
    question = _say(scene)
    scene.wait(20, 200)
    _status(scene, "thinking")
    scene.wait(300, 1500)
    return question


def _say(scene: _Scene) -> str:
    """A user's message, with the end of the typing that led to it."""
    name, user_id = scene.user
    message_id = _uuid(scene.draw)
    scene.emit(
        "message_new",
        message_id=message_id,
        channel_id=scene.channel,
        author_type="user",
        author_id=user_id,
        author_name=name,
        content=remark(scene.draw, scene.language, 40, 260),
        created_at=scene.now,
        metadata={"in_reply_to": None},
    )
    _typing(scene, False)
    return message_id


def _typing(scene: _Scene, is_typing: bool) -> None:
    name, user_id = scene.user
    scene.emit("user_typing", channel_id=scene.channel, author_id=user_id, author_name=name, is_typing=is_typing)


def _status(scene: _Scene, status: str) -> None:
    agent = scene.agent
    scene.emit("agent_status", agent_name=agent.name, agent_id=agent.id, status=status, updated_at=scene.now)


def _stream(scene: _Scene, message_id: str, text: str) -> None:
    """One chunk after the other at a steady cadence; joined, they are the text."""
    words, cadence_ms = pieces(text), between(scene.draw, 35, 90)
    at = 0
    while at < len(words):
        size = int(between(scene.draw, 1, 7))
        chunk, at = "".join(words[at : at + size]), at + size
        is_final = at >= len(words)
        scene.emit(
            "message_stream",
            message_id=message_id,
            channel_id=scene.channel,
            author_id=scene.agent.id,
            agent_name=scene.agent.name,
            chunk=chunk,
            is_final=is_final,
            streaming=not is_final,
        )
        scene.wait(0.8 * cadence_ms, 1.2 * cadence_ms)


def _answer(scene: _Scene, message_id: str, text: str, question: str) -> None:
    """The agent's message, and the update that follows, often with one more sentence."""
    agent, draw = scene.agent, scene.draw
    # A token is about four characters of English.
    metadata = {"model": agent.model, "provider": agent.provider, "tokens": len(text) // 4, "in_reply_to": question}
    scene.emit(
        "message_new",
        message_id=message_id,
        channel_id=scene.channel,
        author_type="agent",
        author_id=agent.id,
        author_name=agent.name,
        content=text,
        created_at=scene.now,
        metadata=metadata,
    )
    _status(scene, "idle")
    scene.wait(300, 1500)
    longer = f"{text}\n\n{sentence(draw, scene.language)}"
    if draw() < 0.6 and len(longer) <= MAX_CONTENT_CHARS:
        text = longer
    scene.emit(
        "message_update",
        message_id=message_id,
        channel_id=scene.channel,
        content=text,
        updated_at=scene.now,
        status=pick(draw, ("completed", "edited", "completed")),
        metadata={**metadata, "tokens": len(text) // 4},
    )


def _tasks(scene: _Scene) -> list[dict[str, Any]]:
    """Tasks until the plan is large enough in both spellings of JSON, that with UTF-8 and that with escapes."""
    goal = between(scene.draw, MIN_PLAN_BYTES, MAX_PLAN_BYTES)
    tasks: list[dict[str, Any]] = []
    utf8_bytes = escaped_bytes = 0
    while utf8_bytes < MIN_PLAN_BYTES or escaped_bytes < goal:
        task = _task(scene, len(tasks) + 1)
        tasks.append(task)
        utf8_bytes += len(json.dumps(task, ensure_ascii=False, separators=(",", ":")).encode())
        escaped_bytes += len(json.dumps(task, separators=(",", ":")))
    return tasks


def _task(scene: _Scene, order: int) -> dict[str, Any]:
    draw = scene.draw
    agent = pick(draw, scene.room.agents)
    earlier = {int(between(draw, 1, order)) for _ in range(int(between(draw, 0, 3)))} if order > 1 else set()
    return {
        "order": order,
        "description": brief(draw, scene.language),
        "agent_name": agent.name,
        "status": "pending" if order > 2 else "in_progress",
        "depends_on": sorted(earlier),
        "metadata": {
            "model": agent.model,
            "provider": agent.provider,
            "tokens": int(between(draw, 300, 9000)),
            "estimate_minutes": 5 * int(between(draw, 1, 25)),
        },
    }


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
