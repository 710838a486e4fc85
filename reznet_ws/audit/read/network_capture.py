"""Captures of the network (pcap, pcapng): WebSockets in clear, permessage-deflate included.

In: a file. Out: their messages, what their handshakes granted, and the bytes that they took on the wire, which no other
kind of capture has.
Never: reads what is encrypted; holds more than what is out of order.

Of Engine.IO's long-polling only that it was there is told: its bytes are those of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reznet_ws.audit.read.capture import Carried, Direction, Item, Record
from reznet_ws.audit.read.har_connections import HarAddress
from reznet_ws.audit.read.network_packets import Endpoint, NoReader, Segment, segments
from reznet_ws.audit.read.protocol import Fault, ProtocolDecoder
from reznet_ws.audit.read.source import Source, TooManyConnections
from reznet_ws.audit.read.tcp_order import Gap, Half
from reznet_ws.audit.read.websocket_flow import (
    BrokenFrames,
    FrameReader,
    Head,
    NotWebSocket,
    read_request,
    read_response,
)

# Of connections that are not read to their end, what is remembered takes 1 KB each.
_MOST_FLOWS = 100_000
_POLLING = b"transport=polling"
_TLS = b"\x16\x03"
_Key = tuple[Endpoint, Endpoint]


@dataclass(slots=True)
class _Flow:
    """One TCP connection; `client` is who sent the request. `stands`: what it is known to be."""

    client: Endpoint | None = None
    halves: dict[Endpoint, Half] = field(default_factory=dict)
    heads: dict[Endpoint, Head] = field(default_factory=dict)
    early: bytes = b""
    url: str = ""
    number: int = 0
    decoder: ProtocolDecoder | None = None
    readers: dict[Direction, FrameReader] = field(default_factory=dict)
    extensions: str = ""
    is_opened: bool = False
    is_over: bool = False


def read_network_capture(source: Source) -> Iterator[Item]:
    """The WebSockets in a capture of the network, as far as it has them."""
    yield from _Network(source).read()


class _Network:
    """One file being read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._flows: dict[_Key, _Flow] = {}
        self._sockets = self._encrypted = self._polls = self._headless = 0

    def read(self) -> Iterator[Item]:
        """The file from its beginning."""
        try:
            with self._source.path.open("rb") as file:
                for segment in segments(file, self._source.on_bytes):
                    yield from self._segment(segment)
        except NoReader as error:
            yield self._source.problem("the whole file", str(error))
        except TooManyConnections as error:
            yield self._source.problem("the rest of the file", str(error))
        for flow in self._flows.values():
            yield from self._close(flow)
        yield from self._told()

    def _told(self) -> Iterator[Item]:
        whole = "the whole file"
        if self._encrypted:
            reason = (
                f"{self._encrypted} connections are encrypted (TLS): capture behind the proxy that ends it, or export "
                "a HAR from a browser"
            )
            yield self._source.problem(whole, reason)
        if self._polls:
            yield self._source.problem(whole, f"{self._polls} requests of long-polling are not read")
        if not self._sockets:
            reason = f"there is no WebSocket in clear in it, from its handshake on ({self._headless} other connections)"
            yield self._source.problem(whole, reason)

    def _segment(self, segment: Segment) -> Iterator[Item]:
        ends = sorted((segment.source, segment.target))
        key = (ends[0], ends[1])
        flow = self._flows.get(key)
        begins_anew = flow is not None and segment.begins and (flow.is_over or segment.source == flow.client)
        if flow is None or begins_anew:
            if flow is not None:
                yield from self._close(flow)  # its port is used again
            elif len(self._flows) >= _MOST_FLOWS:
                return
            flow = self._flows[key] = _Flow()
        half = flow.halves.setdefault(segment.source, Half())
        if segment.begins:
            half.begin(segment.sequence)
        if flow.is_over:
            return
        sequence = segment.sequence + segment.begins
        try:
            if data := half.add(sequence % 2**32, segment.data):
                yield from self._data(flow, segment.source, data, segment.at_ms)
        except NotWebSocket:
            flow.is_over = True
        except Gap:
            yield from self._give_up(flow, "bytes are missing in the capture")
        except BrokenFrames as error:
            yield from self._give_up(flow, f"its frames cannot be read from here on: {error}")
        if segment.ends and not half.is_waiting:
            flow.is_over = flow.is_over or not flow.readers

    def _give_up(self, flow: _Flow, reason: str) -> Iterator[Item]:
        flow.is_over = True
        if flow.number:
            yield self._source.problem(f"connection {flow.number}", f"{reason}; what comes before it counts")

    def _data(self, flow: _Flow, sender: Endpoint, data: bytes, at_ms: float) -> Iterator[Item]:
        if flow.readers:
            yield from self._frames(flow, sender, data, at_ms)
            return
        if sender not in flow.heads:
            self._survey(data)
        found = flow.heads.setdefault(sender, Head()).add(data)
        if found is None:
            return
        head, rest = found
        if flow.client is None:
            flow.url, flow.client = read_request(head), sender
        elif sender != flow.client:
            self._open(flow, read_response(head))
            yield from self._frames(flow, flow.client, flow.early, at_ms)
            yield from self._frames(flow, sender, rest, at_ms)
            return
        flow.early = rest  # what a client sends before it has the answer

    def _survey(self, data: bytes) -> None:
        """What a connection that is none of ours begins with."""
        if data.startswith(_TLS):
            self._encrypted += 1
        elif _POLLING in data[:2000] and data.startswith((b"GET ", b"POST ")):
            self._polls += 1
        elif not data.startswith((b"GET ", b"HTTP/")):
            self._headless += 1

    def _open(self, flow: _Flow, extensions: str) -> None:
        address = HarAddress.of(flow.url)
        flow.number, flow.decoder = self._source.connect(address.engineio)
        self._sockets += 1
        flow.extensions = extensions
        flow.readers = {
            direction: FrameReader(is_server=direction is Direction.RECEIVED, extensions=extensions)
            for direction in Direction
        }

    def _frames(self, flow: _Flow, sender: Endpoint, data: bytes, at_ms: float) -> Iterator[Item]:
        direction = Direction.SENT if sender == flow.client else Direction.RECEIVED
        assert flow.decoder is not None
        moment_ms = self._source.capture.since_first(at_ms)
        for message in flow.readers[direction].add(data):
            yield from self._found(flow, flow.decoder.frame(direction, message, moment_ms))

    def _found(self, flow: _Flow, found: Iterator[Record | Fault]) -> Iterator[Item]:
        for item in found:
            yield from self._opened(flow)
            if isinstance(item, Record):
                yield item
            else:
                yield self._source.problem(f"connection {flow.number}", item.reason)

    def _opened(self, flow: _Flow) -> Iterator[Item]:
        """That the connection was opened, as soon as its first frame tells what it speaks."""
        if not flow.is_opened and flow.decoder is not None:
            flow.is_opened = True
            yield self._source.opened(flow.number, flow.url, flow.decoder.engineio, flow.extensions)

    def _close(self, flow: _Flow) -> Iterator[Item]:
        if flow.decoder is None:
            return
        if not flow.is_over and any(half.is_waiting for half in flow.halves.values()):
            yield from self._give_up(flow, "bytes are missing in the capture")
        yield from self._opened(flow)
        yield from self._found(flow, flow.decoder.close())
        for direction, reader in flow.readers.items():
            yield Carried(flow.number, direction, reader.frames, reader.wire_bytes)
