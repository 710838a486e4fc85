"""One client of a soak, as stock Socket.IO clients are: it asks, answers, breaks off, and comes back with its offset.

In: an address, what kind of client it is. Out: the number of each event that it gets, to the judge.
Never: checks what it gets beyond that it can be decoded; that is the judge's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from socketio import packet as sio_packet

from benchmarks.soak.judge import Judge
from reznet_ws.client.decoder import unpack
from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message import message_pack
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.message.packet import BATCH_EVENT
from reznet_ws.message.payload import decode_payload

_ASK_EVERY_S = 2.0
_ANSWER_S = 20.0
_CONNECT_S = 20.0
_SEPARATOR = "\x1e"
# A client comes back within the time in which what it misses is kept.
_LONGEST_BREAK_S = 3.0
_BREAKS = 0.7


@dataclass(frozen=True)
class Kind:
    """How a client connects."""

    name: str
    format: int | str = 1
    is_polling: bool = False
    offers_deflate: bool = True


KINDS = (
    Kind("format 1"),
    Kind("format 1, no deflate", offers_deflate=False),
    Kind("format 2", 2),
    Kind("format 3", 3),
    Kind("format 3, no deflate", 3, offers_deflate=False),
    Kind("format m", "m", offers_deflate=False),
    Kind("format 1, polling", is_polling=True),
    Kind("format 2, polling", 2, is_polling=True),
    Kind("format 3, polling", 3, is_polling=True),
)


@dataclass(slots=True)
class Tally:
    """What became of the clients of one kind."""

    events: int = 0
    asked: int = 0
    unanswered: int = 0
    recovered: int = 0
    anew: int = 0
    unrecovered: int = 0
    failed: int = 0


class Member:
    """One client, from its first connection to the end."""

    def __init__(self, url: str, kind: Kind, judge: Judge, tally: Tally, chance: random.Random) -> None:
        self.kind, self.tally = kind, tally
        self._url, self._judge, self._chance = url, judge, chance
        self.is_connected = False
        self._sid = self._pid = self._offset = ""
        self._break = asyncio.Event()
        # When a question was asked that has no answer yet.
        self._asks: dict[int, float] = {}
        self._ids = itertools.count()
        self._rows = RowsDecoder()
        self._is_short = False
        self._packet: Any = None
        self._joined = asyncio.Event()

    def shake(self) -> None:
        """Break off, or say goodbye, and come back."""
        self._break.set()

    async def live(self) -> None:
        """Until cancelled."""
        while True:
            self._break.clear()
            says_goodbye = self._chance.random() > _BREAKS
            try:
                await (self._poll(says_goodbye) if self.kind.is_polling else self._talk(says_goodbye))
            except (aiohttp.ClientError, OSError, TimeoutError):
                self.tally.failed += 1
            self.is_connected = False
            self._asks.clear()
            if says_goodbye:
                self._pid = self._offset = ""
            await asyncio.sleep(self._chance.random() * _LONGEST_BREAK_S)

    # Its two transports

    async def _talk(self, says_goodbye: bool) -> None:
        async with _session() as http:
            address = self._address("websocket")
            socket = await http.ws_connect(address, compress=15 if self.kind.offers_deflate else 0, max_msg_size=0)
            self._begin()

            async def read() -> None:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        self._take_binary(message.data)
                    elif (answer := self._take(message.data)) is not None:
                        await socket.send_str(answer)

            await self._run(read(), socket.send_str, says_goodbye)
            # Leaving the session cuts the connection, without a goodbye of WebSocket's.

    async def _poll(self, says_goodbye: bool) -> None:
        async with _session() as http:
            address = self._address("polling")
            async with http.get(address) as answer:
                text = await answer.text()
            address += f"&sid={json.loads(text[1:])['sid']}"
            self._begin()

            async def send(text: str) -> None:
                async with http.post(address, data=text.encode()) as answer:
                    await answer.read()

            async def read() -> None:
                await send(self._take(text) or "")
                while True:
                    async with http.get(address) as answer:
                        if answer.status != 200:
                            return
                        for part in (await answer.text()).split(_SEPARATOR):
                            if part.startswith("b"):
                                self._take_binary(base64.b64decode(part[1:]))
                            elif (reply := self._take(part)) is not None:
                                await send(reply)

            await self._run(read(), send, says_goodbye)

    async def _run(self, reading: Any, send: Any, says_goodbye: bool) -> None:
        tasks = [asyncio.ensure_future(work) for work in (reading, self._ask(send), self._break.wait())]
        try:
            await asyncio.wait(tasks[:1] + tasks[2:], return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
                raise OSError("the server ended the connection")
            if says_goodbye:
                await send("41")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, send: Any) -> None:
        async with asyncio.timeout(_CONNECT_S):
            await self._joined.wait()
        while True:
            await asyncio.sleep(_ASK_EVERY_S * (0.5 + self._chance.random()))
            number, now_s = next(self._ids), time.monotonic()
            for late in [asked for asked, since_s in self._asks.items() if now_s - since_s > _ANSWER_S]:
                del self._asks[late]
                self.tally.unanswered += 1
            self._asks[number] = now_s
            self.tally.asked += 1
            await send(f'42{number}["say",{{"said":{number}}}]')

    def _address(self, transport: str) -> str:
        asked = f"&reznet={self.kind.format}" if self.kind.format != 1 else ""
        return f"{self._url}/socket.io/?EIO=4&transport={transport}{asked}"

    def _begin(self) -> None:
        self._rows.forget()
        self._is_short, self._packet = False, None
        self._joined.clear()

    # What it gets

    def _take(self, text: str) -> str | None:
        """An Engine.IO packet; what to answer."""
        if text.startswith("0"):
            auth = {"pid": self._pid, "offset": self._offset} if self._pid and self._offset else None
            return "40" if auth is None else "40" + json.dumps(auth)
        if text == "2":
            return "3"
        if text.startswith("4"):
            for inner in self._rows.decode(text[1:]) if self.kind.format == 3 else [text[1:]]:
                packet = sio_packet.Packet(encoded_packet=inner)
                if packet.attachment_count:
                    self._packet = packet
                else:
                    self._take_packet(packet)
        return None

    def _take_binary(self, data: bytes) -> None:
        if self._packet is None:  # nothing is announced: an event of its own
            event, *args = message_pack.decode(data).data
            self._take_event(event, args)
        elif self._packet.add_attachment(data):
            packet, self._packet = self._packet, None
            self._take_packet(packet)

    def _take_packet(self, packet: Any) -> None:
        if packet.packet_type == sio_packet.CONNECT:
            self._join(packet.data)
        elif packet.packet_type == sio_packet.ACK:
            if packet.data != [{"said": packet.id}] or self._asks.pop(packet.id, None) is None:
                raise ValueError(f"the answer {packet.data!r} is to no question")
        elif packet.packet_type in (sio_packet.EVENT, sio_packet.BINARY_EVENT):
            event, *args = packet.data
            several = unpack(args[0]) if self._is_short and event == BATCH_EVENT else [(event, args)]
            for name, values in several:
                self._take_event(name, values)

    def _take_event(self, name: str, args: list[Any]) -> None:
        if name == GRANT_EVENT:
            self._is_short = self.kind.format == 2
            return
        if args and isinstance(args[-1], str):
            self._offset = args[-1]
        data = decode_payload(args[0]) if self._is_short else args[0]
        self.tally.events += 1
        self._judge.got(self._sid, data["n"])

    def _join(self, data: dict[str, str]) -> None:
        is_recovered = self._pid != "" and self._pid == data.get("pid")
        if is_recovered:
            self.tally.recovered += 1
        elif self._pid and self._offset:
            self.tally.unrecovered += 1
        else:
            self.tally.anew += 1
        if not is_recovered:
            self._offset = ""
            if self._sid:
                self._judge.over(self._sid)
        self._sid, self._pid = data["sid"], data.get("pid", "")
        self.is_connected = True
        self._joined.set()


@contextlib.asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of its own, cut when it ends."""
    connector = aiohttp.TCPConnector(force_close=False, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session
