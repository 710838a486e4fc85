"""The ledger's bytes are the wire's bytes: a TCP proxy that knows nothing counts the same, to the byte."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from conformance.harness import (
    END,
    KINDS,
    NEW_WS,
    NEW_WS_PLAIN,
    OLD_WS,
    OLD_WS_PLAIN,
    Client,
    Event,
    Site,
    connected,
    end_of,
    end_polls,
    new_sio,
    open_site,
    open_thread_site,
    until,
)
from conformance.raw import BINARY, RawClient, raw

from reznet_ws.demo.workload import generate
from reznet_ws.lab.clients.proxy import Proxy, proxying
from reznet_ws.ledger import header_bytes
from reznet_ws.settings import Settings

LAYERS = ("abbreviate", "utf8", "deflate", "gzip", "batch")
SUBSETS = [subset for size in range(len(LAYERS) + 1) for subset in itertools.combinations(LAYERS, size)]

# Russian and Chinese too, and a plan of 24 KB.
CHAT = [(message.event, message.data) for message in itertools.islice(generate(3, 20, "unicode"), 60)]
ODD: list[tuple[str, Any]] = [
    (
        "picture",
        {"name": "a", "created_at": "2025-10-25T12:00:00.000Z", "bytes": bytes(range(256)), "more": [b"", b"x"]},
    ),
    ("several", ({"content": "one"}, 2, None, "vier")),
    ("nothing", None),
    ("marked", {"_v": 2, "gz": "not ours", "~c": 1, "c": "~", "content": {"ts": 3}}),
    ("message_batch", {"batch": True, "messages": [{"e": "the application's own", "d": 1}]}),
    ("text", "zażółć gęślą jaźń 😀 \ud800"),
    ("agent_status", {"agent_name": "@qa", "status": "idle", "bytes": b"may wait"}),
]


async def emit_all(site: Site, clients: Sequence[Client] = ()) -> list[Event]:
    """The traffic of a test, and what every client must get."""
    for event, data in CHAT + ODD:
        await site.run(site.sio.emit(event, data))
    expected = [Event(event, as_args(data)) for event, data in CHAT + ODD]
    for client in clients:
        await site.run(site.sio.emit("direct", {"content": "for one"}, to=client.sid))
        client.answers["question"] = {"status": "heard"}
        answer = await site.run(site.sio.call("question", {"content": "?"}, to=client.sid, timeout=10))
        assert answer == {"status": "heard"}
    if clients:
        expected += [Event("direct", ({"content": "for one"},)), Event("question", ({"content": "?"},))]
    # A second helping, so that something waits in a batch when the end comes.
    for event, data in CHAT[:5]:
        await site.run(site.manager.broadcast(event, data, batch=True))
    return expected + [Event(event, as_args(data)) for event, data in CHAT[:5]]


def as_args(data: Any) -> tuple[Any, ...]:
    return data if isinstance(data, tuple) else () if data is None else (data,)


async def everybody_gets_everything(site: Site, clients: Sequence[Client]) -> None:
    expected = await emit_all(site, clients)
    await end_of(site, clients)
    for client in clients:
        assert client.events == [*expected, END], client.kind.name


async def wire_agrees(site: Site, proxy: Proxy) -> None:
    await until(lambda: proxy.from_server == site.wire["sent_bytes"], "the last byte at the proxy")
    stats = site.manager.get_stats()
    rows = stats["events"].values()
    assert sum(row["wire_bytes"] for row in rows) + stats["wire"]["overhead_bytes"] == proxy.from_server
    assert stats["wire"]["overhead_bytes"] > 0
    assert stats["wire"]["uncounted_connections"] == 0


async def a_whole_life_agrees(site: Site) -> None:
    """Clients of every kind come, get everything and go; not one byte is missing at any of the three points."""
    async with proxying(site.url) as proxy:
        async with connected(proxy.url, *KINDS) as clients:
            await wire_agrees(site, proxy)
            await everybody_gets_everything(site, clients)
            await wire_agrees(site, proxy)
        await site.run(end_polls(site.sio))
        await until(lambda: proxy.connections == 0, "the end of every connection")
        assert proxy.from_server == site.wire["sent_bytes"]


@pytest.mark.parametrize("layers", SUBSETS, ids=lambda layers: "+".join(layers) or "none")
async def test_every_subset_of_the_layers_counts_what_the_proxy_counts(layers: tuple[str, ...]) -> None:
    settings = Settings(gzip_threshold_bytes=500).replace(**{layer: layer in layers for layer in LAYERS})
    # Without engineio's gzip of long-polling responses, so that only permessage-deflate can make frames smaller.
    async with open_site(settings, sio=new_sio(http_compression=False)) as site:
        await a_whole_life_agrees(site)
        assert layers_seen(site.manager.get_stats()) == set(layers)


def layers_seen(stats: dict[str, Any]) -> set[str]:
    """Which layers left a trace: a subset of layers that did nothing would prove nothing."""
    total = {name: sum(row[name] for row in stats["events"].values()) for name in stats["events"]["message_new"]}
    many = stats["events"]["message_stream"]
    seen = {
        "abbreviate": total["abbreviated_bytes"] < total["plain_bytes"] * 0.99,
        "utf8": total["encoded_bytes"] < total["abbreviated_bytes"],
        "gzip": stats["compressed_messages"] > 0,
        "deflate": stats["events"]["several"]["deflated_bytes"] < stats["events"]["several"]["frame_bytes"],
        "batch": many["frames"] < many["deliveries"],
    }
    return {layer for layer, was_seen in seen.items() if was_seen}


VARIANTS = {
    "a window each": {"deflate_shared": False},
    "secrets": {"never_compress": frozenset({"message_stream", "picture"})},
    "no takeover, all": {"deflate_takeover": False, "deflate_threshold_bytes": 0},
    "no takeover, above 200 B": {"deflate_takeover": False, "deflate_threshold_bytes": 200},
    "9 bits": {"deflate_window_bits": 9, "deflate_mem_level": 1},
    "12 bits": {"deflate_window_bits": 12, "deflate_mem_level": 5},
    "adjustable": {"deflate_adjustable": True, "deflate_window_bits": 10},
    "adjustable, off": {"deflate_adjustable": True, "deflate": False},
    "batches of three": {"batch_max_messages": 3, "batch_window_ms": 10},
    "gzip everything": {"gzip": True, "gzip_threshold_bytes": 0, "gzip_max_ratio": 1.0, "gzip_level": 9},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
async def test_the_figures_of_the_layers_change_nothing_about_it(changes: dict[str, Any]) -> None:
    async with open_site(Settings().replace(**changes)) as site:
        await a_whole_life_agrees(site)


@pytest.mark.parametrize("preset", Settings.presets())
async def test_it_holds_in_a_thread_under_uvloop(preset: str) -> None:
    async with open_thread_site(Settings.presets()[preset]) as site:
        await a_whole_life_agrees(site)


async def test_a_reset_starts_from_nothing_in_mid_flight() -> None:
    async with open_site() as site, proxying(site.url) as proxy, connected(proxy.url, *KINDS) as clients:
        await everybody_gets_everything(site, clients)
        await until(lambda: proxy.from_server == site.wire["sent_bytes"], "the last byte at the proxy")
        before = proxy.from_server
        site.manager.reset_stats()
        await everybody_gets_everything_again(site, clients)
        await until(lambda: proxy.from_server - before == site.wire["sent_bytes"], "the last byte at the proxy")
        rows = site.manager.get_stats()["events"]
        assert rows["again"]["deliveries"] == len(KINDS)
        assert set(rows) == {"again", "the_end"}


async def everybody_gets_everything_again(site: Site, clients: Sequence[Client]) -> None:
    for client in clients:
        client.everything.clear()
    await site.sio.emit("again", {"content": "x"})
    await end_of(site, clients)
    for client in clients:
        assert [event.name for event in client.events] == ["again", "the_end"]


async def test_without_layers_each_row_took_what_off_would_take() -> None:
    async with open_site(Settings.off()) as site:
        async with connected(site.url, OLD_WS, OLD_WS_PLAIN) as clients:
            await everybody_gets_everything(site, clients)
        rows = site.manager.get_stats()["events"]
        assert set(rows) >= {event for event, _ in CHAT + ODD}
        for event, row in rows.items():
            assert row["wire_bytes"] == row["off_wire_bytes"], event
            assert row["plain_bytes"] == row["abbreviated_bytes"] == row["encoded_bytes"] == row["gzipped_bytes"]
            assert row["frame_bytes"] == row["deflated_bytes"]


@pytest.mark.parametrize("size", [124, 125, 126, 127, 128, 65_535, 65_536, 65_537])
async def test_also_where_a_frames_header_grows(size: int) -> None:
    """RFC 6455 section 5.2: two bytes up to 125, four up to 65,535, then ten."""
    async with open_site(Settings.off()) as site, raw(site.url) as client:
        await client.connect()
        await site.sio.emit("e", "x" * (size - len('42["e",""]')))
        before = len(client.received)
        assert len((await client.frame()).payload) == size
        row = site.manager.get_stats()["events"]["e"]
        assert row["wire_bytes"] == row["off_wire_bytes"] == len(client.received) - before
        assert row["frame_bytes"] == size


@pytest.mark.parametrize("preset", ["stock", "seed", "recommended"])
async def test_what_off_would_have_sent_is_what_off_sends(preset: str) -> None:
    """The baseline of every saving shown: computed beside the layers, it equals a run without them, row by row."""
    off_bytes = {}
    for settings in (Settings.off(), Settings.presets()[preset]):
        async with open_site(settings) as site:
            async with connected(site.url, OLD_WS, OLD_WS_PLAIN, NEW_WS, NEW_WS_PLAIN) as clients:
                site.manager.reset_stats()
                await everybody_gets_everything(site, clients)
            off_bytes[settings] = {
                event: (row["deliveries"], row["plain_bytes"], row["off_wire_bytes"])
                for event, row in site.manager.get_stats()["events"].items()
            }
            assert off_bytes[settings] == off_bytes[Settings.off()]


def frame_event(text: str) -> str | None:
    """The event in an Engine.IO text frame, None for anything else."""
    if not text.startswith(("42", "45")):
        return None
    event: str = json.loads(text[text.index("[") :])[0]
    return event


async def read_frames(client: RawClient, *, last: str) -> list[tuple[str | None, int, int]]:
    """Event, frame bytes and wire bytes of each frame up to an event; attachments belong to the event before."""
    frames: list[tuple[str | None, int, int]] = []
    event: str | None = None
    while event != last:
        wire_before = len(client.received)
        frame = await client.frame()
        if frame.opcode != BINARY:
            event = frame_event(frame.text)
        frames.append((event, len(frame.payload), len(client.received) - wire_before))
    return frames


@pytest.mark.parametrize("query", ["", "reznet=2"], ids=["old", "new"])
@pytest.mark.parametrize("extensions", [None, "permessage-deflate"], ids=["no deflate", "deflate"])
@pytest.mark.parametrize("gzip", [False, True], ids=["no gzip", "gzip"])
async def test_each_row_is_what_its_frames_took(query: str, extensions: str | None, gzip: bool) -> None:
    """Read off the socket by a client that knows frames only."""
    settings = Settings(batch=False, gzip=gzip, gzip_threshold_bytes=500)
    async with open_site(settings) as site, AsyncExitStack() as stack:
        wire, frame_bytes, frames = Counter[str](), Counter[str](), Counter[str]()
        clients = [await stack.enter_async_context(raw(site.url)) for _ in range(2)]
        for client in clients:
            await client.connect(query, extensions=extensions)
        await emit_all(site)
        await site.sio.emit("the_end")
        for client in clients:
            for event, size, wire_bytes in await read_frames(client, last="the_end"):
                assert event is not None
                wire[event] += wire_bytes
                frame_bytes[event] += size
                frames[event] += 1
        rows = site.manager.get_stats()["events"]
        assert {event: row["wire_bytes"] for event, row in rows.items()} == wire
        assert {event: row["frame_bytes"] for event, row in rows.items()} == frame_bytes
        assert {event: row["frames"] for event, row in rows.items()} == frames


async def test_a_batch_is_shared_out_among_its_messages() -> None:
    settings = Settings(batch=True, batch_max_messages=4, deflate=False, batch_window_ms=1000)
    async with open_site(settings) as site, raw(site.url) as client:
        await client.connect("reznet=2")
        await client.frame()  # the grant
        for number in range(5):
            await site.manager.broadcast("agent_status", {"n": number}, batch=True)
            await site.manager.broadcast("user_typing", {"n": number, "is_typing": True}, batch=True)
        await site.sio.emit("the_end")
        frames = await read_frames(client, last="the_end")
        assert [event for event, _, _ in frames] == [
            "agent_status",  # the first goes at once
            "message_batch",
            "message_batch",
            "user_typing",  # a batch of one needs no envelope
            "the_end",
        ]
        rows = site.manager.get_stats()["events"]
        assert sum(rows[event]["wire_bytes"] for event in ("agent_status", "user_typing")) == sum(
            wire for event, _, wire in frames if event != "the_end"
        )
        assert sum(rows[event]["frames"] for event in ("agent_status", "user_typing")) == 4
        assert all(rows[event]["deliveries"] == 5 for event in ("agent_status", "user_typing"))
        assert "message_batch" not in rows
        for event in ("agent_status", "user_typing"):
            off = {"n": 0} if event == "agent_status" else {"n": 0, "is_typing": True}
            size = len(f'42["{event}",{json.dumps(off, separators=(",", ":"))}]')
            assert rows[event]["off_wire_bytes"] == 5 * (size + header_bytes(size))
