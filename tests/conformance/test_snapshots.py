"""Snapshots between real servers and real clients: sent once to who keeps them, whole to everybody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import socketio
from conformance.harness import KINDS, OLD_WS, Client, Event, connected, end_of, new_sio, open_site
from conformance.javascript import open_web_site
from conformance.raw import raw
from playwright.async_api import Browser

from reznet_ws.client import Snapshots, attach_snapshots
from reznet_ws.ledger import header_bytes
from reznet_ws.message.snapshots import version_of
from reznet_ws.settings import Settings

CLEAR = Settings(deflate=False)
PROFILE = {"agent_id": "a-1", "name": "Ада", "skills": ["plan", "write"] * 20, "created_at": "2025-10-25T12:00:00.000Z"}
HISTORY = [{"message_id": f"m-{number}", "content": "words " * number} for number in range(40)]
TEXT = json.dumps(["profile", PROFILE], ensure_ascii=False, separators=(",", ":"))


async def test_what_travels() -> None:
    sio, seen = new_sio(), []
    sio.on("connect", lambda sid, environ, auth: seen.append(auth))
    async with open_site(CLEAR, sio=sio) as site:
        version = version_of("a-1", f"2{TEXT}")
        async with raw(site.url) as client, raw(site.url) as stock:
            await client.connect(auth={"reznet_held": [], "token": "t"})
            await stock.connect(auth={"token": "t"})
            for _ in range(2):
                await site.manager.send_snapshot("profile", "a-1", PROFILE)
            assert [(await stock.frame()).text for _ in range(2)] == [f"42{TEXT}"] * 2
            assert (await client.frame()).text == f'42["+","{version}","a-1",{TEXT[1:]}'
            unchanged = await client.frame()
            assert unchanged.text == f'42["=","{version}"]'
            assert len(unchanged.text) + header_bytes(len(unchanged.text)) == 28
        async with raw(site.url) as again:
            await again.connect(auth={"reznet_held": [version]})
            await site.manager.send_snapshot("profile", "a-1", PROFILE, room=again.sid)
            assert (await again.frame()).text == f'42["=","{version}"]'
            await site.manager.send_snapshot("profile", "a-1", PROFILE | {"name": "Ada"}, room=again.sid)
            assert (await again.frame()).text.startswith('42["+",')
    assert seen == [{"token": "t"}, {"token": "t"}, None]


async def test_the_specification_prints_what_travels() -> None:
    specification = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    async with open_site(CLEAR) as site:
        held: list[str] = []
        for count in (2, 1):
            async with raw(site.url) as client:
                await client.connect(auth={"token": "t", "reznet_held": held})
                printed = "> 40" + json.dumps({"token": "t", "reznet_held": held}, separators=(",", ":")) + "\n"
                for _ in range(count):
                    await site.manager.send_snapshot("profile", "agent-1", {"name": "Ada"})
                    printed += f"< {(await client.frame()).text}\n"
                assert f"```\n{printed}```" in specification
            held.append(version_of("agent-1", '2["profile",{"name":"Ada"}]'))


async def _keeping(url: str, kinds: Any, stores: list[Snapshots]) -> list[Client]:
    clients = [Client(kind) for kind in kinds]
    for client, store in zip(clients, stores, strict=True):
        attach_snapshots(client.sio, store)
    await asyncio.gather(*(client.connect(url, ("/", "/chat"), {"token": "t"}) for client in clients))
    for client in clients:
        if client.kind.query:
            await client.got("connection_established", 2)
    return clients


async def test_every_kind_of_client_gets_the_same_whether_it_keeps_or_not_and_after_a_reload() -> None:
    stores = [Snapshots() for _ in KINDS]
    async with open_site() as site:
        for _ in range(2):
            keeping = await _keeping(site.url, KINDS, stores)
            async with connected(site.url, *KINDS, namespaces=("/", "/chat")) as others:
                expected = []
                for number in range(3):
                    await site.sio.emit("between", {"number": number})
                    await site.manager.send_snapshot("profile", "a-1", PROFILE | {"version": number // 2})
                    await site.manager.send_snapshot("history", "page 1", HISTORY)
                    await site.manager.send_snapshot("profile", "picture", {"bytes": b"\x00\x01"})
                    expected += [
                        Event("between", ({"number": number},)),
                        Event("profile", (PROFILE | {"version": number // 2},)),
                        Event("history", (HISTORY,)),
                        Event("profile", ({"bytes": b"\x00\x01"},)),
                    ]
                await site.manager.send_snapshot("profile", "a-1", PROFILE, namespace="/chat")
                await end_of(site, [*keeping, *others])
                for client in [*keeping, *others]:
                    assert [one for one in client.events if one.namespace == "/"][:-1] == expected, client.kind.name
                    await client.got("profile", 7)
                    assert [one for one in client.events if one.namespace == "/chat"] == [
                        Event("profile", (PROFILE,), "/chat")
                    ]
            await asyncio.gather(*(client.close() for client in keeping))
        assert [len(store) for store in stores] == [3] * len(KINDS)
        totals = site.manager.get_stats()["events"]["history"]
        # Of twelve deliveries to each kind that keeps and each that does not, one by one from the first.
        assert totals["deliveries"] == 2 * 3 * 2 * len(KINDS)
        assert totals["held_saved_bytes"] > 0


async def test_the_parts_in_the_ledger_add_up_to_the_byte() -> None:
    async with open_site(CLEAR) as site, raw(site.url) as stock, raw(site.url) as packed, raw(site.url) as keeping:
        await stock.connect()
        await packed.connect("reznet=m", auth={"reznet_held": []})
        assert "connection_established" in (await packed.frame()).text
        await keeping.connect(auth={"reznet_held": []})
        site.manager.reset_stats()
        for _ in range(5):
            await site.manager.send_snapshot("profile", "a-1", PROFILE)
        frames = [await client.frame() for client in (stock, packed, keeping) for _ in range(5)]
        totals = site.manager.get_stats()["events"]["profile"]
        plain_bytes = len(f"42{TEXT}".encode())
        assert totals["frame_bytes"] == sum(len(frame.payload) for frame in frames)
        assert totals["frame_bytes"] + totals["held_saved_bytes"] + totals["packed_saved_bytes"] == 15 * plain_bytes
        assert totals["wire_bytes"] == sum(len(one.payload) + header_bytes(len(one.payload)) for one in frames)
        # Two are sent it to keep, and four times "unchanged".
        assert totals["held_saved_bytes"] == 8 * (plain_bytes - 26) - 2 * len('"+","0123456789abcdef","a-1",')
        assert set(site.manager.get_stats()["events"]) == {"profile"}


@pytest.mark.parametrize("settings", [Settings(snapshots=False), Settings(never_compress=frozenset({"profile"}))])
async def test_where_they_are_off_or_secret_they_are_sent_whole(settings: Settings) -> None:
    async with open_site(settings.replace(deflate=False)) as site, raw(site.url) as client:
        await client.connect(auth={"reznet_held": []})
        for _ in range(2):
            await site.manager.send_snapshot("profile", "a-1", PROFILE)
            assert (await client.frame()).text == f"42{TEXT}"


async def test_an_application_s_own_events_of_those_names_come_as_they_are() -> None:
    async with open_site() as site:
        (client,) = await _keeping(site.url, [OLD_WS], [Snapshots()])
        sent = [("=", "0123456789abcdef"), ("=", 7), ("+", ("a", "b")), ("+", {"x": 1})]
        for event, data in sent:
            await site.sio.emit(event, data)
        await end_of(site, [client])
        heard = [(one.name, one.args) for one in client.events[:-1]]
        assert heard == [(event, data if isinstance(data, tuple) else (data,)) for event, data in sent]
        await client.close()


async def test_several_arguments_or_no_key_are_refused() -> None:
    async with open_site() as site:
        with pytest.raises(TypeError, match="one argument"):
            await site.manager.send_snapshot("profile", "a-1", (1, 2))
        with pytest.raises(TypeError, match="a text for a key"):
            await site.manager.send_snapshot("profile", 7, PROFILE)  # type: ignore[arg-type]


# In a page: connect, wait for so many events, and say what came, and what is in localStorage.
_VISIT = """async ([url, count]) => {
  const { io, Manager } = await import("/socket.io.esm.min.js");
  const { rows } = await import("/rows.js");
  const { keeping, Snapshots } = await import("/snapshots.js");
  const snapshots = new Snapshots({ storage: localStorage });
  const options = { query: { reznet: 3 }, parser: keeping(Manager, snapshots, rows(Manager)), forceNew: true };
  const socket = io(url, { ...options, transports: ["websocket"], auth: { token: "t" } });
  const heard = [];
  await new Promise((resolve) => socket.onAny((event, data) => {
    if (event !== "connection_established" && heard.push([event, data]) === count) {
      resolve();
    }
  }));
  socket.disconnect();
  return [heard, snapshots.size, localStorage.length];
}"""


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_that_is_loaded_again_is_told_that_nothing_has_changed(browser: Browser) -> None:
    async with open_web_site() as site:

        async def greet(sid: str, environ: Any, auth: Any) -> None:
            assert auth == {"token": "t"}
            await site.manager.send_snapshot("profile", "a-1", PROFILE, room=sid)
            await site.manager.send_snapshot("history", "page 1", HISTORY, room=sid)

        site.sio.on("connect", greet)
        page = await browser.new_page()
        sent = []
        for _ in range(2):
            await page.goto(f"{site.url}/page.html")
            before = site.manager.get_stats()["events"].get("history", {}).get("frame_bytes", 0)
            heard, size, stored = await page.evaluate(_VISIT, [site.url, 2])
            assert heard == [["profile", PROFILE], ["history", HISTORY]]
            assert (size, stored) == (2, 2)
            sent.append(site.manager.get_stats()["events"]["history"]["frame_bytes"] - before)
        await page.close()
        assert sent[0] > 5000
        assert sent[1] < 40


async def test_an_auth_that_is_no_object_arrives_as_it_is() -> None:
    sio, seen = new_sio(), []
    sio.on("connect", lambda sid, environ, auth: seen.append(auth))
    async with open_site(sio=sio) as site:
        client = attach_snapshots(socketio.AsyncClient(handle_sigint=False), Snapshots())
        await client.connect(site.url, auth="a token", transports=["websocket"])
        await client.disconnect()
    assert seen == ["a token"]
