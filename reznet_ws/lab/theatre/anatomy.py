"""What the bits of one frame are for: its header, what is spelt out, what is copied, and from which message.

In: a frame, the message in it, the messages that its receiver got before. Out: parts that are all its bits.
Never: opens a socket, or looks at a frame again.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reznet_ws.deflate.frame import WINDOW_BYTES
from reznet_ws.replay.frames import dissect
from reznet_ws.replay.references import take_apart

# Larger frames are shown in one piece: what they consist of takes long to find.
MOST_TAKEN_APART_BYTES = 16_384
# What a receiver holds that nobody saw.
_UNKNOWN = bytes(WINDOW_BYTES)


class Part(NamedTuple):
    """Bits that are for one thing. `kind`: header, codes, spelt, copied, filling, or plain for what is not compressed.

    `start` and `end`: the bytes of the message that they give. `source`: where it is copied from: the place of a
    message among those before, -1 for what nobody saw, and `len(before)` for the message itself.
    """

    kind: str
    bits: int
    start: int = 0
    end: int = 0
    source: int | None = None
    distance: int = 0


@dataclass(frozen=True, slots=True)
class FrameAnatomy:
    """A frame's parts in their order."""

    parts: Sequence[Part]

    def bits(self, *kinds: str) -> int:
        """Of all parts of some kinds."""
        return sum(part.bits for part in self.parts if part.kind in kinds)


def examine(wire: bytes, message: bytes, before: Sequence[bytes]) -> FrameAnatomy:
    """The parts of a frame whose receiver got `before`, oldest first, as far as it is known.

    Raises: ValueError where the frame does not give the message.
    """
    frame = dissect(wire)
    header = Part("header", 8 * frame.header_bytes)
    if not frame.rsv1:
        return FrameAnatomy([header, Part("plain", 8 * frame.length, 0, len(message))])
    if frame.length > MOST_TAKEN_APART_BYTES:
        return FrameAnatomy([header, Part("packed", 8 * frame.length, 0, len(message))])
    window = (_UNKNOWN + b"".join(before))[-WINDOW_BYTES:]
    anatomy = take_apart(frame.payload, window)
    starts = list(itertools.accumulate((len(text) for text in before), initial=0))
    parts = [header, *([Part("codes", anatomy.code_bits)] if anatomy.code_bits else [])]
    at = 0
    for piece in anatomy.pieces:
        end = at + len(piece.data)
        if piece.distance:
            place = starts[-1] + at - piece.distance
            source = bisect_right(starts, place) - 1 if place >= 0 else -1
            parts.append(Part("copied", piece.bits, at, end, min(source, len(before)), piece.distance))
        elif message[at:end] != piece.data:
            raise ValueError("the frame gives another message")
        else:
            parts.append(Part("spelt", piece.bits, at, end))
        at = end
    if at != len(message):
        raise ValueError(f"the frame gives {at} bytes, and the message has {len(message)}")
    return FrameAnatomy([*parts, Part("filling", anatomy.filling_bits)])
