"""Raw sockets, for what no client would send or must be seen byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from conformance.harness import TIMEOUT_S

from reznet_ws.replay.frames import dissect, missing_bytes

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
# What Chromium, Firefox and socket.io-client in Node offer.
CHROMIUM = "permessage-deflate; client_max_window_bits"
POLLING = "/socket.io/?EIO=4&transport=polling"


class Frame(NamedTuple):
    """One WebSocket frame from the server."""

    opcode: int
    payload: bytes
    rsv1: bool
    fin: bool
    deflated_bytes: int

    @property
    def text(self) -> str:
        return self.payload.decode()

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        return int(struct.unpack("!H", self.payload[:2])[0])


def mask_frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    masked: bool = True,
    declared: int | None = None,
) -> bytes:
    """A client's frame; `declared` lies about its length."""
    size = len(payload) if declared is None else declared
    first = fin << 7 | rsv1 << 6 | rsv2 << 5 | opcode
    mask_bit = masked << 7
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    # A mask of zeros is a mask; it leaves the payload readable here.
    return head + (bytes(4) if masked else b"") + payload


@dataclass
class RawClient:
    """One TCP connection, on which a test writes and reads what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    head: str = ""
    sid: str = ""
    # One for the whole connection: right with context takeover and without.
    inflater: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(wbits=-15))

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.readexactly(size)
        self.received += data
        return data

    async def read_head(self) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.readuntil(b"\r\n\r\n")
        self.received += data
        return data.decode("latin-1")

    async def read_rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            data = await self.reader.read()
        self.received += data
        return data

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(TIMEOUT_S):
            await self.writer.drain()

    async def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """One HTTP exchange: status, head, body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await self.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self.read_head()
        return int(head.split()[1]), head, await self.read_body(head)

    async def read_body(self, head: str) -> bytes:
        """What follows a response's head, out of its chunks if it comes in chunks."""
        if (length := re.search(r"(?i)\ncontent-length: (\d+)", head)) is not None:
            return await self.read(int(length[1]))
        body = b""
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                line = await self.reader.readuntil(b"\r\n")
            chunk = await self.read(int(line, 16) + 2)
            self.received += line
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    async def shake_hands(
        self, query: str = "", *, extensions: str | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Ask for a WebSocket; the head of the answer."""
        lines = [
            f"GET /socket.io/?EIO=4&transport=websocket&{query} HTTP/1.1",
            "Host: test",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        if extensions is not None:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await self.write("\r\n".join([*lines, "", ""]).encode())
        self.head = await self.read_head()
        return self.head

    async def connect(
        self,
        query: str = "",
        *,
        extensions: str | None = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """A WebSocket with the default namespace joined."""
        head = await self.shake_hands(query, extensions=extensions, headers=headers)
        assert " 101 " in head, head
        opened = await self.frame()
        assert opened.text[0] == "0", opened
        await self.send_text("40" if auth is None else "40" + json.dumps(auth))
        joined = await self.frame()
        assert joined.text.startswith('40{"sid":"'), joined
        self.sid = json.loads(joined.text[2:])["sid"]
        return self

    async def open_polling(self) -> str:
        """A session over long-polling, with no namespace joined; the target of its requests."""
        _, _, body = await self.request("GET", POLLING)
        return f"{POLLING}&sid={json.loads(body[1:])['sid']}"

    async def connect_polling(self) -> str:
        """The same with the default namespace joined, and told so."""
        target = await self.open_polling()
        assert (await self.request("POST", target, b"40"))[0] == 200
        assert (await self.request("GET", target))[2].startswith(b'40{"sid"')
        return target

    async def send_text(self, text: str) -> None:
        await self.write(mask_frame(text.encode()))

    async def send_bytes(self, data: bytes) -> None:
        await self.write(mask_frame(data, BINARY))

    async def frame(self) -> Frame:
        """The next frame, inflated where it is compressed."""
        data = b""
        while missing := missing_bytes(data):
            data += await self.read(missing)
        parts = dissect(data)
        payload = parts.payload
        if parts.rsv1:
            payload = self.inflater.decompress(payload + b"\x00\x00\xff\xff")
        return Frame(parts.opcode, payload, parts.rsv1, parts.fin, parts.length)

    async def closing(self) -> Frame:
        """The close frame, whatever comes before it."""
        while True:
            frame = await self.frame()
            if frame.opcode == CLOSE:
                return frame

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[RawClient]:
    """A TCP connection to a server."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
