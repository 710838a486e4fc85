"""Old and new clients at one server: real ones, each counted by itself.

In: a quiet lab, events. Out: what each one's handlers got, and the bytes that came for it.
Never: lets the clock decide what travels together: a burst begins only when all of the one before has arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reznet_ws.lab.clients.listener import Listener
from reznet_ws.lab.clients.member import Member
from reznet_ws.lab.lab import Lab
from reznet_ws.replay.link import decode
from reznet_ws.replay.trace import Event

_BURST = 6


def everybody() -> list[Member]:
    """Who a server meets in the years after it has learnt format 2."""
    return [
        Member("stock"),
        Member("stock-deflate", deflate=True),
        Member("new", "reznet=2", deflate=True, decodes=True),
        Member("polling", transport="polling"),
        Member("new-polling", "reznet=2", transport="polling", decodes=True),
        Member("asks-for-9", "reznet=9", deflate=True, decodes=True),
    ]


def play(lab: Lab, events: Sequence[Event]) -> dict[str, int]:
    """Emit events to every member, in bursts; name -> bytes that came for it, HTTP headers included."""
    before = {member.name: member.received_bytes for member in lab.members}
    wanted = len(lab.members[0].events)
    for start in range(0, len(events), _BURST):
        burst = events[start : start + _BURST]
        lab.emit(burst)
        wanted += len(burst)
        lab.run(_arrived(lab, wanted))
    return {member.name: member.received_bytes - before[member.name] for member in lab.members}


def read_events(page: Listener, count: int) -> tuple[list[str | bytes], int]:
    """What a listener's WebSocket handed over for so many events, and the bytes of its frames. Raises: TimeoutError."""
    have, frames = len(page.messages), []
    while len(decode(page.messages[have:])) < count:
        frames += page.read(1)
    frames += page.read(len(page.messages) - have - len(frames))  # came along with the one before
    return page.messages[have:], sum(map(len, frames))


async def _arrived(lab: Lab, count: int) -> None:
    await asyncio.gather(*(member.receive(count) for member in lab.members))
    # By then the window has closed, and whoever polls has asked again.
    await asyncio.sleep(2 * lab.settings.batch_window_ms / 1000)
