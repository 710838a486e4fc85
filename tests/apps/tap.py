"""A wire between a browser and a server that keeps what passes, and that can be cut.

In: the server's address. Out: an address for the browser, and the bytes of each TCP connection both ways.
Never: changes a byte or knows what it means.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


@dataclass
class Connection:
    """One TCP connection, in the order of opening: what either side sent."""

    sent: tuple[list[bytes], list[bytes]] = field(default_factory=lambda: ([], []))

    @property
    def from_client(self) -> bytes:
        return b"".join(self.sent[0])

    @property
    def from_server(self) -> bytes:
        return b"".join(self.sent[1])


@dataclass
class Tap:
    """Where it listens, and what has passed."""

    url: str = ""
    connections: list[Connection] = field(default_factory=list)
    is_cut: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break every connection and refuse new ones, as a network that is gone does."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: list[bytes]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            kept.append(data)
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


@contextlib.asynccontextmanager
async def tapping(server_url: str) -> AsyncIterator[Tap]:
    """A tap before a server; at the end both sides of every connection are closed."""
    target = urlsplit(server_url)
    tap = Tap()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        except OSError:  # it has been stopped, and the browser tries again
            writer.transport.abort()
            return
        both = {writer, server_writer}
        tap._writers |= both
        connection = Connection()
        tap.connections.append(connection)
        try:
            await asyncio.gather(
                _pass_on(reader, server_writer, connection.sent[0]),
                _pass_on(server_reader, writer, connection.sent[1]),
            )
        finally:
            tap._writers -= both
            for each in both:
                each.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tap.is_cut:
            writer.transport.abort()
            return
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    tap.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield tap
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
