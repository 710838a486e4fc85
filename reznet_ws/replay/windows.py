"""Who is at which deflate window, message by message, by the server's own code.

In: texts as they travel, who is sent each, who comes and who goes. Out: bytes at the socket, and the window of each.
Never: opens a socket.
Never: decides what the server decides; the ways that it does not take are here to be compared with the one it takes.
This is the one file that knows the inside of the server's shared windows.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from websockets.frames import Opcode

from reznet_ws.deflate.window import Figures as Figures
from reznet_ws.deflate.window import Inflater, SharedFrame, Window
from reznet_ws.replay.frames import dissect, framed_bytes
from reznet_ws.settings import Settings

_RECOMMENDED = Settings.recommended()
FIGURES = Figures(_RECOMMENDED.deflate_window_bits, _RECOMMENDED.deflate_mem_level)
NO_WINDOW = "·"
_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# More than any window reaches back, of a byte that no text has.
SENTINEL = b"\xff" * 32_768
SYNC_TAIL = b"\x00\x00\xff\xff"


class AsTheServer(SharedFrame):
    """A message as the server sends it; how many times it was compressed is counted."""

    compressions = 0

    def _compress(self, deflater: zlib._Compress) -> bytes:
        self.compressions += 1
        return super()._compress(deflater)


class Clear(AsTheServer):
    """What only some at a window are sent goes uncompressed."""

    def _choose(self, window: Window, members: Sequence[Inflater]) -> None:
        if len(members) == window.members:
            self._advance(window, keep=False)
        else:
            self._after[window] = self.clear, window


class Fork(AsTheServer):
    """What only some at a window are sent gives them a compressor of their own."""

    def _choose(self, window: Window, members: Sequence[Inflater]) -> None:
        self._advance(window, keep=len(members) < window.members)


class FallOut(AsTheServer):
    """Of those that are sent a message and those that are not, the fewer lose the window."""

    def _choose(self, window: Window, members: Sequence[Inflater]) -> None:
        if 2 * len(members) > window.members:
            self._advance(window, keep=False)
        else:
            self._compress_fresh(window.figures)


WAYS: Mapping[str, type[AsTheServer]] = {
    "clear": Clear,
    "fork": Fork,
    "fall out of step": FallOut,
    "as the server picks": AsTheServer,
}


class Members:
    """Clients that are sent messages, oldest first; `way` says how a message travels that not all are sent."""

    def __init__(self, count: int, way: type[SharedFrame] = SharedFrame, figures: Figures = FIGURES) -> None:
        self.inflaters = [Inflater() for _ in range(count)]
        self._way, self._figures = way, figures
        self.compressions = 0

    def join(self, count: int = 1) -> None:
        """Let some come, each with an inflater that holds nothing."""
        self.inflaters += [Inflater() for _ in range(count)]

    def replace_oldest(self, count: int) -> None:
        """Let the oldest go and as many come."""
        for inflater in self.inflaters[:count]:
            inflater.window = None
        del self.inflaters[:count]
        self.join(count)

    def send(self, text: bytes, to: Iterable[int] | None = None) -> list[bytes]:
        """The frame for each of those it is sent to, by their places; for all of them by default."""
        receivers = self.inflaters if to is None else [self.inflaters[place] for place in to]
        frame = self._way(Opcode.TEXT, text)
        frame.plan(receivers, self._figures)
        frames = [frame.take(inflater) for inflater in receivers]
        self.compressions += getattr(frame, "compressions", 0)
        return frames


class WatchedMembers(Members):
    """The same, and a letter for the window of each."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._names: dict[Window, str] = {}
        self._next_name = itertools.count()

    @property
    def windows(self) -> str:
        """A letter for each client: those with the same one are in step."""
        at = [inflater.window for inflater in self.inflaters]
        return "".join(NO_WINDOW if window is None else self._names.get(window, NO_WINDOW) for window in at)

    def send(self, text: bytes, to: Iterable[int] | None = None) -> list[bytes]:
        """A window that moves on keeps its letter; one that begins, or goes on beside the one it was, gets the next."""
        before = [inflater.window for inflater in self.inflaters]
        frames = super().send(text, to)
        after = [inflater.window for inflater in self.inflaters]
        names: dict[Window, str] = {}
        for was, now in zip(before, after, strict=True):
            if now is None or now in names or now.deflater is None:  # without a compressor, its members are out of step
                continue
            if now in self._names:
                names[now] = self._names[now]
            elif was is None or now.fed_bytes == len(text) or (was in after and was.deflater is not None):
                names[now] = _NAMES[next(self._next_name) % len(_NAMES)]
            else:
                names[now] = self._names[was]
        self._names = names
        return frames


def own_bytes(texts: Sequence[bytes], newcomers: Sequence[int], clients: int, figures: Figures) -> list[float]:
    """The mean over the clients, for each message, with a compressor for each connection.

    `newcomers` says how many of the oldest are replaced before each message. Those that came together have compressors
    that hold the same, so one stands for them all.
    """
    # How many, and the compressor that each of them has a copy of.
    groups = deque([(clients, figures.deflater())])
    sizes = []
    for text, new in zip(texts, newcomers, strict=True):
        for _ in range(new):
            count, deflater = groups.popleft()
            if count > 1:
                groups.appendleft((count - 1, deflater))
        if new:
            groups.append((new, figures.deflater()))
        sizes.append(math.fsum(count * deflated_bytes(deflater, text) for count, deflater in groups) / clients)
    return sizes


def deflated_bytes(deflater: zlib._Compress, text: bytes) -> int:
    """What a text takes at the socket behind what its compressor has seen."""
    return framed_bytes(len(deflater.compress(text)) + len(deflater.flush(zlib.Z_SYNC_FLUSH)) - len(SYNC_TAIL))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of many messages to many clients. Units: bytes at the sockets; how many times a message was compressed."""

    wire_bytes: int
    compressions: int


def overlap(texts: Sequence[bytes], clients: int, members: int, every: int) -> dict[str, Cost]:
    """What each of `WAYS` costs where of so many messages one goes only to the members of a smaller room."""
    costs = {}
    for name, way in WAYS.items():
        room = Members(clients, way)
        wire_bytes = 0
        for number, text in enumerate(texts, start=1):
            to = range(members) if number % every == 0 else None
            wire_bytes += sum(map(len, room.send(text, to)))
        costs[name] = Cost(wire_bytes, room.compressions)
    return costs


def inflate_all(frames: Iterable[bytes]) -> list[bytes]:
    """The texts of the frames of one client, inflated over a window that is full of `SENTINEL`.

    A frame that refers to anything but what this client was sent before brings up bytes that no text has. Raises:
    zlib.error for what is no deflate stream.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=SENTINEL)
    texts = []
    for frame in frames:
        parts = dissect(frame)
        texts.append(inflater.decompress(parts.payload + SYNC_TAIL) if parts.rsv1 else parts.payload)
    return texts
