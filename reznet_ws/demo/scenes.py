"""Scenes of an agent chat: what happens in one channel when somebody asks, talks, types, or when an agent plans.

In: a scene, with who takes part in it. Out: the scene, with its messages written down.
Never: reads a clock, waits or sends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reznet_ws.demo.cast import Scene, draw_uuid
from reznet_ws.demo.vocabulary import (
    ERRORS,
    MAX_CONTENT_CHARS,
    between,
    brief,
    content,
    pick,
    pieces,
    remark,
    sentence,
)

MIN_PLAN_BYTES, MAX_PLAN_BYTES = 10_500, 24_000


def _play_streamed(scene: Scene) -> None:
    question = _ask(scene)
    text = content(scene.draw, scene.language, 150, 650)
    message_id = draw_uuid(scene.draw)
    _status(scene, "busy")
    _stream(scene, message_id, text)
    _answer(scene, message_id, text, question)


def _play_answered(scene: Scene) -> None:
    question = _ask(scene)
    if scene.draw() < 0.5:
        _status(scene, "busy")
    scene.wait(300, 1200)
    _answer(scene, draw_uuid(scene.draw), content(scene.draw, scene.language, 40, 1400), question)


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
        agent = pick(scene.draw, scene.cast.agents)
        status = pick(scene.draw, ("online", "idle", "busy"))
        # What comes and goes by itself carries no time.
        scene.emit("agent_status", agent_name=agent.name, agent_id=agent.id, status=status)
        scene.wait(5, 400)


def _play_plan(scene: Scene) -> None:
    (scene.agent,) = (agent for agent in scene.cast.agents if agent.name == "@orchestrator")
    _status(scene, "planning")
    scene.wait(500, 2000)
    tasks = _tasks(scene)
    scene.emit(
        "workflow_plan",
        workflow_id=draw_uuid(scene.draw),
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
    message_id = draw_uuid(scene.draw)
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
    agent = pick(draw, scene.cast.agents)
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
