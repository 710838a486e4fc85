"""A capture of the network without the right to make one: a proxy that notes what passes, and writes it as pcap.

In: the address of a server. Out: what each connection carried, byte by byte; the same as frames of Ethernet.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import dpkt

MTU_BYTES = 1400


@dataclass
class Passed:
    """Some bytes of one connection, one way."""

    connection: int
    from_client: bool
    data: bytes


@dataclass
class Tape:
    """What passed, in order, and where the proxy listens."""

    url: str = ""
    passed: list[Passed] = field(default_factory=list)

    def of(self, *, from_client: bool) -> bytes:
        """Everything that one side of all connections sent."""
        return b"".join(one.data for one in self.passed if one.from_client is from_client)


@contextlib.asynccontextmanager
async def taping(server_url: str) -> AsyncIterator[Tape]:
    """A proxy before a server."""
    target, tape, tasks = urlsplit(server_url), Tape(), set()

    async def pump(number: int, reader: Any, writer: Any, from_client: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                tape.passed.append(Passed(number, from_client, data))
                writer.write(data)
        writer.close()

    async def serve(number: int, reader: Any, writer: Any) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        pumps = pump(number, reader, server_writer, True), pump(number, server_reader, writer, False)
        await asyncio.gather(*pumps)

    def accept(reader: Any, writer: Any) -> None:
        tasks.add(asyncio.ensure_future(serve(len(tasks), reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    tape.url = f"http://{host}:{port}"
    try:
        yield tape
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


Frames = list[tuple[float, bytes]]


def frames_of(tape: Tape, link: Callable[[bytes], bytes], *, port: int = 8000) -> Frames:
    """The tape as packets, with handshakes and segments of a usual size; a millisecond apart."""
    client, server = (socket.inet_aton(address) for address in ("10.0.0.1", "10.0.0.2"))
    sequences: dict[tuple[int, bool], int] = {}
    frames: Frames = []

    def send(connection: int, from_client: bool, flags: int, data: bytes) -> None:
        # Numbers that turn over within the first segments.
        sequence = sequences.setdefault((connection, from_client), 2**32 - 600)
        ports = (40_000 + connection, port) if from_client else (port, 40_000 + connection)
        tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=sequence, flags=flags, data=data)
        addresses = (client, server) if from_client else (server, client)
        packet = dpkt.ip.IP(src=addresses[0], dst=addresses[1], p=dpkt.ip.IP_PROTO_TCP, data=tcp)
        packet.len = len(packet)
        frames.append((1.7e9 + len(frames) / 1000, link(bytes(packet))))
        sequences[connection, from_client] = (sequence + len(data) + bool(flags & dpkt.tcp.TH_SYN)) % 2**32

    for one in tape.passed:
        if (one.connection, True) not in sequences:
            send(one.connection, True, dpkt.tcp.TH_SYN, b"")
            send(one.connection, False, dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK, b"")
        for begin in range(0, len(one.data), MTU_BYTES):
            send(one.connection, one.from_client, dpkt.tcp.TH_ACK, one.data[begin : begin + MTU_BYTES])
    return frames


def ethernet(packet: bytes) -> bytes:
    """As a network card has it."""
    return bytes(dpkt.ethernet.Ethernet(src=b"\1" * 6, dst=b"\2" * 6, type=dpkt.ethernet.ETH_TYPE_IP, data=packet))


def vlan(packet: bytes) -> bytes:
    """With a tag of 802.1Q."""
    return b"\2" * 6 + b"\1" * 6 + b"\x81\x00\x00\x05\x08\x00" + packet


def cooked(packet: bytes) -> bytes:
    """As `tcpdump -i any` has it."""
    return b"\x00\x00\x00\x01\x00\x06" + b"\1" * 6 + b"\x00\x00\x08\x00" + packet


def loopback(packet: bytes) -> bytes:
    """As the loopback of a Mac has it."""
    return b"\x02\x00\x00\x00" + packet


def disturbed(frames: Frames, seed: int = 1) -> Frames:
    """The same as a bad network has it: some twice, some late."""
    chance = random.Random(seed)
    result = list(frames)
    for at in range(6, len(result) - 1):
        if chance.random() < 0.3:
            result[at], result[at + 1] = result[at + 1], result[at]
    return [frame for frame in result for _ in range(2 if chance.random() < 0.2 else 1)]


def written(frames: Iterable[tuple[float, bytes]], writer: Any = dpkt.pcap.Writer, **options: Any) -> bytes:
    """A file of packets."""
    file = io.BytesIO()
    to = writer(file, **options)
    for at_s, frame in frames:
        to.writepkt(frame, ts=at_s)
    return file.getvalue()
