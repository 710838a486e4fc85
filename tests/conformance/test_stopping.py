"""A server that is told to stop while it sends: what was emitted before arrives, and then the goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conformance.harness import TIMEOUT_S
from conformance.raw import CHROMIUM, CLOSE, RawClient, raw
from socketio.packet import Packet

from reznet_ws.client.decoder import unpack
from reznet_ws.client.rows_decoder import RowsDecoder

APP = Path(__file__).with_name("stopping_app.py")
EVENTS = 40
SERVICE_RESTART = 1012


@contextlib.asynccontextmanager
async def serving(
    events: int = EVENTS, http: str = "auto", **settings: Any
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    pipe = asyncio.subprocess.PIPE
    # A window that would stay open much longer than uvicorn takes to close.
    options = json.dumps({"batch_events": ["status", "late"], "batch_window_ms": 1000, **settings})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(APP), options, str(events), http),
        stdout=pipe,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), 30))
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Member:
    """One client: what it got, and how it ended."""

    def __init__(self, number: int) -> None:
        self.format = (1, 2, 3)[number % 3]
        self.extensions = CHROMIUM if number % 4 and number < 197 else None
        self.numbers: list[int] = []
        self.large = 0
        self.code = 0
        self.ended_s = 0.0
        self._rows = RowsDecoder()

    async def join(self, client: RawClient) -> None:
        query = "" if self.format == 1 else f"reznet={self.format}"
        await client.connect(query, extensions=self.extensions)

    async def follow(self, client: RawClient) -> None:
        """Up to the goodbye."""
        while True:
            frame = await client.frame()
            if frame.opcode == CLOSE:
                self.code, self.ended_s = frame.close_code, time.monotonic()
                return
            if frame.opcode == 1 and frame.text[0] == "4":
                for text in self._rows.decode(frame.text[1:]) if self.format == 3 else [frame.text[1:]]:
                    self._take(Packet(encoded_packet=text))

    def _take(self, packet: Packet) -> None:
        if packet.packet_type != 2:
            return
        event, data = packet.data
        for name, args in unpack(data) if event == "message_batch" else [(event, [data])]:
            if name == "large":
                self.large += 1
            elif "n" in args[0]:
                self.numbers.append(args[0]["n"])


async def chatter(client: RawClient) -> None:
    """A client that sends while the server closes: what it was sent must not be lost by that."""
    with contextlib.suppress(ConnectionError):
        for number in range(1000):
            await client.send_text(f'42{number}["say",{{"n":{number}}}]')
            await asyncio.sleep(0.2)


# As often as one likes: REZNET_STOPS=20 ./run test tests/conformance/test_stopping.py -k 200
@pytest.mark.parametrize("_", range(int(os.environ.get("REZNET_STOPS", "1"))))
async def test_200_clients_get_all_that_was_emitted_before_sigterm_and_then_1012(_: int) -> None:
    async with serving() as (url, process), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(url)) for _ in range(200)]
        members = [Member(number) for number in range(200)]
        await asyncio.gather(*(member.join(client) for member, client in zip(members, clients, strict=True)))
        talking = [asyncio.create_task(chatter(client)) for client in clients[:100]]
        # These read nothing until the server stops, and have more waiting for them than the sockets take.
        slow = slice(197, None)
        for client in clients[slow]:
            await client.send_text('42["slow"]')
        await clients[0].send_text('42["go"]')
        pairs = list(zip(members, clients, strict=True))
        await asyncio.gather(*(member.follow(client) for member, client in pairs[:197]))
        assert process.returncode is None  # it waits for those who are slow
        await asyncio.gather(*(member.follow(client) for member, client in pairs[slow]))
        for task in talking:
            task.cancel()
        assert {member.code for member in members} == {SERVICE_RESTART}
        for member in members:
            assert member.numbers == list(range(EVENTS))
        assert [member.large for member in members[slow]] == [1, 1, 1]
        for client in clients:
            client.close()
        await asyncio.wait_for(process.wait(), TIMEOUT_S)


async def test_goodbyes_are_spread_where_that_is_asked_for() -> None:
    async with serving(stop_drain_s=1) as (url, _), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(url)) for _ in range(60)]
        members = [Member(number) for number in range(60)]
        await asyncio.gather(*(member.join(client) for member, client in zip(members, clients, strict=True)))
        await clients[0].send_text('42["go"]')
        await asyncio.gather(*(member.follow(client) for member, client in zip(members, clients, strict=True)))
        assert {member.code for member in members} == {SERVICE_RESTART}
        assert all(member.numbers == list(range(EVENTS)) for member in members)
        ended = sorted(member.ended_s for member in members)
        assert ended[-1] - ended[0] > 0.5
        assert ended[40] - ended[20] > 0.1  # nor half of them at once


async def test_who_never_reads_holds_up_a_stop_for_the_deadline_and_no_longer() -> None:
    async with serving(stop_deadline_s=0.5) as (url, process), raw(url) as stuck, raw(url) as other:
        member, quick = Member(200), Member(0)
        await member.join(stuck)
        await quick.join(other)
        await stuck.send_text('42["slow"]')
        await other.send_text('42["go"]')
        await quick.follow(other)
        assert (quick.code, quick.numbers) == (SERVICE_RESTART, list(range(EVENTS)))
        other.close()
        assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == -signal.SIGTERM


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_clients_that_poll_get_all_that_was_emitted_and_hold_up_nobody(http: str) -> None:
    """Each is between two polls most of the time, and what is emitted meanwhile waits for the next one."""
    async with serving(http=http) as (url, process), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw(url)) for _ in range(20)]
        targets = [await client.connect_polling() for client in clients]
        idle = await stack.enter_async_context(raw(url))
        idle_target = await idle.connect_polling()
        assert (await idle.request("POST", idle_target, b"41"))[0] == 200
        poll = asyncio.create_task(idle.request("GET", idle_target))
        began = time.monotonic()
        assert (await clients[0].request("POST", targets[0], b'42["go"]'))[0] == 200

        async def follow(client: RawClient, target: str) -> list[int]:
            found: list[int] = []
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await asyncio.sleep(0.1)  # on its way to the server
                    status, _, body = await client.request("GET", target)
                    assert status == 200
                    packets = [Packet(encoded_packet=text[1:]) for text in body.decode().split("\x1e") if text != "6"]
                    found += [packet.data[1]["n"] for packet in packets]
            return found

        for found in await asyncio.gather(*map(follow, clients, targets)):
            assert found == list(range(EVENTS))
        await poll  # answered at once, not at the next ping
        assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == -signal.SIGTERM
        assert time.monotonic() - began < TIMEOUT_S
