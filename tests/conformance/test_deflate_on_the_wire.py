"""permessage-deflate as clients see it: what is negotiated, which frames are compressed, what may change meanwhile."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import aiohttp
import pytest
from conformance.harness import NEW_UPGRADED, NEW_WS, OLD_UPGRADED, OLD_WS, Site, connected, end_of, new_sio, open_site
from conformance.raw import BINARY, CHROMIUM, PING, PONG, TEXT, Frame, RawClient, mask_frame, raw
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate

from reznet_ws.settings import Settings

SAFARI = "permessage-deflate"
LARGE = {"content": "all work and no play " * 100}
SMALL = {"content": "all work"}


def granted(head: str) -> str | None:
    """The extension header of a handshake's answer."""
    found = re.search(r"(?i)\r\nsec-websocket-extensions: (.*)\r\n", head)
    return found[1] if found else None


async def emitted(site: Site, client: RawClient, data: Any = LARGE) -> Frame:
    """Emit one message and read the frame that it leaves in."""
    await site.sio.emit("message_new", data)
    frame = await client.frame()
    assert json.loads(frame.text[2:]) == ["message_new", data]
    return frame


ANSWERS = [
    (Settings.off(), CHROMIUM, None),
    (Settings(), None, None),
    (Settings(), CHROMIUM, "permessage-deflate; client_max_window_bits=15"),
    (Settings(), SAFARI, "permessage-deflate"),
    (Settings.stock(), CHROMIUM, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"),
    (Settings.stock(), SAFARI, "permessage-deflate; server_max_window_bits=12"),
    (Settings.seed(), CHROMIUM, "permessage-deflate; server_no_context_takeover; client_max_window_bits=15"),
    (Settings(deflate_window_bits=9), SAFARI, "permessage-deflate; server_max_window_bits=9"),
    (Settings(), "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
    (Settings(), "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
    (Settings(), "permessage-deflate; nonsense", None),
    (Settings(), "permessage-deflate; nonsense, permessage-deflate", "permessage-deflate"),
    (Settings(), "x-webkit-deflate-frame", None),
    (Settings(deflate=False, deflate_adjustable=True), SAFARI, "permessage-deflate"),
    (Settings(deflate_adjustable=True, deflate_window_bits=9, deflate_takeover=False), SAFARI, "permessage-deflate"),
]


@pytest.mark.parametrize(("settings", "offer", "answer"), ANSWERS)
async def test_the_handshake_grants_what_the_settings_say(
    settings: Settings, offer: str | None, answer: str | None
) -> None:
    async with open_site(settings) as site, raw(site.url) as client:
        await client.connect(extensions=offer)
        assert parameters(granted(client.head)) == parameters(answer)
        frame = await emitted(site, client)
        assert frame.rsv1 == (answer is not None and settings.deflate)
        assert (frame.deflated_bytes < len(frame.payload) / 4) == frame.rsv1


def parameters(header: str | None) -> set[str]:
    return set(header.split("; ")) if header else set()


async def test_the_settings_in_force_at_the_handshake_decide() -> None:
    async with open_site(Settings.off()) as site, raw(site.url) as before, raw(site.url) as after:
        await before.connect(extensions=CHROMIUM)
        await site.apply(Settings())
        await after.connect(extensions=CHROMIUM)
        assert granted(before.head) is None
        assert granted(after.head) is not None
        await site.sio.emit("message_new", LARGE)
        assert not (await before.frame()).rsv1
        assert (await after.frame()).rsv1


async def test_the_layer_switches_for_running_connections() -> None:
    async with open_site() as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        sizes = []
        for deflate in (True, True, False, True, False, True):
            await site.apply(Settings(deflate=deflate))
            frame = await emitted(site, client)
            assert frame.rsv1 == deflate
            sizes.append(frame.deflated_bytes)
        # The second time the window knows it; what went uncompressed in between changed nothing about that.
        assert sizes[1] < sizes[0] / 2
        assert sizes[3] <= sizes[1] + 1
        assert sizes[2] == sizes[4] > 2000


async def test_takeover_and_the_threshold_switch_too() -> None:
    base = Settings(deflate_adjustable=True, deflate_shared=False)
    async with open_site(base) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        first = await emitted(site, client)
        again = await emitted(site, client)
        assert again.deflated_bytes < first.deflated_bytes / 2
        await site.apply(base.replace(deflate_takeover=False))
        fresh = await emitted(site, client)
        assert fresh.rsv1
        assert fresh.deflated_bytes >= first.deflated_bytes
        assert not (await emitted(site, client, SMALL)).rsv1  # below 1 KB
        await site.apply(base.replace(deflate_takeover=False, deflate_threshold_bytes=0))
        assert (await emitted(site, client, SMALL)).rsv1
        await site.apply(base)
        assert (await emitted(site, client, SMALL)).rsv1  # with takeover the threshold counts for nothing


async def test_takeover_that_was_not_granted_is_not_used() -> None:
    async with open_site(Settings.seed()) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        first = await emitted(site, client)
        await site.apply(Settings())
        again = await emitted(site, client)
        assert again.rsv1
        assert again.deflated_bytes == first.deflated_bytes


@pytest.mark.parametrize("bits", [9, 10, 12, 15])
async def test_a_clients_window_limit_is_kept_whatever_the_settings_become(bits: int) -> None:
    """An inflater of just that size follows, which a reference further back would break."""
    noise = [zlib.compress(bytes(range(n, 256)) * 3).hex() + f"{n:04}" * 700 for n in range(12)]
    async with open_site(Settings(deflate_adjustable=True)) as site, raw(site.url) as client:
        client.inflater = zlib.decompressobj(wbits=-bits)
        await client.connect(extensions=f"permessage-deflate; server_max_window_bits={bits}")
        assert f"server_max_window_bits={bits}" in (granted(client.head) or "")
        for number, text in enumerate([*noise, *noise]):
            wanted = 9 + number % 7
            await site.apply(Settings(deflate_adjustable=True, deflate_window_bits=wanted))
            assert (await emitted(site, client, {"content": text})).rsv1


async def test_a_smaller_window_and_less_memory_cost_bytes() -> None:
    taken = {}
    for bits, memory in ((9, 1), (12, 5), (15, 8)):
        settings = Settings(deflate_window_bits=bits, deflate_mem_level=memory)
        async with open_site(settings) as site, raw(site.url) as client:
            await client.connect(extensions=CHROMIUM)
            taken[bits] = 0
            for number in range(40):
                words = " ".join(f"word{(number * 7 + n) % 300}" for n in range(200))
                taken[bits] += (await emitted(site, client, {"content": words})).deflated_bytes
    assert taken[9] > taken[12] > taken[15]


async def test_control_frames_are_never_compressed_and_disturb_nothing() -> None:
    async with open_site() as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        await emitted(site, client)
        await client.write(mask_frame(b"are you there", PING))
        pong = await client.frame()
        assert (pong.opcode, pong.payload, pong.rsv1) == (PONG, b"are you there", False)
        assert (await emitted(site, client)).rsv1


async def test_attachments_are_compressed_as_binary_frames() -> None:
    async with open_site(Settings(deflate_shared=False)) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        await site.sio.emit("picture", {"bytes": b"abc" * 1000})
        text, attachment = await client.frame(), await client.frame()
        assert text.opcode == TEXT
        assert text.rsv1
        assert (attachment.opcode, attachment.payload, attachment.rsv1) == (BINARY, b"abc" * 1000, True)
        assert attachment.deflated_bytes < 100


async def test_what_a_client_compresses_is_understood() -> None:
    sio = new_sio()
    sio.on("ask", lambda sid, data: data)
    async with open_site(sio=sio) as site, raw(site.url) as client:
        await client.connect(extensions=CHROMIUM)
        deflater = zlib.compressobj(wbits=-15)
        for number, compressed in enumerate([True, False, True, True]):
            payload = f'42{number}["ask",{json.dumps(LARGE)}]'.encode()
            if compressed:
                payload = (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
            await client.write(mask_frame(payload, rsv1=compressed))
            assert (await client.frame()).text == f"43{number}[{json.dumps(LARGE, separators=(',', ':'))}]"


# Other people's clients


async def open_with_websockets(site: Site, **options: Any) -> ClientConnection:
    url = site.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    connection = await connect(url, **options)
    assert str(await connection.recv()).startswith("0")
    await connection.send("40")
    assert str(await connection.recv()).startswith("40")
    return connection


@pytest.mark.parametrize("settings", Settings.presets().values(), ids=Settings.presets())
@pytest.mark.parametrize("bits", [None, 9, 15])
async def test_the_client_of_websockets_follows(settings: Settings, bits: int | None) -> None:
    offers = [ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits or True)]
    async with open_site(settings) as site:
        connection = await open_with_websockets(site, compression=None, extensions=offers)
        extensions = connection.protocol.extensions
        assert [type(extension) for extension in extensions] == ([PerMessageDeflate] if settings.deflate else [])
        for number in range(30):
            await site.sio.emit("message_new", {"content": f"message {number} " * (1 + 37 * number)})
        for number in range(30):
            text = str(await connection.recv())
            assert json.loads(text[2:])[1] == {"content": f"message {number} " * (1 + 37 * number)}
        await connection.close()
        assert connection.protocol.close_code == 1000


async def test_a_client_of_websockets_without_an_offer_gets_plain_frames() -> None:
    async with open_site() as site:
        connection = await open_with_websockets(site, compression=None)
        assert connection.protocol.extensions == []
        await site.sio.emit("message_new", LARGE)
        assert json.loads(str(await connection.recv())[2:]) == ["message_new", LARGE]
        await connection.close()


@pytest.mark.parametrize("compress", [0, 9, 12, 15])
async def test_the_client_of_aiohttp_follows(compress: int) -> None:
    async with open_site() as site, aiohttp.ClientSession() as session:
        url = f"{site.url}/socket.io/?EIO=4&transport=websocket"
        async with session.ws_connect(url, compress=compress) as connection:
            assert bool(connection.compress) == bool(compress)
            assert (await connection.receive_str()).startswith("0")
            await connection.send_str("40")
            assert (await connection.receive_str()).startswith("40")
            for _ in range(20):
                await site.sio.emit("message_new", LARGE)
                assert json.loads((await connection.receive_str())[2:]) == ["message_new", LARGE]


async def test_upgraded_connections_negotiate_as_well() -> None:
    async with open_site() as site, connected(site.url, OLD_UPGRADED, NEW_UPGRADED, OLD_WS, NEW_WS) as clients:
        for client in clients:
            assert client.sio.eio.ws.compress == 15
        site.manager.reset_stats()
        for _ in range(10):
            await site.sio.emit("message_new", LARGE)
        await end_of(site, clients)
        row = site.manager.get_stats()["events"]["message_new"]
        assert row["deliveries"] == 40
        assert row["deflated_bytes"] < row["frame_bytes"] / 20
