"""TCP segments of a pcap or pcapng file.

In: a file as tcpdump, Wireshark or dumpcap writes it. Out: segments with their times, in the order of the file.
Never: reads more of the file at once than one packet may have; ends at a packet that it does not know.

dpkt (an extra) reads the file and takes the packets apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

# The largest snapshot that tcpdump takes is 262,144 bytes.
_MOST_PACKET_BYTES = 2**20
# Source: www.tcpdump.org/linktypes.html.
_NULL, _ETHERNET, _RAW, _LOOP, _SLL, _SLL2 = (0,), (1,), (12, 14, 101, 228, 229), (108,), (113,), (276,)
MAGICS = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")


class NoReader(Exception):
    """What is missing, or why the file cannot be read."""


class Endpoint(NamedTuple):
    """One end of a connection."""

    address: bytes
    port: int


class Segment(NamedTuple):
    """One TCP segment."""

    at_ms: float
    source: Endpoint
    target: Endpoint
    sequence: int
    data: bytes
    begins: bool
    ends: bool


class _Bounded:
    """A file that gives no more at once than a packet may have, whatever the file says."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[float], None]) -> None:
        self._file, self._on_bytes = file, on_bytes
        self.name = ""

    def read(self, size: int = -1) -> bytes:
        """So many bytes. Raises: ValueError where that is no size of a packet."""
        if not 0 <= size <= _MOST_PACKET_BYTES:
            raise ValueError(f"a packet of {size} bytes")
        data = self._file.read(size)
        self._on_bytes(len(data))
        return data

    def seek(self, position: int) -> None:
        """Only to the beginning, before anything is read."""
        self._file.seek(position)


def segments(file: BinaryIO, on_bytes: Callable[[float], None]) -> Iterator[Segment]:
    """Every TCP segment over IPv4 and IPv6. Raises: NoReader where there is no (further) packet to read."""
    try:
        import dpkt
    except ImportError as error:
        raise NoReader("reading it takes dpkt: pip install 'reznet-ws[pcap]'") from error
    try:
        packets = dpkt.pcap.UniversalReader(_Bounded(file, on_bytes))
        datalink = packets.datalink()
        for at_s, packet in packets:
            try:
                network = _network(dpkt, datalink, packet)
            except (dpkt.dpkt.Error, ValueError, IndexError, TypeError, AttributeError):
                continue  # no packet that is known, or the snapshot cut it
            tcp = getattr(network, "data", None)
            if isinstance(tcp, dpkt.tcp.TCP):
                yield Segment(
                    float(at_s) * 1000,
                    Endpoint(network.src, tcp.sport),
                    Endpoint(network.dst, tcp.dport),
                    tcp.seq,
                    bytes(tcp.data),
                    bool(tcp.flags & dpkt.tcp.TH_SYN),
                    bool(tcp.flags & (dpkt.tcp.TH_FIN | dpkt.tcp.TH_RST)),
                )
    except (dpkt.dpkt.Error, ValueError, ArithmeticError) as error:
        raise NoReader(f"it cannot be read from here on ({error}); what comes before it counts") from error


def _network(dpkt: Any, datalink: int, packet: bytes) -> Any:
    """The IP packet in a frame of a link."""
    if datalink in _ETHERNET:
        return dpkt.ethernet.Ethernet(packet).data
    if datalink in _SLL:
        return dpkt.sll.SLL(packet).data
    if datalink in _SLL2:
        return dpkt.sll2.SLL2(packet).data
    if datalink in (*_NULL, *_LOOP):
        packet = packet[4:]
    elif datalink not in _RAW:
        raise ValueError(f"link type {datalink}")
    return dpkt.ip6.IP6(packet) if packet[0] >> 4 == 6 else dpkt.ip.IP(packet)
