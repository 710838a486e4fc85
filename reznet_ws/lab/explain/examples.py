"""The messages that the notebooks take apart.

In: nothing. Out: events with their data.
Never: measures.
"""

from __future__ import annotations

from typing import Any

from reznet_ws.replay.trace import Event

# Mostly keys: short ids, two words of content.
EXAMPLE: dict[str, Any] = {
    "message_id": "abc-123",
    "channel_id": "xyz-456",
    "author_type": "agent",
    "author_name": "@backend",
    "content": "Response here...",
    "created_at": "2025-10-25T12:00:00.000Z",
    "metadata": {"model": "claude-3", "provider": "anthropic"},
}
# What the same agent says next.
REPLY: dict[str, Any] = {
    **EXAMPLE,
    "message_id": "abc-124",
    "content": "The tests pass. Shall I deploy it?",
    "created_at": "2025-10-25T12:00:07.250Z",
}
# The same sentence twice: "Deployed; all tests have passed."
RUSSIAN = "Развёртывание завершено, все тесты пройдены."
CHINESE = "部署已完成，所有测试均已通过。"

# Five agents say how they are, and the same agents a little later.
_AGENTS = ("@backend", "@frontend", "@qa", "@devops", "@orchestrator")
STATUSES: list[Event] = [
    ("agent_status", {"agent_name": name, "status": status})
    for name, status in zip(_AGENTS, ("thinking", "online", "idle", "busy", "planning"), strict=True)
]
NEXT_STATUSES: list[Event] = [
    ("agent_status", {"agent_name": name, "status": status})
    for name, status in zip(_AGENTS, ("online", "busy", "thinking", "idle", "online"), strict=True)
]
