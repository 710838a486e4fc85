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
import socketio
from conformance.harness import NEW_POLLING, NEW_WS, OLD_WS, TIMEOUT_S, Client, connected
from conformance.raw import RawClient, raw

from reznet_ws.__main__ import main

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


# Libraries that are older than the lock file's warn of one another.
STRICT = ("-W", "error", "-W", "ignore::DeprecationWarning")


@contextlib.asynccontextmanager
async def running(*args: str, address: str = r"on (http://\S+)") -> AsyncIterator[Process]:
    """A Python process that prints its address; killed if the test fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *STRICT,
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
        sys.executable, *STRICT, *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
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


def is_clean(err: str) -> bool:
    return "Traceback" not in err and "ERROR" not in err


async def test_it_prints_its_address_answers_and_ends_cleanly() -> None:
    async with running(*SERVE, "--preset", "recommended") as server:
        assert re.fullmatch(
            r"reznet_ws serves recommended on http://127\.0\.0\.1:\d+ \(Ctrl-C ends it\)\n", server.first_line
        )
        status, body = await fetched(server.url, "/api/websocket/health")
        assert (status, json.loads(body)["status"]) == (200, "ok")
        async with connected(server.url, NEW_WS) as (client,):
            assert isinstance((await client.got("message_stream")).args[0]["seq"], int)
        returned, out, err = await server.interrupt()
        assert (returned, out) == (0, ""), err
        assert is_clean(err), err


async def test_ctrl_c_waits_for_no_client() -> None:
    """Neither for those that poll, which uvicorn would give 45 s, nor for one that says nothing."""
    async with running(*SERVE, "--rate", "200") as server, raw(server.url) as poller, raw(server.url) as silent:
        await silent.connect()
        await begin_poll(poller)
        async with connected(server.url, OLD_WS, NEW_WS, NEW_POLLING) as clients:
            for client in clients:
                await client.got("message_stream", 3)
            returned, out, err = await server.interrupt()
            assert (returned, out) == (0, ""), err
            assert is_clean(err), err
            for client in clients:
                await client.gone()
        assert (await poller.read_rest()).startswith(b"HTTP/1.1 200 ")
        await silent.read_rest()


async def test_large_payloads_are_named_in_the_log() -> None:
    async with running(*SERVE, "--mix", "plans", "--rate", "200") as server:
        async with connected(server.url, NEW_WS) as (client,):
            await client.got("workflow_plan")
        _, _, err = await server.interrupt()
        assert re.search(r"^INFO: +Payload workflow_plan: \d{5}B -> \d+B \(\d+\.\d% reduction\)$", err, re.MULTILINE), (
            err
        )


async def begin_poll(client: RawClient) -> None:
    """A session over long-polling outside every room, whose poll nothing answers."""
    target = await client.open_polling()
    await client.write(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())


async def test_uvicorn_can_run_the_application_by_its_name() -> None:
    command = ("-m", "uvicorn", "--port", "0", "--no-use-colors", "reznet_ws.demo.app:app")
    async with running(*command, address=r"running on (http://\S+)") as server:
        async with connected(server.url, NEW_WS) as (client,):
            await client.got("message_stream")
            assert client.grants == [{"format": 2, "formats": [1, 2, 3, "m"]}]
            status, body = await fetched(server.url, "/api/websocket/stats")
            assert status == 200
            assert json.loads(body)["wire"]["sent_bytes"] > 0
        _, _, err = await server.interrupt()
        assert "Finished server process" in err
        assert "ERROR" not in err


async def test_rate_0_keeps_the_agents_silent_and_a_preset_can_be_changed() -> None:
    async with running(
        *SERVE, "--rate", "0", "--preset", "off", "--set", "deflate=on", "--set", "batch=true"
    ) as server:
        async with connected(server.url, NEW_WS) as (client,):
            assert client.sio.eio.ws.compress == 15
            await client.sio.emit("get_stats")
            assert (await client.got("stats_response")).args[0]["total_messages"] == 0
        assert (await server.interrupt())[0] == 0


async def test_a_token_is_asked_of_clients_and_of_who_reads_the_figures() -> None:
    async with running(*SERVE, "--token", "sesame") as server:
        refused = Client(OLD_WS)
        with pytest.raises(socketio.exceptions.ConnectionError, match="failed to connect"):
            await refused.connect(server.url)
        await refused.close()
        async with connected(server.url, OLD_WS, auth={"token": "sesame"}) as (client,):
            await client.got("message_stream")
        async with raw(server.url) as reader:
            assert (await reader.request("GET", "/api/websocket/stats"))[0] == 401
            assert (await reader.request("POST", "/api/websocket/stats/reset"))[0] == 401
            right, wrong = ({"Authorization": f"Bearer {token}"} for token in ("sesame", "sesam"))
            assert (await reader.request("GET", "/api/websocket/stats", headers=wrong))[0] == 401
            assert (await reader.request("GET", "/api/websocket/stats", headers=right))[0] == 200
            assert (await reader.request("GET", "/api/websocket/health"))[0] == 200
        assert (await server.interrupt())[0] == 0


def test_an_address_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert capsys.readouterr() == ("", f"reznet_ws: cannot listen on 127.0.0.1:{port}: Address already in use\n")


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
def test_a_bad_argument_is_one_line_and_status_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
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
def test_what_the_parser_refuses_is_said_on_its_last_line(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


async def test_a_process_ends_with_that_status() -> None:
    status, out, err = await finished("-m", "reznet_ws", "serve", "--port", "99999")
    assert (status, out, err) == (2, "", "reznet_ws: port 99999 is not within 0 to 65535\n")


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for word in ("--host", "--port", "--preset", "--token", "--origin", "Ctrl-C"):
        assert word in out
