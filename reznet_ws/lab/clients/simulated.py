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

from reznet_ws.lab.clients.mixture import format_of, has_share
from reznet_ws.lab.clients.seen import Log
from reznet_ws.lab.clients.user import User
from reznet_ws.lab.scenario import Scenario

REPORT_INTERVAL_S = 0.2
# More at once and a handshake waits long enough for others to look like a slow server.
CONNECTING_AT_ONCE = 20


class SimulatedUsers:
    """As many users as asked for, in the formats asked for; their numbers count from `first`."""

    def __init__(self, url: str, scenario: Scenario, *, first: int, is_sized: bool) -> None:
        self._url, self._scenario, self._formats = url, scenario, dict[str, float]()
        self._first, self._is_sized = first, is_sized
        self._users: list[User] = []
        # What each is doing: living, and reading slowly.
        self._lives: dict[User, asyncio.Task[None]] = {}
        self._sleeps: dict[User, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._acting = asyncio.Event()
        self._churning: asyncio.Task[None] | None = None
        self._random = random.Random(scenario.seed + first)
        # Held by whoever lets users come or go.
        self._moving = asyncio.Lock()
        self.obeyed = 0
        self.log = Log()

    async def obey(self, order: dict[str, Any]) -> None:
        """Be as many as an order says, in its formats, with its figures, and act or not."""
        self._scenario = dataclasses.replace(self._scenario, **order.get("figures", {}))
        self._formats = order.get("formats", {})
        async with self._moving:
            await self._resize(order["users"])
        for user in self._users:
            user.follow(self._scenario)
            self._set_slow(user, has_share(user.number, self._scenario.slow_readers))
        (self._acting.set if order.get("acting") else self._acting.clear)()
        if self._churning is None and self._scenario.churn:
            self._churning = asyncio.create_task(self._churn())
        self.obeyed += 1

    async def stop(self) -> None:
        """Let all go."""
        await _end(self._churning)
        await self._resize(0)

    async def _resize(self, count: int) -> None:
        wanted = [format_of(self._first + place, self._formats) for place in range(count)]
        staying = {user.number: user for user, form in zip(self._users, wanted, strict=False) if user.form == form}
        leaving = [user for user in self._users if user.number not in staying]
        await asyncio.gather(*(self._leave(user) for user in leaving))
        numbers = range(self._first, self._first + count)
        self._users = [
            staying.get(number) or self._make(number, form) for number, form in zip(numbers, wanted, strict=True)
        ]
        await asyncio.gather(*(self._join(user) for user in self._users if user.number not in staying))

    def _make(self, number: int, form: str) -> User:
        return User(self._url, self._scenario, number, self.log, form=form, is_sized=self._is_sized)

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
            async with self._moving:
                settled = [user for user in self._users if user.is_connected and user in self._lives]
                if settled and self._acting.is_set():
                    user = self._random.choice(settled)
                    await self._leave(user)
                    await self._join(user)
                    self._set_slow(user, has_share(user.number, self._scenario.slow_readers))
        self._churning = None


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
    users = SimulatedUsers(args.url, scenario, first=args.first, is_sized=args.count_plain_bytes)
    reporting = asyncio.create_task(_report(users))
    obeying: asyncio.Task[None] | None = None
    while line := await reader.readline():
        if obeying is not None:
            await obeying
        obeying = asyncio.create_task(users.obey(json.loads(line)))
    await _end(obeying)
    reporting.cancel()
    await users.stop()


async def _report(users: SimulatedUsers) -> None:
    while True:
        sys.stdout.write(json.dumps({**users.log.taken(), "obeyed": users.obeyed}) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(REPORT_INTERVAL_S)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="reznet_ws.lab.clients.simulated", description="Simulated users for the lab.")
    parser.add_argument("url")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count-plain-bytes", action="store_true")
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
