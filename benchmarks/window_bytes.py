"""Wire bytes by computation, without sockets: a window for each connection against one that all share.

In: messages in their order, a number of clients, a rate, and how many are replaced. Out: bytes per delivery, what
late joiners cost the shared window, and what they would cost if they were primed.
Never: estimates: every message is compressed as each receiver would be sent it, by the package's own window.

Two conditions: all clients joined first, or some are replaced every second, the oldest first, each newcomer with an
inflater that holds nothing.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.emissions import RecordedEvent
from reznet_ws.deflate.window import Figures
from reznet_ws.lab.explain.windows import Join, Members, framed_bytes, join_at, own_bytes, primer
from reznet_ws.settings import Settings

_STOCK = Settings.stock()
_RECOMMENDED = Settings.recommended()
STOCK_FIGURES = Figures(_STOCK.deflate_window_bits, _STOCK.deflate_mem_level)
WIDE_FIGURES = Figures(_RECOMMENDED.deflate_window_bits, _RECOMMENDED.deflate_mem_level)
# All that zlib makes: the smaller the window, the less it takes to fill it, and the more every message takes.
PRIMED_BITS = tuple(range(15, 8, -1))
# Spread over the first three quarters, so that each has a quarter at least to lose bytes in.
JOINS = 20


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens: `share` of the clients are replaced every second."""

    clients: int = 100
    rate_per_s: float = 20.0
    share: float = 0.01

    def newcomers(self, due_ms: Iterable[float]) -> list[int]:
        """How many have been replaced before each message since the one before it; at most all."""
        totals = [int(at_ms / 1000 * self.share * self.clients) for at_ms in due_ms]
        return [min(self.clients, now - before) for before, now in pairwise([0, *totals])]


@dataclass(frozen=True, slots=True)
class Epochs:
    """What late joiners do to the shared window. Bytes per delivery, over what one window without an end would take:
    `begun_bytes` for those in step, `outside_bytes` for the others, both spread over all deliveries."""

    per_1000: float
    in_step: float
    begun_bytes: float
    outside_bytes: float


@dataclass(frozen=True, slots=True)
class Priming:
    """If newcomers were handed the room's last text. Units: bytes.

    `joins`: clients that stay for all the rest. The others are those that come under churn: `lost_bytes` is what each
    costs in the shared window beyond one that all are at and that never ends, `primer_bytes` what its primer takes
    instead, and `churn` the bytes per delivery with primers, by the bits of the room's window.
    """

    joins: Sequence[Join]
    lost_bytes: float | None
    primer_bytes: float | None
    churn: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class WireBytes:
    """Bytes per delivery at the socket, frame headers included."""

    messages: int
    plain: float
    stock: float
    own: float
    shared: float
    stock_churn: float
    own_churn: float
    shared_churn: float
    epochs: Epochs
    priming: Priming


def compute(emissions: Sequence[RecordedEvent], audience: Audience, *, use_clock: bool = False) -> WireBytes:
    """Bytes in all ways. `use_clock`: messages are due when the source says, else at the audience's rate."""
    stock_texts = [event_text(one, utf8=_STOCK.utf8) for one in emissions]
    our_texts = [event_text(one, utf8=_RECOMMENDED.utf8) for one in emissions]
    newcomers = audience.newcomers(_due_ms(emissions, audience.rate_per_s, use_clock))
    nobody = [0] * len(emissions)
    ideal = own_bytes(our_texts, nobody, audience.clients, WIDE_FIGURES)
    shared, epochs = shared_bytes(our_texts, newcomers, audience.clients, ideal)
    everyone_in_step, _ = shared_bytes(our_texts, nobody, audience.clients, ideal)

    def per_delivery(sizes: Sequence[float]) -> float:
        return math.fsum(sizes) / len(sizes)

    return WireBytes(
        messages=len(emissions),
        plain=per_delivery([framed_bytes(len(text)) for text in stock_texts]),
        stock=per_delivery(own_bytes(stock_texts, nobody, audience.clients, STOCK_FIGURES)),
        own=per_delivery(own_bytes(stock_texts, nobody, audience.clients, WIDE_FIGURES)),
        shared=per_delivery(everyone_in_step),
        stock_churn=per_delivery(own_bytes(stock_texts, newcomers, audience.clients, STOCK_FIGURES)),
        own_churn=per_delivery(own_bytes(stock_texts, newcomers, audience.clients, WIDE_FIGURES)),
        shared_churn=per_delivery(shared),
        epochs=epochs,
        priming=prime(our_texts, newcomers, audience.clients, math.fsum(shared) - math.fsum(ideal)),
    )


