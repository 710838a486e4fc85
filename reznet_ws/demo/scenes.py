"""Scenes of an agent chat: what happens in one channel when somebody asks, talks, types, or when an agent plans.

In: random numbers, who is in the room, when the scene starts. Out: its messages, each with its time.
Never: reads a clock (time is simulated), waits, sends, or draws from anything but what it is given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reznet_ws.demo.vocabulary import (
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
from reznet_ws.message.fields import iso_from_ms

# The seed document's own timestamp: 2025-10-25T12:00:00.000Z.
EPOCH_MS = 1_761_393_600_000
MIN_PLAN_BYTES, MAX_PLAN_BYTES = 10_500, 24_000

# When (ms), which event, its data.
Step = tuple[float, str, dict[str, Any]]


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
class Room:
    """Who is there, each with the id that it keeps."""

    agents: list[_Agent]
    users: list[tuple[str, str]]
    channels: list[str]

    @classmethod
    def drawn(cls, draw: Draw) -> Room:
        """Everybody, with ids and models from the seed."""
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
class Scene:
    """Writes down what happens in one channel, while its own time goes on."""

    draw: Draw
    room: Room
    language: Language
    channel: str
    user: tuple[str, str]
    agent: _Agent
    start_ms: float
    now_ms: float
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def drawn(cls, draw: Draw, room: Room, languages: Sequence[str], start_ms: float) -> Scene:
        """A channel, who talks in it with which agent, and in which of some languages."""
        language = LANGUAGES[pick(draw, languages)]
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


def _play_streamed(scene: Scene) -> None:
    question = _ask(scene)
    text = content(scene.draw, scene.language, 150, 650)
    message_id = _uuid(scene.draw)
    _status(scene, "busy")
    _stream(scene, message_id, text)
    _answer(scene, message_id, text, question)


def _play_answered(scene: Scene) -> None:
    question = _ask(scene)
    if scene.draw() < 0.5:
        _status(scene, "busy")
    scene.wait(300, 1200)
    _answer(scene, _uuid(scene.draw), content(scene.draw, scene.language, 40, 1400), question)


def _play_talk(scene: Scene) -> None:
    for _ in range(int(between(scene.draw, 1, 3))):
        _typing(scene, True)
        scene.wait(400, 1200)
    _say(scene)


def _play_typing(scene: Scene) -> None:
    _typing(scene, True)
    scene.wait(500, 2500)
    _typing(scene, False)


def _play_presence(scene: Scene) -> None:
    for _ in range(int(between(scene.draw, 1, 4))):
        agent = pick(scene.draw, scene.room.agents)
        status = pick(scene.draw, ("online", "idle", "busy"))
        # What comes and goes by itself carries no time, as in the seed document's own examples.
        scene.emit("agent_status", agent_name=agent.name, agent_id=agent.id, status=status)
        scene.wait(5, 400)


def _play_plan(scene: Scene) -> None:
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


def _play_failure(scene: Scene) -> None:
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


def _ask(scene: Scene) -> str:
    _typing(scene, True)
    scene.wait(400, 1500)
    question = _say(scene)
    scene.wait(20, 200)
    _status(scene, "thinking")
    scene.wait(300, 1500)
    return question


def _say(scene: Scene) -> str:
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


def _typing(scene: Scene, is_typing: bool) -> None:
    name, user_id = scene.user
    scene.emit("user_typing", channel_id=scene.channel, author_id=user_id, author_name=name, is_typing=is_typing)


def _status(scene: Scene, status: str) -> None:
    agent = scene.agent
    scene.emit("agent_status", agent_name=agent.name, agent_id=agent.id, status=status, updated_at=scene.now)


def _stream(scene: Scene, message_id: str, text: str) -> None:
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


def _answer(scene: Scene, message_id: str, text: str, question: str) -> None:
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


def _tasks(scene: Scene) -> list[dict[str, Any]]:
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


def _task(scene: Scene, order: int) -> dict[str, Any]:
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


# Kind of scene -> what writes it down.
SCENES: Mapping[str, Callable[[Scene], None]] = {
    "streamed": _play_streamed,
    "answered": _play_answered,
    "talk": _play_talk,
    "typing": _play_typing,
    "presence": _play_presence,
    "plan": _play_plan,
    "failure": _play_failure,
}
