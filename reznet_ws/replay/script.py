"""The script that a server plays and the driver follows: messages, who is in which room, and what is sent to whom.

In: a topology, conversations, how many deliveries. Out: a file that servers in any language read.
Never: sends anything.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from reznet_ws.demo.topologies import Topology, members


class Recorded(Protocol):
    """An event with its data."""

    @property
    def event(self) -> str: ...

    @property
    def data(self) -> Any: ...


class Sending(NamedTuple):
    """One emission: a message's index, and whom it is for, as in `Address`."""

    message: int
    to: str | int | None
    skip: int | None


@dataclass(frozen=True, slots=True)
class Script:
    """`messages`: `[event, data]`; `rooms`: of each slot."""

    messages: Sequence[Any]
    rooms: Sequence[Sequence[str]]
    sendings: Sequence[Sending]

    @property
    def clients(self) -> int:
        """How many take part."""
        return len(self.rooms)

    def receivers(self) -> list[Sequence[int]]:
        """The slots that each emission reaches."""
        in_rooms = members(self.rooms)
        everybody = range(self.clients)
        reached: list[Sequence[int]] = []
        for _, to, skip in self.sendings:
            slots = everybody if to is None else (to,) if isinstance(to, int) else in_rooms.get(to, ())
            reached.append(slots if skip is None else [slot for slot in slots if slot != skip])
        return reached

    def write(self, path: Path) -> None:
        """As a file; emissions by column, so that reading it leaves no holes in a server's heap, which would hide what
        connections take. Raises: OSError.
        """
        columns = dict(zip(Sending._fields, zip(*self.sendings, strict=True), strict=True))
        parts = {"messages": self.messages, "rooms": self.rooms, "sendings": columns}
        path.write_text(json.dumps(parts, ensure_ascii=False), encoding="utf-8")


def read_script(path: str) -> Script:
    """A script from its file. Raises: OSError."""
    parts = json.loads(Path(path).read_text(encoding="utf-8"))
    return Script(parts["messages"], parts["rooms"], list(map(Sending, *parts["sendings"].values())))


def write_script(
    topology: Topology, clients: int, conversations: Sequence[Sequence[Recorded]], deliveries: int, seed: int
) -> Script:
    """Emissions until so many deliveries are due at least.

    Where a topology has more conversations than are given, several go through the same one, each from another place.
    Raises: ValueError where one has no messages.
    """
    length = min(map(len, conversations), default=0)
    if not length:
        raise ValueError("a conversation without messages")
    rooms = topology.rooms(clients)
    streams = topology.streams(clients)
    stride = max(1, length // -(-streams // len(conversations)))
    heard = [stream // len(conversations) * stride for stream in range(streams)]
    sizes = {name: len(slots) for name, slots in members(rooms).items()}
    sendings: list[Sending] = []
    due = 0
    for stream, to, skip in topology.addresses(clients, seed):
        if due >= deliveries:
            break
        message = stream % len(conversations) * length + heard[stream] % length
        heard[stream] += 1
        sendings.append(Sending(message, to, skip))
        due += (clients if to is None else 1 if isinstance(to, int) else sizes.get(to, 0)) - (skip is not None)
    messages = [[one.event, one.data] for one in itertools.chain(*(several[:length] for several in conversations))]
    return Script(messages, rooms, sendings)
