"""Clients that are sent messages, and who of them shares a history, by the server's own code.

In: texts as they travel, who is sent each, who comes and who goes. Out: frames, and the history of each client.
Never: opens a socket, or decides what the server decides.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reznet_ws.deflate.frame import TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.history import History
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.replay.frames import dissect, framed_bytes
from reznet_ws.settings import Settings

NO_HISTORY = "·"
_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# More than any window reaches back, of a byte that no text has.
SENTINEL = b"\xff" * 32_768
SYNC_TAIL = b"\x00\x00\xff\xff"


class Figures(NamedTuple):
    """What a compressor is made of."""

    bits: int
    mem_level: int

    def deflater(self) -> zlib._Compress:
        """One that has seen nothing."""
        return zlib.compressobj(wbits=-self.bits, memLevel=self.mem_level)


_RECOMMENDED = Settings.recommended()
FIGURES = Figures(_RECOMMENDED.deflate_window_bits, _RECOMMENDED.deflate_mem_level)


class _Client:
    def __init__(self, bits: int) -> None:
        self.inflater = Inflater(bits)


class Members:
    """Clients, oldest first."""

    def __init__(self, count: int, settings: Settings = _RECOMMENDED) -> None:
        self._settings = settings
        self._histories = Histories()
        self._clients: list[_Client] = []
        self.join(count)

    def join(self, count: int = 1) -> None:
        """Let some come, each with an inflater that holds nothing."""
        self._clients += [_Client(self._settings.deflate_window_bits) for _ in range(count)]

    def replace_oldest(self, count: int) -> None:
        """Let the oldest go and as many come."""
        for client in self._clients[:count]:
            self._histories.leave(client.inflater)
        del self._clients[:count]
        self.join(count)

    def send(self, text: bytes, to: Iterable[int] | None = None, *, secret: bool = False) -> list[bytes]:
        """The frame for each of those it is sent to, by their places; for all of them by default."""
        receivers = self._clients if to is None else [self._clients[place] for place in to]
        ways = self._histories.frames(Frame(TEXT, text, is_secret=secret), receivers, self._settings)
        frames = {id(client): wire for wire, clients in ways for client in clients}
        return [frames[id(client)] for client in receivers]

    @property
    def compressions(self) -> int:
        """How many there were."""
        return self._histories.figures().compressions

    @property
    def histories(self) -> list[History | None]:
        """That of each client."""
        return [client.inflater.history for client in self._clients]


class WatchedMembers(Members):
    """The same, and a letter for the history of each."""

    def __init__(self, count: int, settings: Settings = _RECOMMENDED) -> None:
        self._letters: dict[History, str] = {}
        self._next = itertools.cycle(_NAMES)
        super().__init__(count, settings)

    @property
    def letters(self) -> str:
        """A letter for each client: those with the same one hold the same messages."""
        held = [history for history in self.histories if history is not None]
        self._letters = {history: self._letters.get(history) or next(self._next) for history in dict.fromkeys(held)}
        return "".join(NO_HISTORY if history is None else self._letters[history] for history in self.histories)


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
