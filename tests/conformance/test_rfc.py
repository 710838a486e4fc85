"""RFC 6455 and RFC 7692, case by case: what stock and ours do with the same bytes, and what the RFC asks for."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from conformance.harness import Site, new_sio, open_site
from conformance.raw import CLOSE, PONG, RawClient, mask_frame, raw
from conformance.rfc_cases import CASES, OFFERS, Case, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")
END = "the end"


class Outcome(NamedTuple):
    """What a client got: events echoed, pongs, and the code that its connection was closed with."""

    echoes: list[Any]
    pongs: list[bytes]
    code: int | None


async def serve(attach: bool) -> AsyncIterator[Site]:
    sio = new_sio(max_http_buffer_size=1_000_000)

    async def answer(sid: str, data: Any) -> None:
        await sio.emit("echoed", data, to=sid)

    sio.on("echo", answer)
    async with open_site(sio=sio, attach=attach) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stock() -> AsyncIterator[Site]:
    async for site in serve(attach=False):
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours() -> AsyncIterator[Site]:
    async for site in serve(attach=True):
        yield site


async def play(site: Site, case: Case) -> Outcome:
    """Write a case, ask for one more echo, and read until that comes or the connection ends."""
    async with raw(site.url) as client:
        await client.connect(extensions=case.offer)
        try:
            for chunk in [bytes([byte]) for byte in case.data] if case.is_bytewise else [case.data]:
                await client.write(chunk)
            await client.write(mask_frame(echo(END)))
        except ConnectionError:
            pass  # it was closed on; what it said is still to be read
        return await read_outcome(client)


async def read_outcome(client: RawClient) -> Outcome:
    outcome: tuple[list[Any], list[bytes]] = ([], [])
    while True:
        try:
            frame = await client.frame()
        except (ConnectionError, asyncio.IncompleteReadError):
            return Outcome(*outcome, 1006)
        if frame.opcode == CLOSE:
            return Outcome(*outcome, frame.close_code if frame.payload else 1005)
        if frame.opcode == PONG:
            outcome[1].append(frame.payload)
        elif (echoed := json.loads(frame.text[2:])) == ["echoed", END]:
            return Outcome(*outcome, None)
        else:
            outcome[0].append(echoed)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_same_bytes_come_to_the_same_end(case: Case, stock: Site, ours: Site) -> None:
    theirs, mine = await play(stock, case), await play(ours, case)
    assert mine == theirs
    if case.code != 0:
        assert mine.code == case.code, mine


@pytest.mark.parametrize("offer", OFFERS)
async def test_what_is_agreed_on_is_what_was_offered(offer: str, stock: Site, ours: Site) -> None:
    agreed = []
    for site in (stock, ours):
        async with raw(site.url) as client:
            head = await client.shake_hands(extensions=offer)
            found = re.search(r"(?i)\r\nsec-websocket-extensions: *(.*)\r\n", head)
            agreed.append(found and found[1])
    assert (agreed[1] is not None) == OFFERS[offer] == (agreed[0] is not None), agreed
    if agreed[1] is None:
        return
    name, *parameters = re.split(r"; *", agreed[1])
    assert name == "permessage-deflate"
    fitting = [each for each in offer.split(",") if each.strip().startswith(name) and "what_is_this" not in each]
    assert any(fits(parameters, re.split(r"; *", each.strip())[1:]) for each in fitting), (agreed, offer)


def fits(answer: list[str], offered: list[str]) -> bool:
    """Whether an answer is one that RFC 7692, 7.1 allows for an offer."""
    given, asked = (
        {key: value for key, _, value in (each.partition("=") for each in side)} for side in (answer, offered)
    )
    if "client_max_window_bits" in given and "client_max_window_bits" not in asked:
        return False
    if "server_no_context_takeover" in asked and "server_no_context_takeover" not in given:
        return False
    most = int(asked.get("server_max_window_bits") or 15)
    return "server_max_window_bits" not in asked or int(given.get("server_max_window_bits") or 15) <= most


@pytest.mark.parametrize("bits", range(9, 16))
async def test_a_servers_window_is_no_larger_than_agreed(bits: int, ours: Site) -> None:
    """An inflater of just that many bits follows, over more than every window holds."""
    async with raw(ours.url) as client:
        client.inflater = zlib.decompressobj(wbits=-bits)
        await client.connect(extensions=f"permessage-deflate; server_max_window_bits={bits}")
        for number in range(120):
            text = f"{number % 7} " + "some words that come again and again, and some that do not: " * 9
            await client.write(mask_frame(echo(text)))
            assert (await client.frame()).text == f'42["echoed","{text}"]'
