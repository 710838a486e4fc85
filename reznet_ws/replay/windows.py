"""Who is at which deflate window, message by message, by the server's own code: what the notebook on windows draws.

In: texts as they travel, who is sent each, who comes and who goes. Out: bytes at the socket, and the window of each.
Never: opens a socket, or decides anything that the server decides; the ways that it does not take are here to be
compared with the one it takes.
"""

from __future__ import annotations

import itertools
import math
import random
import uuid
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from websockets.frames import Opcode

from reznet_ws.deflate.window import Figures, Inflater, SharedFrame, Window, build_frame
from reznet_ws.lab.explain.journey import Event, engineio_packets
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.frames import dissect
from reznet_ws.settings import Settings

_RECOMMENDED = Settings.recommended()
FIGURES = Figures(_RECOMMENDED.deflate_window_bits, _RECOMMENDED.deflate_mem_level)
NO_WINDOW = "·"
_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# More than any window reaches back, of a byte that no text has.
SENTINEL = b"\xff" * 32_768
_SYNC_TAIL = b"\x00\x00\xff\xff"
# Engine.IO's packet that every client ignores.
_NOOP = b"6"
# So much less than its window does a compressor reach back. Source: MIN_LOOKAHEAD in zlib's deflate.h.
_LOOKAHEAD_BYTES = 262


def as_text(event: Event) -> bytes:
    """The WebSocket message of an event as a stock client gets it."""
    (text,) = engineio_packets([event], _RECOMMENDED.replace(abbreviate=False, gzip=False))
    assert isinstance(text, str)
    return text.encode()


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


def framed_bytes(size: int) -> int:
    """What a WebSocket message of so many bytes takes at the socket."""
    return header_bytes(size) + size


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
        sizes.append(math.fsum(count * _deflated_bytes(deflater, text) for count, deflater in groups) / clients)
    return sizes


def _deflated_bytes(deflater: zlib._Compress, text: bytes) -> int:
    return framed_bytes(len(deflater.compress(text)) + len(deflater.flush(zlib.Z_SYNC_FLUSH)) - len(_SYNC_TAIL))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of many messages to many clients. Units: bytes at the sockets; how many times a message was compressed."""

    wire_bytes: int
    compressions: int


@dataclass(frozen=True, slots=True)
class Join:
    """A client that comes after so many messages and stays. Units: bytes at its socket.

    `primer_bytes`: what puts it in step at once. `lost_bytes`: how much more than those in step it has been sent after
    each message that follows, if a window begins with it instead.
    """

    after: int
    primer_bytes: int
    lost_bytes: Sequence[int]

    @property
    def most_lost_bytes(self) -> int:
        """The most that it has ever lost: priming can spare it no more, however long it stays."""
        return max(self.lost_bytes, default=0)


def primer(past: bytes, bits: int) -> bytes:
    """The frame that puts a newcomer in step: a noop packet with all that a compressor of so many bits may refer to.

    It begins where a character does. It is compressed from nothing and as well as zlib can, once for those that come
    together.
    """
    start = max(0, len(past) - 2**bits + _LOOKAHEAD_BYTES)
    while start and past[start] & 0xC0 == 0x80:
        start -= 1
    deflater = zlib.compressobj(zlib.Z_BEST_COMPRESSION, wbits=-bits, memLevel=zlib.DEF_MEM_LEVEL)
    body = deflater.compress(_NOOP + past[start:]) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return build_frame(Opcode.TEXT, body.removesuffix(_SYNC_TAIL), compressed=True)


def join_at(texts: Sequence[bytes], moments: Iterable[int], figures: Figures = FIGURES) -> list[Join]:
    """What a client costs that comes at one of these moments, each a number of messages that it was not sent."""
    in_step = _alone(texts, figures)
    joins = []
    for after in moments:
        fresh = _alone(texts[after:], figures)
        lost = itertools.accumulate(took - needed for took, needed in zip(fresh, in_step[after:], strict=True))
        joins.append(Join(after, len(primer(b"".join(texts[:after]), figures.bits)), list(lost)))
    return joins


def lost_in_room(texts: Sequence[bytes], newcomers: Sequence[int], clients: int, stay: int) -> list[float]:
    """As `Join.lost_bytes`, for those that come to the server's windows: the mean over all that are sent at least
    `stay` messages. `newcomers` says how many of the oldest are replaced before each message.

    Raises: ValueError where nobody stays so long.
    """
    in_step = _alone(texts, FIGURES)
    room = Members(clients)
    # Of each client how much more it was sent, message by message.
    surplus: list[list[int]] = [[] for _ in range(clients)]
    newest: list[list[int]] = []
    for text, new, needed in zip(texts, newcomers, in_step, strict=True):
        room.replace_oldest(new)
        came: list[list[int]] = [[] for _ in range(new)]
        surplus = surplus[new:] + came
        newest += came
        for sizes, frame in zip(surplus, room.send(text), strict=True):
            sizes.append(len(frame) - needed)
    stayed = [sizes[:stay] for sizes in newest if len(sizes) >= stay]
    if not stayed:
        raise ValueError(f"nobody who came late was sent {stay} messages")
    return list(itertools.accumulate(math.fsum(each) / len(stayed) for each in zip(*stayed, strict=True)))


def roll_call(names: int, count: int) -> list[bytes]:
    """Messages in which so many ids come round, one in each: short, and all that was said is said again."""
    draw = random.Random(1)
    ids = [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(names)]
    return [as_text(("user_status", {"user_id": ids[at % names], "status": "online"})) for at in range(count)]


def _alone(texts: Sequence[bytes], figures: Figures) -> list[int]:
    """The frame sizes of a client that is sent all of it."""
    deflater = figures.deflater()
    return [_deflated_bytes(deflater, text) for text in texts]


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
        texts.append(inflater.decompress(parts.payload + _SYNC_TAIL) if parts.rsv1 else parts.payload)
    return texts


def guess_sizes(secret: Event, guesses: Mapping[str, Event]) -> dict[str, int]:
    """How long the secret's frame is after somebody else's message with each guess, all in step at one window."""
    sizes = {}
    for name, guess in guesses.items():
        room = Members(3)
        room.send(as_text(guess))
        sizes[name] = len(room.send(as_text(secret))[0])
    return sizes


def guess_digits(secret: Event, question: str, count: int) -> list[dict[str, int]]:
    """The secret's sizes after each of ten questions, digit by digit; the shortest is taken for right and kept.

    `question` has `{}` where the digits go, those found and one more.
    """
    found, rounds = "", []
    for _ in range(count):
        guesses = {digit: ("support_request", {"text": question.format(found + digit)}) for digit in "0123456789"}
        rounds.append(guess_sizes(secret, guesses))
        found += min(rounds[-1], key=rounds[-1].__getitem__)
    return rounds
