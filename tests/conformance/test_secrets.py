"""No size tells whether a guess at a secret is right: on no transport, in no format, by no layer, ours or engineio's.

The attack (CRIME, BREACH): who can have text of their own sent in front of a secret, behind it and beside it, learns it
piece by piece, if any layer makes less of what comes twice. So the same guess is planted with two secrets of one
length, one of which it is; whatever is sent must take the same number of bytes.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib
from contextlib import AsyncExitStack
from typing import Any

import pytest
from conformance.harness import new_sio, open_site
from conformance.raw import CHROMIUM, RawClient, raw

from reznet_ws.settings import Settings

GUESS = "token=7f3a9c51e0d24b6688ab"
OTHER = "token=c04e1be92d7758f3a610"
# Large enough for gzip and engineio's own compression.
PAD = "so that there is something to compress " * 40
END = "the_end"
GRANT = b"connection_established"

NEVER = frozenset({"secret", "ask"})
EVENTS = frozenset({"secret", "echo"})
# A window that does not close in between, or a busy machine would make other batches.
BATCH: dict[str, Any] = {"batch": True, "batch_events": EVENTS, "batch_max_bytes": 10_000, "batch_window_ms": 1000}
LAYERS: dict[str, Settings] = {
    "as recommended": Settings(never_compress=NEVER),
    "a window for each": Settings(never_compress=NEVER, deflate_shared=False),
    "windows that may change": Settings(never_compress=NEVER, deflate_adjustable=True),
    "gzip": Settings(never_compress=NEVER, gzip=True, gzip_threshold_bytes=0),
    "batches": Settings(never_compress=NEVER, **BATCH),
    "far references": Settings(never_compress=NEVER, far_references=True),
    "everything": Settings(
        never_compress=NEVER, far_references=True, deflate_adjustable=True, gzip=True, gzip_threshold_bytes=0, **BATCH
    ),
    "the seed's": Settings.seed().replace(never_compress=NEVER),
}
FORMATS = ("", "reznet=2", "reznet=3", "reznet=m")


async def sent_bytes(secret: str, settings: Settings, query: str, transport: str) -> int:
    """What a client is sent from its join on."""
    sio = new_sio()
    ids = itertools.count()
    sio.eio.generate_id = lambda: f"session{next(ids):013d}"  # or they would have sizes of their own

    async def ask(sid: str, *_: Any) -> dict[str, str]:
        return {"csrf": secret, "said": GUESS, "pad": PAD}

    sio.on("ask", ask)
    async with open_site(settings, sio=sio) as site, AsyncExitStack() as stack:
        client, other = [await stack.enter_async_context(raw(site.url)) for _ in range(2)]
        await other.connect(query, extensions=CHROMIUM)
        target = ""
        if transport == "polling":
            target = await join_polling(client, query)
        else:
            await client.connect(query, extensions=CHROMIUM if transport == "deflate" else None)
        before = len(client.received)
        for _ in range(2):
            await site.sio.emit("echo", {"said": GUESS, "pad": PAD})
            await site.sio.emit("secret", {"csrf": secret, "said": GUESS, "pad": PAD})
            await site.sio.emit("secret", {"csrf": secret, "large": GUESS + PAD})
        if query != "reznet=m":  # whose questions are packed too
            await (client.request("POST", target, b'421["ask"]') if target else client.send_text('421["ask"]'))
            await answered(client, target, b"431[")
        await site.sio.emit("echo", {"said": GUESS, "pad": PAD})
        site.manager.road.flush()
        await site.sio.emit(END)
        await answered(client, target, END.encode())
        return len(client.received) - before


async def join_polling(client: RawClient, query: str) -> str:
    target = await client.open_polling()
    if query:  # asked for where the session begins
        target = target.partition("&sid=")[0] + f"&{query}"
        body = (await client.request("GET", target))[2]
        target += "&sid=" + body.split(b'"sid":"')[1].split(b'"')[0].decode()
    assert (await client.request("POST", target, b"40"))[0] == 200
    joined = (await client.request("GET", target))[2]
    if query and GRANT not in joined:
        joined += (await client.request("GET", target))[2]
    return target


async def answered(client: RawClient, target: str, what: bytes) -> None:
    """Take what comes, up to what holds these bytes; by long-polling as a browser asks, which takes gzip."""
    while True:
        if target:
            _, head, body = await client.request("GET", target, headers={"Accept-Encoding": "gzip, deflate"})
            if "content-encoding" in head.lower():
                body = gzip.decompress(body) if "gzip" in head.lower() else zlib.decompress(body)
        else:
            body = (await client.frame()).payload
        if what in body:
            return


@pytest.mark.parametrize("query", FORMATS, ids=lambda query: query or "plain")
@pytest.mark.parametrize("transport", ["deflate", "clear", "polling"])
async def test_a_right_guess_takes_as_many_bytes_as_a_wrong_one(transport: str, query: str) -> None:
    right, wrong = [
        await asyncio.gather(*(sent_bytes(secret, settings, query, transport) for settings in LAYERS.values()))
        for secret in (GUESS, OTHER)
    ]
    assert dict(zip(LAYERS, right, strict=True)) == dict(zip(LAYERS, wrong, strict=True))


@pytest.mark.parametrize(("transport", "query"), [("deflate", ""), ("deflate", "reznet=3"), ("polling", "reznet=2")])
async def test_what_is_not_named_can_be_guessed_at(transport: str, query: str) -> None:
    """So that the test above can fail."""
    settings = Settings(never_compress=frozenset({"ask"}), gzip=query == "reznet=2", gzip_threshold_bytes=0)
    right, wrong = [await sent_bytes(secret, settings, query, transport) for secret in (GUESS, OTHER)]
    assert right < wrong
