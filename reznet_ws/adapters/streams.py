"""A Redis stream in place of publish and subscribe, so that a client recovers at any server, also after a restart.

In: messages of an `AsyncRedisManager`. Out: the same at every server, in one order for all, each with a number.
Never: delivers an event at the server that emits it before its turn comes in the stream, so that an offset says the
same at every server.

`XADD` gives the numbers (`0-*`, Redis 7). Servers read the stream from its beginning, so that who starts holds what the
others hold. What writers without reznet_ws publish on the channel is delivered too, but not kept.
Source: https://redis.io/docs/latest/develop/data-types/streams; the message is python-socketio's own, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
from collections.abc import AsyncIterator
from typing import Any

from reznet_ws.adapters.pubsub import SpreadingManager
from reznet_ws.adapters.stream_keeping import StreamKeeper, stream_number

# How long a read waits for news (redis-py gives up after 5 s), and what one gives at most.
_BLOCK_MS = 1000
_MOST_ENTRIES = 500
_RETRY_S = (0.05, 2.0)
# Commands under way at once: a crowd that joins takes turns. redis-py has 100 connections at most.
_MOST_ASKING = 20
_FIELD = "m"

# Set in what runs because the stream says so: it cannot wait for the stream.
_reads: contextvars.ContextVar[bool] = contextvars.ContextVar("reads", default=False)


class StreamManager(SpreadingManager):
    """Goes above an `AsyncRedisManager`."""

    # Each event has its place in the stream.
    tells_all = True

    # The last number whose message has been handled, and who waits for one.
    handled: int
    _waiting: list[tuple[int, int, asyncio.Future[None]]]
    _turns: Any
    _commands: Any
    redis: Any
    pubsub: Any
    connected: bool

    @property
    def _keeper(self) -> StreamKeeper | None:
        keeper = self._recovery
        return keeper if isinstance(keeper, StreamKeeper) else None

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return f"{self.channel}:reznet"

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Any]:
        """`commands`, when it is one's turn: a client of redis-py raises where it has no connection left."""
        turns = self.__dict__.setdefault("_asking", asyncio.Semaphore(_MOST_ASKING))
        async with turns:
            yield self.commands()

    def commands(self) -> Any:
        """A client of the Redis server that the manager's URL names; python-socketio's own is made anew at times."""
        if self.__dict__.get("_commands") is None:
            held = self.redis, self.pubsub, self.connected
            self._redis_connect()
            self._commands = self.redis
            self.redis, self.pubsub, self.connected = held
        return self._commands

    async def _publish(self, data: dict[str, Any]) -> Any:
        message = self.json.dumps(self._with_told(data))
        try:
            async with self.asking() as commands:
                written = await commands.xadd(self.stream, {_FIELD: message}, id="0-*", **self._bounds())
        except Exception as error:
            self._get_logger().error("Cannot write to the Redis stream: %r", error)
            if data.get("method") == "emit" and self.server is not None:
                await super()._handle_emit(data)  # at least to those who are here
            return None
        number = _number(written)
        if self.server is not None and not self.write_only and not _reads.get():
            await self._reach(number)
        return number

    def _bounds(self) -> dict[str, Any]:
        """What is older than what any server keeps goes with what is new."""
        keeper = self._keeper
        if keeper is None or keeper.ring.dropped_at_s is None:
            return {}
        return {"minid": f"0-{keeper.ring.dropped_number + 1}", "approximate": True}

    async def _handle_emit(self, message: dict[str, Any]) -> None:
        if message.get("host_id") == self.host_id and stream_number.get() is None:
            return  # its turn comes in the stream
        await super()._handle_emit(message)

    async def _reach(self, number: int) -> None:
        """Wait until the message with a number has been handled here."""
        if number <= self.handled:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (number, next(self._turns), reached))
        await reached

    # Reading

    def initialize(self) -> None:
        """Begin to read, when the first client comes."""
        self.handled, self._waiting, self._turns = 0, [], itertools.count()
        super().initialize()

    async def _thread(self) -> None:
        keeper = self._keeper
        assert keeper is not None
        beside = [asyncio.create_task(super()._thread()), asyncio.create_task(keeper.give_signs())]
        retry_s = _RETRY_S[0]
        _reads.set(True)
        try:
            while True:
                try:
                    await self._read(keeper)
                    retry_s = _RETRY_S[0]
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    self._get_logger().error("Cannot read the Redis stream: %r", error)
                    await asyncio.sleep(retry_s)
                    retry_s = min(2 * retry_s, _RETRY_S[1])
        except asyncio.CancelledError:
            return
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self._commands is not None:
                with contextlib.suppress(Exception):
                    await self._commands.aclose()

    async def _read(self, keeper: StreamKeeper) -> None:
        """Handle what is there, then what comes."""
        commands = self.commands()
        tail = await self.tail()
        if tail < keeper.number:
            self._restart(keeper, tail)
        if keeper.behind_until is None:
            keeper.behind_until = tail
            keeper.moved.set()
        while True:
            found = await commands.xread({self.stream: f"0-{keeper.number}"}, count=_MOST_ENTRIES, block=_BLOCK_MS)
            for entry_id, fields in _entries(found):
                await self._take(keeper, _number(entry_id), next(iter(fields.values()), None))
            if not found and await self.tail() < keeper.number:
                raise ConnectionError("the stream begins anew")

    async def tail(self) -> int:
        """The last number that was given."""
        async with self.asking() as commands:
            newest = await commands.xrevrange(self.stream, count=1)
        return _number(newest[0][0]) if newest else 0

    async def _take(self, keeper: StreamKeeper, number: int, message: Any) -> None:
        if number != keeper.number + 1:
            keeper.ring.restart(number - 1)  # somebody has dropped what we had yet to read
        keeper.number = number
        keeper.is_behind = keeper.behind_until is not None and number <= keeper.behind_until
        token = stream_number.set(number)
        try:
            await self._heed(keeper, self.json.loads(message))
        except asyncio.CancelledError:
            raise
        except Exception:
            self.server.logger.exception("A message of the Redis stream cannot be handled")
        finally:
            stream_number.reset(token)
            self.handled, keeper.is_behind = number, False
            while self._waiting and self._waiting[0][0] <= number:
                reached = heapq.heappop(self._waiting)[2]
                if not reached.done():
                    reached.set_result(None)
            keeper.moved.set()

    async def _heed(self, keeper: StreamKeeper, data: dict[str, Any]) -> None:
        """As `AsyncPubSubManager._thread` does."""
        method = data.get("method")
        if method == "emit":
            await self._handle_emit(data)
        elif method == "callback":
            await self._handle_callback(data)
        else:
            keeper.note(data)
            if data.get("host_id") != self.host_id:
                if method == "moved":
                    await keeper.lose(str(data.get("pid")))
                elif method in ("disconnect", "enter_room", "leave_room", "close_room"):
                    await getattr(self, f"_handle_{method}")(data)

    def _restart(self, keeper: StreamKeeper, tail: int) -> None:
        self._get_logger().error("The Redis stream begins anew: clients that come back begin anew, too")
        keeper.restart(tail)
        self.handled = tail
        waiting, self._waiting = self._waiting, []
        for _, _, reached in waiting:
            if not reached.done():
                reached.set_result(None)


def _number(entry_id: bytes | str) -> int:
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[2])


def _entries(found: Any) -> list[tuple[Any, dict[Any, Any]]]:
    """The entries of the one stream that was asked for, in whichever shape redis-py gives them (RESP2, RESP3)."""
    if not found:
        return []
    entries = next(iter(found.values())) if isinstance(found, dict) else found[0][1]
    return entries[0] if isinstance(entries[0], list) else entries
