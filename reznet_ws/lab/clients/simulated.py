"""Simulated users, in a process of their own: `python -m reznet_ws.lab.clients.simulated URL`.

In: lines of JSON on standard input: first what the users do, then how many there should be and whether they act. Out:
one JSON object a line on standard output, several times a second: who is connected, what went wrong, what arrived when.
Never: outlives its parent: when standard input closes, it ends.

They are real Socket.IO clients over WebSocket that offer permessage-deflate, as browsers do (python-socketio's own
default does not: aiohttp's `compress=0`). When a message arrived is taken in its handler, after decoding.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import json
import pickle
import random
import sys
from typing import Any

from reznet_ws.lab.clients.seen import Log
from reznet_ws.lab.clients.user import User
from reznet_ws.lab.scenario import Scenario

REPORT_INTERVAL_S = 0.2
# More at once and a handshake waits long enough for others to look like a slow server.
CONNECTING_AT_ONCE = 20


class SimulatedUsers:
    """As many users as asked for; the first `stock_share` of every hundred speak format 1."""

    def __init__(self, url: str, scenario: Scenario, *, stock_share: float, first: int, is_sized: bool) -> None:
        self._url, self._scenario, self._stock_share = url, scenario, stock_share
        self._first, self._is_sized = first, is_sized
        self._users: list[User] = []
        # What each is doing: living, and reading slowly.
        self._lives: dict[User, asyncio.Task[None]] = {}
        self._sleeps: dict[User, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._acting = asyncio.Event()
        self._churning: asyncio.Task[None] | None = None
        self._random = random.Random(scenario.seed + first)
        self.log = Log()

    async def obey(self, order: dict[str, Any]) -> None:
        """Be as many as an order says, with its figures, and act or not."""
        self._scenario = dataclasses.replace(self._scenario, **order.get("figures", {}))
        await self._resize(order["users"])
        for user in self._users:
            user.follow(self._scenario)
            self._set_slow(user, _has_share(user.number, self._scenario.slow_readers))
        (self._acting.set if order.get("acting") else self._acting.clear)()
        if self._churning is None and self._scenario.churn:
            self._churning = asyncio.create_task(self._churn())

    async def stop(self) -> None:
        """Let all go."""
        if self._churning is not None:
            self._churning.cancel()
        await self._resize(0)

    async def _resize(self, count: int) -> None:
        leaving, self._users = self._users[count:], self._users[:count]
        await asyncio.gather(*(self._leave(user) for user in leaving))
        joining = [self._make(self._first + place) for place in range(len(self._users), count)]
        self._users += joining
        await asyncio.gather(*(self._join(user) for user in joining))

    def _make(self, number: int) -> User:
        is_stock = _has_share(number, self._stock_share)
        return User(self._url, self._scenario, number, self.log, is_stock=is_stock, is_sized=self._is_sized)

    async def _join(self, user: User) -> None:
        async with self._gate:
            await user.connect()
        self._lives[user] = asyncio.create_task(user.live(self._acting))

    async def _leave(self, user: User) -> None:
        self._set_slow(user, False)
        await _end(self._lives.pop(user, None))
        await user.leave()

    def _set_slow(self, user: User, is_slow: bool) -> None:
        user.is_slow = is_slow
        if is_slow and user not in self._sleeps:
            self._sleeps[user] = asyncio.create_task(user.read_now_and_then())
        elif not is_slow and user in self._sleeps:
            self._sleeps.pop(user).cancel()

    async def _churn(self) -> None:
        while self._scenario.churn:
            await asyncio.sleep(self._random.expovariate(self._scenario.churn))
            settled = [user for user in self._users if user.is_connected and user in self._lives]
            if settled and self._acting.is_set():
                user = self._random.choice(settled)
                await self._leave(user)
                await self._join(user)
                self._set_slow(user, _has_share(user.number, self._scenario.slow_readers))
        self._churning = None


def _has_share(number: int, share: float) -> bool:
    return int((number + 1) * share) > int(number * share)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run(args: argparse.Namespace) -> None:
    """Follow the parent's orders until it closes the pipe."""
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    begin = json.loads(await reader.readline() or "{}")
    if not begin:
        return
    sys.path[:] = begin["path"]  # the scenario's modules are found where the parent finds them
    scenario = pickle.loads(base64.b64decode(begin["scenario"]))
    users = SimulatedUsers(
        args.url, scenario, stock_share=args.stock_share, first=args.first, is_sized=args.count_plain_bytes
    )
    reporting = asyncio.create_task(_report(users.log))
    obeying: asyncio.Task[None] | None = None
    while line := await reader.readline():
        if obeying is not None:
            await obeying
        obeying = asyncio.create_task(users.obey(json.loads(line)))
    await _end(obeying)
    reporting.cancel()
    await users.stop()


async def _report(log: Log) -> None:
    while True:
        sys.stdout.write(json.dumps(log.taken()) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(REPORT_INTERVAL_S)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="reznet_ws.lab.clients.simulated", description="Simulated users for the lab.")
    parser.add_argument("url")
    parser.add_argument("--stock-share", type=float, default=0.0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count-plain-bytes", action="store_true")
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
