"""The command line, as a person starts it: in a process of its own, ended by Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from conformance.harness import NEW_POLLING, NEW_WS, OLD_WS, TIMEOUT_S, Client, RawClient, raw

START_TIMEOUT_S = 30.0
SERVE = ("-m", "reznet_ws", "serve", "--port", "0")


@dataclass
class Process:
    """A server in a process, and all that it says."""

    process: asyncio.subprocess.Process
    url: str = ""
    first_line: str = ""

    async def interrupt(self) -> tuple[int | None, str, str]:
        """Ctrl-C: status, the rest of stdout, stderr."""
        self.process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(self.process.communicate(), TIMEOUT_S)
        return self.process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def running(*args: str, address: str = r"on (http://\S+)") -> AsyncIterator[Process]:
    """A Python process that prints its address; killed if the test fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        *args,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        stream = process.stdout if args[:2] == SERVE[:2] else process.stderr
        assert stream is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            while (found := re.search(address, line := (await stream.readline()).decode())) is None:
                assert line, "it ended"
        yield Process(process, found[1], line)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def finished(*args: str) -> tuple[int | None, str, str]:
    """A Python process that ends by itself: status, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def fetched(url: str, path: str) -> tuple[int, bytes]:
    async with raw(url) as client:
        status, _, body = await client.request("GET", path)
        return status, body


async def test_it_prints_its_address_answers_and_ends_cleanly() -> None:
    async with running(*SERVE, "--preset", "recommended") as server:
        assert re.fullmatch(
            r"reznet_ws serves recommended on http://127\.0\.0\.1:\d+ \(Ctrl-C ends it\)\n", server.first_line
        )
        status, body = await fetched(server.url, "/api/websocket/health")
        assert (status, json.loads(body)["status"]) == (200, "ok")
        client = await Client(NEW_WS).connect(server.url)
        event = await client.got("message_stream")
        assert isinstance(event.args[0]["seq"], int)
        await client.close()
        status_code, out, err = await server.interrupt()
        assert status_code == 0, err
        assert out == ""
        assert "Traceback" not in err
        assert "ERROR" not in err


async def test_ctrl_c_waits_for_no_client() -> None:
    """Neither for one that polls, which uvicorn would give 45 s, nor for one that says nothing."""
    async with running(*SERVE, "--rate", "200") as server, raw(server.url) as poller, raw(server.url) as silent:
        clients = [await Client(kind).connect(server.url) for kind in (OLD_WS, NEW_WS, NEW_POLLING)]
        for client in clients:
            await client.got("message_stream", 3)
        await silent.connect()
        target = await begin_poll(poller)
        status_code, out, err = await server.interrupt()
        assert (status_code, out) == (0, ""), err
        assert "Traceback" not in err
        assert "ERROR" not in err
        assert target in (b"1", b"6") or target.startswith(b"4")
        for client in clients:
            await client.gone()
            await client.close()


async def begin_poll(client: RawClient) -> bytes:
    """A session over long-polling outside every room, whose poll nothing answers; what was polled first."""
    target = "/socket.io/?EIO=4&transport=polling"
    _, _, body = await client.request("GET", target)
    target += f"&sid={json.loads(body[1:])['sid']}"
    await client.write(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return b"1"


async def test_uvicorn_can_run_the_application_by_its_name() -> None:
    async with running(
        "-m", "uvicorn", "--port", "0", "--no-use-colors", "reznet_ws.app:app", address=r"running on (http://\S+)"
    ) as server:
        client = await Client(NEW_WS).connect(server.url)
        await client.got("message_stream")
        assert client.grants[0]["format"] == 2
        status, body = await fetched(server.url, "/api/websocket/stats")
        assert status == 200
        assert json.loads(body)["wire"]["sent_bytes"] > 0
        await client.close()
        _, _, err = await server.interrupt()
        assert "Traceback" not in err.replace("Traceback (most recent call last):\n  File", "", 0)
        assert "Finished server process" in err


async def test_rate_0_keeps_the_agents_silent_and_a_preset_can_be_changed() -> None:
    async with running(*SERVE, "--rate", "0", "--preset", "off", "--set", "deflate=on", "--set", "batch=true") as server:
        client = await Client(NEW_WS).connect(server.url)
        assert client.sio.eio.ws.compress == 15
        await client.sio.emit("get_stats")
        assert (await client.got("stats_response")).args[0]["total_messages"] == 1  # this one
        assert client.grants[0]["format"] == 2
        await client.close()
        assert (await server.interrupt())[0] == 0


async def test_a_token_is_asked_of_clients_and_of_who_reads_the_figures() -> None:
    async with running(*SERVE, "--token", "sesame") as server:
        client = Client(OLD_WS)
        with pytest.raises(Exception, match="namespaces failed to connect"):
            await client.connect(server.url)
        await client.close()
        client = await Client(OLD_WS).connect(server.url, auth={"token": "sesame"})
        await client.got("message_stream")
        await client.close()
        async with raw(server.url) as reader:
            assert (await reader.request("GET", "/api/websocket/stats"))[0] == 401
            assert (await reader.request("POST", "/api/websocket/stats/reset"))[0] == 401
            right, wrong = ({"Authorization": f"Bearer {token}"} for token in ("sesame", "sesam"))
            assert (await reader.request("GET", "/api/websocket/stats", headers=wrong))[0] == 401
            assert (await reader.request("GET", "/api/websocket/stats", headers=right))[0] == 200
            assert (await reader.request("GET", "/api/websocket/health"))[0] == 200
        assert (await server.interrupt())[0] == 0


async def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, out, err = await finished("-m", "reznet_ws", "serve", "--port", port)
    assert (status, out) == (2, "")
    assert err == f"reznet_ws: cannot listen on 127.0.0.1:{port}: Address already in use\n"


BAD_ARGUMENTS = [
    (["--port", "99999"], "reznet_ws: port 99999 is not within 0 to 65535"),
    (["--port", "-1"], "reznet_ws: port -1 is not within 0 to 65535"),
    (["--host", "no.such.host.invalid"], "reznet_ws: cannot listen on no.such.host.invalid:8000: "),
    (["--rate", "-1"], "reznet_ws: rate_per_s is -1.0; it must be from 0.1 to 10000"),
    (["--rate", "nan"], "reznet_ws: rate_per_s is nan; it must be from 0.1 to 10000"),
    (["--seed", "-1"], "reznet_ws: seed is -1; it must be a whole number of at least 0"),
    (["--set", "deflate"], "reznet_ws: 'deflate' is not NAME=VALUE"),
    (["--set", "deflate=perhaps"], "reznet_ws: deflate: 'perhaps' is not of type bool"),
    (["--set", "deflate_window_bits=99"], "reznet_ws: deflate_window_bits: 99 is not within 9 to 15 bits"),
    (["--set", "no_such=1"], "reznet_ws: no_such: no such setting; there are abbreviate, "),
]


@pytest.mark.parametrize(("args", "message"), BAD_ARGUMENTS, ids=[" ".join(args) for args, _ in BAD_ARGUMENTS])
async def test_a_bad_argument_is_one_line_and_status_2(args: list[str], message: str) -> None:
    status, out, err = await finished("-m", "reznet_ws", "serve", *args)
    assert (status, out) == (2, ""), err
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["serve", "--preset", "best"], "invalid choice: 'best'"),
        (["serve", "--port", "http"], "invalid int value: 'http'"),
        (["serve", "--mix", "noise"], "invalid choice: 'noise'"),
        (["serv"], "invalid choice: 'serv'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
async def test_what_the_parser_refuses_is_said_on_its_last_line(args: list[str], message: str) -> None:
    status, out, err = await finished("-m", "reznet_ws", *args)
    assert (status, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


async def test_help_explains() -> None:
    status, out, err = await finished("-m", "reznet_ws", "serve", "--help")
    assert (status, err) == (0, "")
    for word in ("--host", "--port", "--preset", "--token", "--origin", "Ctrl-C"):
        assert word in out
