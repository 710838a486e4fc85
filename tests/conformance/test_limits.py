"""What a client may not ask for is refused to it, and to nobody else; all of it is in the figures."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from conformance.harness import Site, open_site, until
from conformance.raw import POLLING, raw

from reznet_ws.settings import Settings


def limits(site: Site) -> dict[str, int]:
    """Those that are not 0."""
    return {name: count for name, count in site.manager.get_stats()["limits"].items() if count}


async def test_beyond_the_bound_new_connections_are_refused_until_one_leaves() -> None:
    async with open_site(Settings(max_connections=2)) as site, contextlib.AsyncExitStack() as stack:
        one, other, third = [await stack.enter_async_context(raw(site.url)) for _ in range(3)]
        await one.connect()
        target = await other.connect_polling()
        status, head, body = await third.request("GET", POLLING)
        assert (status, json.loads(body)) == (503, "too many connections")
        assert "retry-after: 5" in head.lower()
        async with raw(site.url) as fourth:
            assert " 403 " in (await fourth.shake_hands())
        # Who has a connection upgrades it, and is no other one.
        async with raw(site.url) as upgrading:
            assert " 101 " in await upgrading.shake_hands(target.partition("&")[2])
        assert limits(site) == {"refused_connections": 2}
        one.close()
        await until(lambda: site.manager.active_connections < 2, "the end of the first")
        await third.connect_polling()


async def test_one_address_gets_its_part_and_others_theirs() -> None:
    """Behind a proxy that says whose requests are."""
    settings = Settings(max_connections_per_address=1)
    async with open_site(settings, proxy_headers=True, forwarded_allow_ips="*") as site, raw(site.url) as http:

        async def status(address: str) -> int:
            return (await http.request("GET", POLLING, headers={"X-Forwarded-For": address}))[0]

        assert [await status(address) for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2")] == [200, 503, 200]
        assert limits(site) == {"refused_addresses": 1}


@pytest.mark.parametrize("is_polling", [False, True])
@pytest.mark.parametrize(
    ("settings", "packet", "count"),
    [
        ({"max_events_per_s": 20}, '42["say"]', "closed_events"),
        ({"max_joins_per_s": 5}, "40/room,", "closed_joins"),
    ],
)
async def test_who_is_too_fast_is_closed_alone(
    settings: dict[str, Any], packet: str, count: str, is_polling: bool
) -> None:
    async with open_site(Settings(**settings)) as site, raw(site.url) as fast, raw(site.url) as other:
        said: list[str] = []
        site.sio.on("say", lambda sid: said.append(sid))
        await other.connect()
        if is_polling:
            target = await fast.connect_polling()
            while not limits(site):  # engineio takes 16 packets in one request
                assert (await fast.request("POST", target, "\x1e".join([packet] * 15).encode()))[0] == 200
            assert (await fast.request("GET", target))[0] == 400
        else:
            await fast.connect()
            for _ in range(60):
                await fast.send_text(packet)
            closed = await fast.closing()
            assert (closed.close_code, b"a second" in closed.payload) == (1008, True)
        assert limits(site) == {count: 1}
        assert said.count(fast.sid) <= 40
        await other.send_text('42["say"]')
        await until(lambda: other.sid in said, "the other one's event")


async def test_who_joins_nothing_in_time_is_closed() -> None:
    async with open_site(Settings(join_timeout_s=0.2)) as site, contextlib.AsyncExitStack() as stack:
        site.sio.on("connect", lambda sid, environ, auth: auth is not None)
        idle, refused, member, http = [await stack.enter_async_context(raw(site.url)) for _ in range(4)]
        target = await http.open_polling()
        for client in (idle, refused):
            await client.shake_hands()
            await client.frame()
        await refused.send_text("40")
        assert (await refused.frame()).text.startswith("44")
        await member.connect(auth={"token": 1})
        for client in (idle, refused):
            assert (await client.closing()).close_code == 1008
        assert (await http.request("GET", target))[0] == 400
        assert limits(site) == {"closed_unjoined": 3}
        await site.sio.emit("n")
        assert (await member.frame()).text == '42["n"]'


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_a_request_whose_headers_do_not_come_is_ended(http: str) -> None:
    async with open_site(Settings(header_timeout_s=0.2), http=http) as site, contextlib.AsyncExitStack() as stack:
        silent, slow, again, polling, member = [await stack.enter_async_context(raw(site.url)) for _ in range(5)]
        target = await polling.connect_polling()
        await member.connect()
        poll = asyncio.create_task(polling.request("GET", target))
        await slow.write(b"GET /socket.io/ HTTP/1.1\r\nHost: ")
        assert (await again.request("GET", "/socket.io/"))[0] == 400
        await again.write(b"GET /socket.io/ HTTP/1.1\r\nHost: ")
        for client in (silent, slow, again):
            assert await client.read_rest() == b""
        assert limits(site) == {"closed_slow_headers": 3}
        await site.sio.emit("n")
        assert (await poll)[2] == b'42["n"]'
        assert (await member.frame()).text == '42["n"]'


async def test_a_limit_that_is_off_keeps_nobody_out() -> None:
    off = Settings(max_connections=0, max_joins_per_s=0, max_events_per_s=0, join_timeout_s=0, header_timeout_s=0)
    async with open_site(off) as site, raw(site.url) as client:
        await client.connect()
        for number in range(200):
            await client.send_text(f"40/{number},")
        joined = 0
        while joined < 200:
            joined += (await client.frame()).text.startswith("40/")
        assert limits(site) == {}
        assert site.sio.eio.headers._timer is None
