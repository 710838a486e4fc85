"""Many settings tried on a sample of the capture: exact bytes, and what each step takes of the CPU.

In: a spool; settings. Out: what the sample takes under them.
Never: encodes twice what two settings encode alike, or deflates twice what is the same stream.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

from reznet_ws.audit.examine.departures import Count, Departure, Key, depart, encode, key_of
from reznet_ws.audit.examine.findings import Sample
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.replay.link import Link
from reznet_ws.settings import Settings

# 60 to 90 choices are tried on it, at 15 to 60 us for each message and choice, and round.
SAMPLE_MESSAGES = 3000
SAMPLE_BYTES = 2_500_000
# One message may not be the whole sample.
_LARGEST_PART = 4
_MOST_CONNECTIONS = 250
# Every choice of one call in turn, and again: what disturbs one round of a choice leaves its median alone.
ROUNDS = 3


@dataclass(slots=True)
class Measured(Count):
    """What a sample takes under some settings, and the seconds of CPU for it in each round."""

    encode_s: list[float] = field(default_factory=list)
    deflate_s: list[float] = field(default_factory=list)

    @property
    def encode_us(self) -> float:
        """The mean for each message, of the median round: layers 1 and 3, JSON, batching."""
        return 1e6 * median(self.encode_s) / max(1, self.messages)

    @property
    def deflate_us(self) -> float:
        """The mean for each message, of the median round."""
        return 1e6 * median(self.deflate_s) / max(1, self.messages)

    @property
    def cpu_spread(self) -> float:
        """By how much the slowest round differs from the quickest, as a share of the median one."""
        rounds_s = [encode_s + deflate_s for encode_s, deflate_s in zip(self.encode_s, self.deflate_s, strict=True)]
        middle_s = median(rounds_s)
        return (max(rounds_s) - min(rounds_s)) / middle_s if middle_s else 0.0


def take_sample(
    spool: Spool, most_messages: int = SAMPLE_MESSAGES, most_bytes: int = SAMPLE_BYTES
) -> tuple[list[list[Kept]], Sample]:
    """The leading part of each connection, the same share of each; of some of them where there are very many.

    Leading parts, because a window's worth depends on what came before. Messages that alone would take a quarter of the
    bytes are left out, unless there are no others.
    """
    received = Direction.RECEIVED
    connections = spool.connections(received)
    stride = -(-len(connections) // _MOST_CONNECTIONS) if connections else 1
    chosen = connections[::stride]
    messages = sum(spool.count(received, connection) for connection in chosen)
    payload_bytes = sum(spool.payload_bytes(received, connection) for connection in chosen)
    is_everything = stride == 1 and messages <= most_messages and payload_bytes <= most_bytes
    # Frames may be empty.
    share = min(1.0, most_messages / max(1, messages), most_bytes / max(1, payload_bytes))
    sample: list[list[Kept]] = []
    taken_bytes = 0
    for connection in chosen:
        quota_messages = max(1, round(share * spool.count(received, connection)))
        quota_bytes = most_bytes if is_everything else max(1.0, share * spool.payload_bytes(received, connection))
        part: list[Kept] = []
        part_bytes = 0
        for kept in spool.read(received, connection):
            if len(part) >= quota_messages or part_bytes >= quota_bytes or taken_bytes >= most_bytes:
                break
            size = kept.payload_bytes
            if not is_everything and size > most_bytes / _LARGEST_PART:
                continue
            part.append(kept)
            part_bytes += size
            taken_bytes += size
        if part:
            sample.append(part)
    if not sample and connections:
        sample = [[next(spool.read(received, connections[0]))]]
        taken_bytes = sample[0][0].payload_bytes
    return sample, Sample(len(sample), sum(map(len, sample)), taken_bytes, is_everything)


class SampleTrial:
    """A sample, and what it took under the settings that were tried so far."""

    def __init__(self, sample: list[list[Kept]], clock: Callable[[], float] = time.thread_time) -> None:
        self.sample = sample
        self._clock = clock
        self._known: dict[Key, Measured] = {}
        # The same work has one time, or noise would make a difference between rows that have none.
        self._encode_s: dict[tuple[object, ...], list[float]] = {}

    def measure(self, choices: Iterable[Settings], progress: Callable[[int], None] = lambda _: None) -> list[Measured]:
        """What the sample takes, for each choice; `progress` is told how many of the new ones are done.

        Python's garbage collector rests meanwhile: it would book what all choices left behind to one of them.
        """
        choices = list(choices)
        keys = [key_of(settings) for settings in choices]
        new = {key: settings for key, settings in zip(keys, choices, strict=True) if key not in self._known}
        for key in new:
            self._known[key] = Measured()
        by_encoding: dict[tuple[object, ...], dict[tuple[object, ...] | None, list[Key]]] = {}
        for key in new:
            by_encoding.setdefault(key.encoding, {}).setdefault(key.waiting, []).append(key)
        with _without_collector():
            for round_number in range(ROUNDS):
                for key in new:
                    self._known[key].encode_s.append(0.0)
                    self._known[key].deflate_s.append(0.0)
                for connection in self.sample:
                    streams: dict[bytes, dict[tuple[object, ...] | None, tuple[int, float]]] = {}
                    for by_waiting in by_encoding.values():
                        self._try(connection, by_waiting, new, streams, counts=round_number == 0)
        for key in new:
            self._known[key].encode_s = self._encode_s.setdefault(key[:2], self._known[key].encode_s)
        progress(len(new))
        return [self._known[key] for key in keys]

    def _try(
        self,
        connection: list[Kept],
        by_waiting: dict[tuple[object, ...] | None, list[Key]],
        settings: dict[Key, Settings],
        streams: dict[bytes, dict[tuple[object, ...] | None, tuple[int, float]]],
        *,
        counts: bool,
    ) -> None:
        """One connection in one round; what it takes in bytes is counted in one round only."""
        clock = self._clock
        began_s = clock()
        encoded = list(encode(connection, settings[next(iter(by_waiting.values()))[0]]))
        encode_s = clock() - began_s
        for keys in by_waiting.values():
            began_s = clock()
            stream = list(depart(encoded, settings[keys[0]]))
            pack_s = clock() - began_s
            done = streams.setdefault(_digest(stream), {})
            frames = sum(len(departure.frames) for departure in stream)
            frame_bytes = sum(len(data) for departure in stream for _, data in departure.frames)
            delays_ms = Counter(delay_ms for departure in stream for delay_ms in departure.delays_ms)
            for key in keys:
                if key.deflate not in done:
                    line = Link(settings[key])
                    began_s = clock()
                    wire_bytes = sum(line.carry(*frame) for departure in stream for frame in departure.frames)
                    done[key.deflate] = wire_bytes, clock() - began_s
                wire_bytes, deflate_s = done[key.deflate]
                total = self._known[key]
                total.encode_s[-1] += encode_s + pack_s
                total.deflate_s[-1] += deflate_s
                if not counts:
                    continue
                total.messages += len(connection)
                total.frames += frames
                total.frame_bytes += frame_bytes
                total.wire_bytes += wire_bytes
                total.delays_ms.update(delays_ms)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _digest(stream: Iterable[Departure]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for departure in stream:
        for opcode, data in departure.frames:
            digest.update(b"%d %d " % (opcode, len(data)))
            digest.update(data)
    return digest.digest()
