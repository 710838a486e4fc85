"""Layer 5: one deflate window for many connections, inside standard permessage-deflate.

In: a WebSocket message that several connections are sent, and what their inflaters hold. Out: whole frames, each built
once, and what the inflaters hold after it.
Never: compresses a message against text that one of its receivers was not sent.

Two facts carry it (RFC 7692 sections 7.2.1 and 7.2.3). A frame with RSV1 clear never enters the receiver's window, so
it may pass in between. A compressor may refer to less of the window than it could, so a new one is in step with every
client, whatever came before. Hence the states: connections at the same `Window` have been sent the same compressed
messages since its beginning; one compressor serves them all. A connection at no window is out of step: it gets frames
compressed from nothing, until a window begins anew and everybody who is sent its first frame enters it (an epoch).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
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


class Inflater:
    """What the server knows of one client's inflater."""

    __slots__ = ("_window", "clear_bytes", "max_bits")

    def __init__(self, max_bits: int = 15) -> None:
        self._window: Window | None = None
        self.clear_bytes = 0
        self.max_bits = max_bits

    @property
    def window(self) -> Window | None:
        """What it holds; None when out of step."""
        return self._window

    @window.setter
    def window(self, window: Window | None) -> None:
        if window is not self._window:
            if self._window is not None:
                self._window.members -= 1
            if window is not None:
                window.members += 1
            self._window = window


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
        """Decide how the receivers that are up to date get it; those that lag behind follow when they come to it.

        Those at the main window, at others and at none cost more than if all were at one. Once that has come to as much
        as a new beginning for all of them costs, they get one: never worse than twice the best that could be known.
        """
        if not inflaters:
            return
        self._bits = figures.bits
        usable = [_usable(inflater, figures) for inflater in inflaters]
        groups = Counter(window for window in usable if window is not None)
        outside = len(usable) - groups.total()
        if not groups:
            if outside > 1 or inflaters[0].clear_bytes + len(self.data) > FIRST_WINDOW_AFTER_BYTES:
                self._begin(figures)
            return
        main = max(groups, key=groups.__getitem__)
        divided = outside or len(groups) > 1
        if divided and main.regret_bytes >= sum(window.worth_bytes * count for window, count in groups.items()):
            self._after = dict.fromkeys(groups, self._begin(figures))
            return
        for window, count in groups.items():
            self._choose(window, count, inflaters)
        if divided:
            self._regret(main, len(groups) - 1, outside)

    def plan_together(self, inflaters: Sequence[Inflater], figures: Figures) -> bool:
        """Decide as `plan` does, where all are at one window and will be at one again; False, and nothing, elsewhere.

        The way of nearly every message, so it does little for each receiver.
        """
        window = _usable(inflaters[0], figures)
        if window is None or window.members < len(inflaters):
            return False
        if window.members > len(inflaters) or any(inflater._window is not window for inflater in inflaters):
            return False
        self._bits = figures.bits
        self._advance(window, keep=False)
        return True

    def take_together(self, inflaters: Sequence[Inflater]) -> bytes:
        """The frame for all, after `plan_together`."""
        window = inflaters[0]._window
        assert window is not None
        wire, after = self._after[window]
        for inflater in inflaters:
            inflater._window = after
        window.members, after.members = 0, len(inflaters)
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

    def _choose(self, window: Window, count: int, inflaters: Sequence[Inflater]) -> None:
        """Where some at a window are sent this and others not, one of them pays; let it be the cheaper."""
        rest = window.members - count
        if rest == 0:
            self._advance(window, keep=False)
        elif min(count, rest) >= LEAST_GROUP or (count == 1 and self._has_had_much(window, inflaters)):
            self._advance(window, keep=True)
        else:
            clear_bytes = count * len(self.data) * _TYPICAL_SAVING
            if clear_bytes <= min(count, rest) * EPOCH_COST_BYTES:
                self._after[window] = self.clear, window
            elif rest < count:
                self._advance(window, keep=False)  # the rest fall out of step
            else:
                self._compress_fresh(window.figures)  # these do

    def _has_had_much(self, window: Window, inflaters: Sequence[Inflater]) -> bool:
        return any(i.window is window and i.clear_bytes > OWN_WINDOW_AFTER_BYTES for i in inflaters)

    def _regret(self, main: Window, other_groups: int, outside: int) -> None:
        """Note what it costs that not all are at the main window; those at none get frames compressed from nothing."""
        step = self._after.get(main)
        if step is None or step[0] is self._clear:
            return  # then those at none get it uncompressed as well
        regret_bytes = other_groups * GROUP_COST_BYTES
        if outside:
            regret_bytes += outside * max(0, len(self._compress_fresh(main.figures)) - len(step[0]))
        step[1].regret_bytes += regret_bytes

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


def _usable(inflater: Inflater, figures: Figures) -> Window | None:
    window = inflater.window
    return window if window is not None and window.deflater is not None and window.figures == figures else None
