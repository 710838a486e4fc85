"""Visits in a Redis server: one key for each client, written by the server that has it.

In: texts. Out: texts, each to one server alone.
Never: overwrites what another server has claimed.

Each key holds the id of the server that has the client, then the visit. It expires unless that server lives, or the
client comes back in time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

# Writes unless another server has claimed the client. KEYS: the visit. ARGV: our id, the visit, seconds.
_SAVE = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'EX', ARGV[3])
return 1
"""
# Gives the visit to us alone. KEYS: the visit. ARGV: our id, seconds.
_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then redis.call('SET', KEYS[1], ARGV[1] .. string.sub(held, #ARGV[1] + 1), 'EX', ARGV[2]) end
return held
"""
# Signs that may be missed before a client counts as gone.
_PATIENCE = 2
# Commands in one go.
_PIPELINE = 1000


class Claim(NamedTuple):
    """What is known of a client that comes back."""

    text: str
    was_ours: bool
    # The number up to which its server knew that it had everything.
    had_by_all: int


class VisitStore:
    """Those of all servers of one channel."""

    def __init__(self, manager: Any, seconds: float) -> None:
        self._manager, self._seconds = manager, math.ceil(seconds)

    def _key(self, *names: str) -> str:
        return ":".join((self._manager.stream, *names))

    async def tail(self) -> int:
        """The last number in the stream."""
        return int(await self._manager.tail())

    async def save(self, pid: str, text: str, is_here: bool) -> bool:
        """Keep a visit; whether it is still ours."""
        seconds = self._seconds * (_PATIENCE if is_here else 1)
        async with self._manager.asking() as commands:
            key, ours = self._key("visit", pid), self._manager.host_id
            return bool(await commands.eval(_SAVE, 1, key, ours, text, seconds))

    async def claim(self, pid: str) -> Claim | None:
        """The visit of a client that comes back here; None where there is none."""
        ours = self._manager.host_id
        async with self._manager.asking() as commands:
            held = _text(await commands.eval(_CLAIM, 1, self._key("visit", pid), ours, _PATIENCE * self._seconds))
            if held is None:
                return None
            host, text = held[: len(ours)], held[len(ours) :]
            had = _text(await commands.get(self._key("had", host)))
        return Claim(text, host == ours, int(had) if had is not None and had.isdecimal() else 0)

    async def forget(self, pid: str) -> None:
        """A client does not come back."""
        with contextlib.suppress(Exception):  # then it expires
            async with self._manager.asking() as commands:
                await commands.delete(self._key("visit", pid))

    async def tell_moved(self, pid: str) -> None:
        """Let the server that had a client know that it has come back here."""
        await self._manager._publish({"method": "moved", "pid": pid, "host_id": self._manager.host_id})

    async def give_sign(self, pids: Sequence[str], had_by_all: int) -> None:
        """These clients are here, and have had everything up to a number."""
        seconds = _PATIENCE * self._seconds
        async with self._manager.asking() as commands:
            await commands.set(self._key("had", self._manager.host_id), had_by_all, ex=seconds)
            for begin in range(0, len(pids), _PIPELINE):
                pipeline = commands.pipeline(transaction=False)
                for pid in pids[begin : begin + _PIPELINE]:
                    pipeline.expire(self._key("visit", pid), seconds)
                await pipeline.execute()


def _text(held: Any) -> str | None:
    return held.decode() if isinstance(held, bytes) else held
