"""Layer 5: one deflate window for many connections, inside standard permessage-deflate.

In: a WebSocket message that several connections are sent, and what their inflaters hold. Out: whole frames, each built
once, and what the inflaters hold after it.
Never: compresses a message against text that one of its receivers was not sent.

Two facts carry it (RFC 7692 sections 7.2.1 and 7.2.3). A frame with RSV1 clear never enters the receiver's window, so
it may pass in between. A compressor may refer to less of the window than it could, so a new one is in step with every
client, whatever came before. Hence the states: connections at the same `Window` have been sent the same compressed
messages since its beginning; one compressor serves them all. A connection at no window is out of step: it gets frames
compressed from nothing, until a window begins anew and everybody who is sent its first frame enters it (an epoch).
Late joiners gather at small windows first, so that the many need not begin anew for the few.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from websockets.frames import Opcode

from reznet_ws.ledger import header_bytes

# What a new beginning costs each connection that was in step: 0.9 to 2.7 KB on the agents' traffic, most of it in the
# first dozen messages (the notebook on windows computes it).
EPOCH_COST_BYTES = 1500
# As many connections deserve a compressor of their own rather than frames without compression: compressing one message
# takes the time of about two writes.
LEAST_GROUP = 4
# What one more compression of the same message is worth avoiding, in bytes: each group at a window of its own costs it.
GROUP_COST_BYTES = 20
# Into how many windows the receivers of one message may be divided: two, and one more for each so many. Each costs a
# compression of every message, the time of two to eight writes, so at most an eighth of all. On real traffic, 1 % of
# the receivers replaced every second, 100 of them take 0.74 of uvicorn's bytes at 2 windows, 0.73 at 3 and 0.71 at 6;
# 1,000 of them, sent 5 messages a second, 0.79 at 3, 0.75 at 6 and 0.73 at 12 (`python -m benchmarks bytes` with
# --clients and --rate, and this figure changed).
MOST_GROUPS = 12
RECEIVERS_PER_GROUP = 64
# Whoever shares a window and was sent as much by itself, uncompressed, gets one of its own; who shares none, sooner.
OWN_WINDOW_AFTER_BYTES = 16_384
FIRST_WINDOW_AFTER_BYTES = 1024
# What compression takes off where it is not worth computing.
_TYPICAL_SAVING = 0.7

_FIN, _RSV1 = 0x80, 0x40
_TAIL_BYTES = 4


@dataclass(frozen=True, slots=True)
class Figures:
    """What a window is made of."""

    bits: int
    mem_level: int

    def deflater(self) -> zlib._Compress:
        """A compressor that has seen nothing."""
        return zlib.compressobj(wbits=-self.bits, memLevel=self.mem_level)


class Window:
    """What some connections' inflaters hold, and the compressor in step with them.

    The compressor moves on with the message that most are sent; who is left at a window without one is out of step.
    """

    __slots__ = ("deflater", "fed_bytes", "figures", "members", "regret_bytes")

    def __init__(self, figures: Figures, deflater: zlib._Compress, fed_bytes: int, regret_bytes: int = 0) -> None:
        self.figures = figures
        self.deflater: zlib._Compress | None = deflater
        self.members = 0
        self.fed_bytes = fed_bytes
        # What those elsewhere have cost since the window began.
        self.regret_bytes = regret_bytes

    @property
    def worth_bytes(self) -> float:
        """What a member loses with it: little while it holds little."""
        return min(EPOCH_COST_BYTES, self.fed_bytes * _TYPICAL_SAVING)

    def serves(self, figures: Figures) -> bool:
        """Whether its members can go on with it under these figures."""
        return self.deflater is not None and (self.figures is figures or self.figures == figures)


class Inflater:
    """What the server knows of one client's inflater."""

    __slots__ = ("at", "clear_bytes", "max_bits")

    def __init__(self, max_bits: int = 15) -> None:
        # To be read, by those who read it for each delivery; `window` is set.
        self.at: Window | None = None
        self.clear_bytes = 0
        self.max_bits = max_bits

    @property
    def window(self) -> Window | None:
        """What it holds; None when out of step."""
        return self.at

    @window.setter
    def window(self, window: Window | None) -> None:
        if window is not self.at:
            if self.at is not None:
                self.at.members -= 1
            if window is not None:
                window.members += 1
            self.at = window


