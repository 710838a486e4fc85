"""Wire bytes by computation, without sockets: who is sent what, by stock's windows and by this package's histories.

In: a script of emissions, and how many clients are replaced. Out: bytes per delivery, the worst that any client was
sent, compressions, time and memory.
Never: estimates: every message is compressed as each of its receivers would be sent it.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reznet_ws.deflate.frame import TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.script import Script
from reznet_ws.settings import Settings

_STOCK = Settings.stock()
# The promise: nobody is sent more over any so many messages that follow its first.
PROMISED_MESSAGES = 20
# Of these, so much is rounding: what is far away takes a few bits more, and each message ends with a whole byte.
ROUNDING_BYTES = 10
_TAIL_BYTES = 4

# Where there are no threads, as in a browser, the process has one.
_clock_s = getattr(time, "thread_time", time.process_time)


@dataclass(frozen=True, slots=True)
class ComputedBytes:
    """Units: bytes per delivery at the socket, frame headers included, as stock sends it, with windows of 15 bits
    for each connection, and with histories.

    `worst`: the highest ratio, over any 20 messages that follow a client's first, to what a window of its own like
    stock's takes for the same messages, see `worst_ratio`. us of CPU per delivery, in zlib and around it; stock's as if
    its compressor was always at hand. KB of text and of kept compressors, per connection, at the end.
    """

    deliveries: int
    receivers: float
    stock: float
    wide: float
    ours: float
    worst: float
    compressions: float
    stock_us: float
    ours_us: float
    text_kb: float
    kept_kb: float


class OwnWindow:
    """A compressor, as each of some connections has one; they have been sent the same so far."""

    __slots__ = ("compressor", "connections")

    def __init__(self, compressor: zlib._Compress, connections: int) -> None:
        self.compressor, self.connections = compressor, connections


class OwnWindows:
    """What a window for each connection takes; computed once for all connections that have been sent the same."""

    def __init__(self, bits: int, mem_level: int) -> None:
        self._figures = bits, mem_level
        self._at: dict[int, OwnWindow] = {}
        self.cpu_s = 0.0

    def send(self, text: bytes, receivers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Each receiver, and the size of its frame."""
        divided: dict[OwnWindow | None, list[int]] = {}
        for receiver in receivers:
            divided.setdefault(self._at.get(receiver), []).append(receiver)
        for window, several in divided.items():
            size = self._compress(text, self._apart(window, several), len(several))
            for receiver in several:
                yield receiver, size

    def _apart(self, window: OwnWindow | None, receivers: Sequence[int]) -> zlib._Compress:
        if window is not None and window.connections == len(receivers):
            return window.compressor
        bits, mem_level = self._figures
        if window is None:
            compressor = zlib.compressobj(wbits=-bits, memLevel=mem_level)
        else:
            compressor = window.compressor.copy()
            window.connections -= len(receivers)
        self._at.update(dict.fromkeys(receivers, OwnWindow(compressor, len(receivers))))
        return compressor

    def _compress(self, text: bytes, compressor: zlib._Compress, connections: int) -> int:
        began_s = _clock_s()
        size = len(compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)) - _TAIL_BYTES
        self.cpu_s += (_clock_s() - began_s) * connections
        return size + header_bytes(size)


@dataclass(eq=False, slots=True)
class ComputedClient:
    """A line, as histories know it, and the sizes of what went to it: `like_stock` by a window of its own."""

    number: int
    inflater: Inflater = field(default_factory=lambda: Inflater(15))
    ours: list[int] = field(default_factory=list)
    like_stock: list[int] = field(default_factory=list)


def compute(script: Script, replaced_share: float, per_client_s: float, settings: Settings) -> ComputedBytes:
    """All that a script sends. `replaced_share` of the clients every second, in which each is sent `per_client_s`
    messages; the oldest first, each newcomer with an inflater that holds nothing."""
    histories = Histories()
    stock = OwnWindows(_STOCK.deflate_window_bits, _STOCK.deflate_mem_level)
    wide = OwnWindows(15, settings.deflate_mem_level)
    like_stock = OwnWindows(_STOCK.deflate_window_bits, _STOCK.deflate_mem_level)
    clients = [ComputedClient(slot) for slot in range(script.clients)]
    everybody = list(clients)
    stock_texts = [event_text(message, utf8=_STOCK.utf8) for message in script.messages]
    our_texts = [event_text(message, utf8=settings.utf8) for message in script.messages]
    deliveries = stock_bytes = wide_bytes = 0
    cpu_s = 0.0
    for sending, slots in zip(script.sendings, script.receivers(), strict=True):
        due = int(replaced_share * deliveries / per_client_s)
        while len(everybody) - len(clients) < due:
            slot = (len(everybody) - len(clients)) % len(clients)
            histories.leave(clients[slot].inflater)
            clients[slot] = ComputedClient(len(everybody))
            everybody.append(clients[slot])
        receivers = [clients[slot] for slot in slots]
        numbers = [client.number for client in receivers]
        stock_text, our_text = stock_texts[sending.message], our_texts[sending.message]
        stock_bytes += sum(size for _, size in stock.send(stock_text, numbers))
        wide_bytes += sum(size for _, size in wide.send(stock_text, numbers))
        for number, size in like_stock.send(our_text, numbers):
            everybody[number].like_stock.append(size)
        began_s = _clock_s()
        ways = histories.frames(Frame(TEXT, our_text), receivers, settings)
        cpu_s += _clock_s() - began_s
        for wire, served in ways:
            for client in served:
                client.ours.append(len(wire))
        deliveries += len(receivers)
    figures = histories.figures()
    return ComputedBytes(
        deliveries=deliveries,
        receivers=deliveries / len(script.sendings),
        stock=stock_bytes / deliveries,
        wide=wide_bytes / deliveries,
        ours=sum(sum(client.ours) for client in everybody) / deliveries,
        worst=max((worst_ratio(client.ours[1:], client.like_stock[1:]) for client in everybody), default=0),
        compressions=figures.compressions / len(script.sendings),
        stock_us=stock.cpu_s * 1e6 / deliveries,
        ours_us=cpu_s * 1e6 / deliveries,
        text_kb=figures.text_bytes / 1000 / script.clients,
        kept_kb=figures.kept_bytes / 1000 / script.clients,
    )


def worst_ratio(ours: Sequence[int], stock: Sequence[int]) -> float:
    """The highest of sums over so many in a row as are promised, but for what is rounding; 0 where there are fewer."""
    sums = (
        (sum(ours[start : start + PROMISED_MESSAGES]), sum(stock[start : start + PROMISED_MESSAGES]))
        for start in range(len(ours) - PROMISED_MESSAGES + 1)
    )
    return max((max(took - ROUNDING_BYTES, min(took, stocks)) / stocks for took, stocks in sums), default=0)


def geometric_mean(values: Sequence[float]) -> float:
    """Of ratios."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def event_text(message: Sequence[object], *, utf8: bool) -> bytes:
    """The WebSocket message of an event and its data. Source: python-socketio's and this package's encoders, which
    agree here."""
    return b"42" + json.dumps(message, separators=(",", ":"), ensure_ascii=not utf8).encode()