def geometric_mean(values: Sequence[float]) -> float:
    """Of ratios."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _due_ms(emissions: Sequence[RecordedEvent], rate_per_s: float, use_clock: bool) -> Iterator[float]:
    """Times that never go back; where the source has none, the time before."""
    at_ms = 0.0
    for number, one in enumerate(emissions):
        at_ms = max(at_ms, one.at_ms or 0.0) if use_clock else number * 1000 / rate_per_s
        yield at_ms


def event_text(one: RecordedEvent, *, utf8: bool) -> bytes:
    """The WebSocket message of an event. Source: python-socketio's and this package's encoders, which agree here."""
    return b"42" + json.dumps([one.event, one.data], separators=(",", ":"), ensure_ascii=not utf8).encode()


def shared_bytes(
    texts: Sequence[bytes], newcomers: Sequence[int], clients: int, ideal: Sequence[float]
) -> tuple[list[float], Epochs]:
    """The mean over the clients, for each message, with the package's shared window."""
    members = Members(clients, figures=WIDE_FIGURES)
    begun = in_step = 0
    begun_bytes = outside_bytes = 0.0
    sizes = []
    for text, new, ideal_bytes in zip(texts, newcomers, ideal, strict=True):
        members.replace_oldest(new)
        took = [len(frame) for frame in members.send(text)]
        sizes.append(sum(took) / clients)
        windows = Counter(member.window for member in members.inflaters if member.window is not None)
        fullest = max(windows, key=windows.__getitem__, default=None)
        # A window that has been fed nothing but this message has just begun.
        begun += fullest is not None and fullest.fed_bytes == len(text)
        for member, size in zip(members.inflaters, took, strict=True):
            if member.window is not None and member.window is fullest:
                in_step += 1
                begun_bytes += size - ideal_bytes
            else:
                outside_bytes += size - ideal_bytes
    deliveries = len(texts) * clients
    return sizes, Epochs(
        per_1000=1000 * begun / len(texts),
        in_step=in_step / deliveries,
        begun_bytes=begun_bytes / deliveries,
        outside_bytes=outside_bytes / deliveries,
    )


def prime(texts: Sequence[bytes], newcomers: Sequence[int], clients: int, lost_bytes: float) -> Priming:
    """What primers would take. `lost_bytes`: what each client loses on the mean in the shared window."""
    came = sum(newcomers)
    moments = sorted({len(texts) * 3 * number // (4 * JOINS) for number in range(1, JOINS + 1)} - {0})
    primers = {bits: _primers_bytes(texts, newcomers, bits) for bits in PRIMED_BITS}
    churn = {}
    for bits, primers_bytes in primers.items():
        in_step = own_bytes(texts, [0] * len(texts), clients, Figures(bits, WIDE_FIGURES.mem_level))
        churn[bits] = (math.fsum(in_step) + primers_bytes / clients) / len(texts)
    return Priming(
        joins=join_at(texts, moments, WIDE_FIGURES),
        lost_bytes=lost_bytes * clients / came if came else None,
        primer_bytes=primers[WIDE_FIGURES.bits] / came if came else None,
        churn=churn,
    )


def _primers_bytes(texts: Sequence[bytes], newcomers: Sequence[int], bits: int) -> int:
    """Of all that come, each primed before the first message that it is sent."""
    past = bytearray()
    total = 0
    for text, new in zip(texts, newcomers, strict=True):
        if new:
            total += new * len(primer(bytes(past), bits))
        past += text
    return total