class SharedFrame:
    """One WebSocket message in all the ways it travels, each built when first needed."""

    __slots__ = ("_after", "_bits", "_clear", "_first", "_fresh", "data", "must_stay_clear", "opcode")

    def __init__(self, opcode: Opcode, data: bytes) -> None:
        self.opcode, self.data = opcode, data
        self.must_stay_clear = False
        self._bits = 0
        self._clear: bytes | None = None
        self._fresh: bytes | None = None
        # Window before -> frame, window after.
        self._after: dict[Window, tuple[bytes, Window]] = {}
        # The frame that begins a window, for everybody out of step.
        self._first: tuple[bytes, Window] | None = None

    @property
    def clear(self) -> bytes:
        """Uncompressed, RSV1 clear."""
        if self._clear is None:
            self._clear = build_frame(self.opcode, self.data)
        return self._clear

    def plan(self, inflaters: Sequence[Inflater], figures: Figures) -> None:
        """Decide how the receivers that are up to date get it; those that lag behind follow when they come to it."""
        at: dict[Window | None, list[Inflater]] = {}
        for inflater in inflaters:
            at.setdefault(inflater.window, []).append(inflater)
        self.plan_groups(at, figures)

    def plan_groups(self, at: Mapping[Window | None, Sequence[Inflater]], figures: Figures) -> None:
        """The same, for receivers by their window.

        Those at none begin a window together, or wait for one, see `_gather`.
        """
        self._bits = figures.bits
        groups = {window: members for window, members in at.items() if window is not None and window.serves(figures)}
        outside = [inflater for window, members in at.items() if window not in groups for inflater in members]
        if groups:
            if outside or len(groups) > 1:
                self._gather(groups, len(outside), figures)
            for window, members in groups.items():
                if window not in self._after:
                    self._choose(window, members)
        elif len(outside) > 1 or (outside and outside[0].clear_bytes + len(self.data) > FIRST_WINDOW_AFTER_BYTES):
            self._begin(figures)

    def take_all(self, window: Window | None, inflaters: Sequence[Inflater]) -> bytes | None:
        """The frame for receivers that are all at one window, moved on together; None where each has to take its own.

        The way of nearly every message, so it does little for each receiver.
        """
        step = self._after.get(window) if window is not None else None
        if step is None or step[1] is window:
            return None
        wire, after = step
        for inflater in inflaters:
            inflater.at = after
        assert window is not None
        window.members -= len(inflaters)
        after.members += len(inflaters)
        return wire

    def take(self, inflater: Inflater) -> bytes:
        """The frame for one receiver, whose inflater then holds what follows."""
        if self._bits > inflater.max_bits:  # it lags behind a change of figures, and could not share the old ones
            return self.clear
        window = inflater.window
        if window is not None and (step := self._after.get(window)) is not None:
            wire, inflater.window = step
            if wire is self._clear:
                inflater.clear_bytes += len(self.data)
            return wire
        if self._first is not None:
            wire, inflater.window = self._first
            return wire
        if self._fresh is None:
            inflater.clear_bytes += len(self.data)
            return self.clear
        inflater.window = None
        return self._fresh

    def _gather(self, groups: Mapping[Window, Sequence[Inflater]], outside: int, figures: Figures) -> None:
        """Let those at none, and sometimes those at small windows, begin one together.

        While there are few windows, those at none begin one of their own: its first frame is what they would get
        anyway. With as many as may be, they are sent frames compressed from nothing, until what these have cost comes
        to as much as a new beginning costs those at the window that has least to lose. Each window costs a compression
        of each message, and once that has come to as much as a new beginning for the two smallest, they become one.
        So waiting never costs more than the new beginning it puts off, and the window that most are at goes on.
        """
        costs = {window: window.worth_bytes * len(members) for window, members in groups.items()}
        least, *others = sorted(groups, key=costs.__getitem__)
        receivers = outside + sum(map(len, groups.values()))
        is_full = len(groups) >= min(MOST_GROUPS, 2 + receivers // RECEIVERS_PER_GROUP)
        merging: list[Window] = []
        if others and least.regret_bytes >= costs[least] + costs[others[0]]:
            merging = [least, others[0]]
        elif outside and is_full and least.regret_bytes >= costs[least]:
            merging = [least]
        if merging or (outside and not is_full):
            self._after = dict.fromkeys(merging, self._begin(figures))
        else:
            self._regret(least, groups, outside if is_full else 0)

    def _choose(self, window: Window, members: Sequence[Inflater]) -> None:
        """Where some at a window are sent this and others not, one of them pays; let it be the cheaper."""
        count = len(members)
        rest = window.members - count
        if rest == 0:
            self._advance(window, keep=False)
        elif min(count, rest) >= LEAST_GROUP or (count == 1 and members[0].clear_bytes > OWN_WINDOW_AFTER_BYTES):
            self._advance(window, keep=True)
        else:
            clear_bytes = count * len(self.data) * _TYPICAL_SAVING
            if clear_bytes <= min(count, rest) * EPOCH_COST_BYTES:
                self._after[window] = self.clear, window
            elif rest < count:
                self._advance(window, keep=False)  # the rest fall out of step
            else:
                self._compress_fresh(window.figures)  # these do

    def _regret(self, least: Window, groups: Mapping[Window, Sequence[Inflater]], outside: int) -> None:
        """Note at the smallest window what it costs that not all are at one."""
        regret_bytes = (len(groups) - 1 + bool(outside)) * GROUP_COST_BYTES
        main = max(groups, key=lambda window: len(groups[window]))
        self._choose(main, groups[main])
        step = self._after.get(main)
        if outside and step is not None and step[0] is not self._clear:  # else those at none get it uncompressed too
            regret_bytes += outside * max(0, len(self._compress_fresh(main.figures)) - len(step[0]))
        noted = self._after[least][1] if least in self._after else least
        noted.regret_bytes += regret_bytes

    def _advance(self, window: Window, *, keep: bool) -> None:
        deflater = window.deflater
        assert deflater is not None
        if keep:
            deflater = deflater.copy()
        else:
            window.deflater = None
        after = Window(window.figures, deflater, window.fed_bytes + len(self.data), window.regret_bytes)
        self._after[window] = self._compress(deflater), after

    def _begin(self, figures: Figures) -> tuple[bytes, Window]:
        deflater = figures.deflater()
        self._first = self._compress(deflater), Window(figures, deflater, len(self.data))
        return self._first

    def _compress_fresh(self, figures: Figures) -> bytes:
        if self._fresh is None:
            self._fresh = self._compress(figures.deflater())
        return self._fresh

    def _compress(self, deflater: zlib._Compress) -> bytes:
        body = deflater.compress(self.data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return build_frame(self.opcode, body[:-_TAIL_BYTES], compressed=True)


def build_frame(opcode: Opcode, payload: bytes, *, compressed: bool = False) -> bytes:
    """A whole frame as a server sends it, unmasked. Source: RFC 6455 section 5.2."""
    first = _FIN | (_RSV1 if compressed else 0) | opcode
    size = len(payload)
    match header_bytes(size):
        case 2:
            return bytes((first, size)) + payload
        case 4:
            return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
