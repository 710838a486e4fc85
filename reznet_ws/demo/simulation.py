"""The agents of the demo's chat: they say what the workload says, when it is due, to whom the topology says.

In: a seed, a rate, a mix, who sits where. Out: events at the server, and for each when it was due.
Never: skips what was due, unless nobody is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from reznet_ws.adapters import tap
from reznet_ws.adapters.manager import ConnectionManager
from reznet_ws.demo.seating import Place, Seating
from reznet_ws.demo.topologies import ONE_ROOM, Topology
from reznet_ws.demo.workload import MIN_RATE_PER_S, Mix, TraceEvent, generate


class Simulation:
    """Plays the agents: emits the workload's messages when they are due.

    `seq` in the data counts on through every change. `seating`: who is there.
    """

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager
        self.seating = Seating(manager.sio)
        self._task: asyncio.Task[None] | None = None
        self._next_seq = 0

    @property
    def is_running(self) -> bool:
        """Whether agents talk."""
        return self._task is not None and not self._task.done()

    def start(
        self, *, seed: int = 1, rate_per_s: float = 20, mix: str | Mix = "chat", topology: Topology = ONE_ROOM
    ) -> None:
        """Let the agents talk, from the beginning of the workload. Raises: ValueError for figures out of bounds."""
        messages = generate(seed, rate_per_s, mix)
        self.stop()
        self._task = asyncio.get_running_loop().create_task(self._play(messages, seed, rate_per_s, mix, topology))

    def stop(self) -> None:
        """Let the agents fall silent."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _play(
        self, messages: Iterator[TraceEvent], seed: int, rate_per_s: float, mix: str | Mix, topology: Topology
    ) -> None:
        await self.seating.change(topology)
        conversations: dict[int, Iterator[TraceEvent]] = {}
        began_s = time.monotonic()
        for message in messages:
            due_s = began_s + message.offset_ms / 1000
            # Late messages go out at once: what was due is never skipped.
            await asyncio.sleep(max(0, due_s - time.monotonic()))
            place = self.seating.next_place(seed)
            if place is None:
                continue
            if not self.seating.is_one_conversation:
                # Each room talks of its own, about as often as its turn comes.
                if place.conversation not in conversations:
                    slower = max(MIN_RATE_PER_S, rate_per_s / self.seating.conversations)
                    conversations[place.conversation] = generate(seed + 1000 * (place.conversation + 1), slower, mix)
                message = next(conversations[place.conversation])
            await self._emit(message, due_s, place)

    async def _emit(self, message: TraceEvent, due_s: float, place: Place) -> None:
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        tap.due_s.set(due_s)  # in this task and no other
        data = {**message.data, "seq": seq}
        await self._manager.broadcast(message.event, data, room=place.room, skip_sid=place.skip_sid)
