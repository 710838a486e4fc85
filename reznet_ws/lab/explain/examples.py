"""The messages that the notebooks take apart, and what the seed document says of them.

In: nothing. Out: events with their data.
Never: measures.
"""

from __future__ import annotations

from typing import Any

from reznet_ws.replay.trace import Event

# The seed document's own example.
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

# The document's example of a batch, with full keys, and the same agents a little later.
_AGENTS = ("@backend", "@frontend", "@qa", "@devops", "@orchestrator")
SEED_STATUSES: list[Event] = [
    ("agent_status", {"agent_name": name, "status": status})
    for name, status in zip(_AGENTS, ("thinking", "online", "idle", "busy", "planning"), strict=True)
]
NEXT_STATUSES: list[Event] = [
    ("agent_status", {"agent_name": name, "status": status})
    for name, status in zip(_AGENTS, ("online", "busy", "thinking", "idle", "online"), strict=True)
]

# The document's table "Field Abbreviation Reference": what it says that each key saves, in per cent.
_PERCENTS = """
message_id:73 channel_id:73 author_type:83 author_name:83 author_id:75 content:88 created_at:82 updated_at:82
metadata:89 agent_name:83 agent_id:67 status:83 workflow_id:73 description:92 orchestrator:67 plan:75
total_tasks:83 tasks:83 order:83 depends_on:75 model:67 provider:67 in_reply_to:75 tokens:63 chunk:60
is_final:71 streaming:70
"""
SEED_KEY_PERCENTS = {key: int(percent) for key, _, percent in (pair.partition(":") for pair in _PERCENTS.split())}
