"""A TCP proxy that counts the bytes it passes on.

In: a server's address. Out: an address of its own, and bytes in each direction.
Never: knows what the bytes mean, or changes one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """What went through, and where it listens."""

    url: str = ""
    from_server: int = 0
    from_clients: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def connections(self) -> int:
        return len(self.tasks)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_from_server: bool) -> None:
        """Pass bytes on until the sender ends, then tell the receiver that they end; the way back stays open."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if is_from_server:
                    self.from_server += len(data)
                else:
                    self.from_clients += len(data)
                # A receiver that is gone ends nothing: what the server still sends must be counted.
                with contextlib.suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


@contextlib.asynccontextmanager
async def proxying(server_url: str) -> AsyncIterator[Proxy]:
    """A proxy before a server; at the end both sides of every connection are closed."""
    target = urlsplit(server_url)
    proxy = Proxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        try:
            await asyncio.gather(
                proxy.pump(reader, server_writer, is_from_server=False),
                proxy.pump(server_reader, writer, is_from_server=True),
            )
        finally:
            server_writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def ended(task: asyncio.Task[None]) -> None:  # a task that is cancelled early never runs, not even its finally
            writer.close()
            proxy.tasks.discard(task)

        task = asyncio.create_task(serve(reader, writer))
        proxy.tasks.add(task)
        task.add_done_callback(ended)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(proxy.tasks):
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
        await server.wait_closed()
