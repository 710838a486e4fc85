"""What a client costs that comes late: with an empty window, or with a primer that puts it in step at once.

In: texts as they travel, and when who comes. Out: bytes at its socket.
Never: opens a socket.
The server sends no primers; they are computed to be compared with what it does.
"""

from __future__ import annotations

import itertools
import random
import uuid
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from websockets.frames import Frame, Opcode

from reznet_ws.replay.link import as_text
from reznet_ws.replay.members import FIGURES, SYNC_TAIL, Figures, deflated_bytes

# Engine.IO's packet that every client ignores.
_NOOP = b"6"
# So much less than its window does a compressor reach back. Source: MIN_LOOKAHEAD in zlib's deflate.h.
_LOOKAHEAD_BYTES = 262
_RSV1 = 0x40


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
    frame = Frame(Opcode.TEXT, body.removesuffix(SYNC_TAIL)).serialize(mask=False)
    return bytes([frame[0] | _RSV1]) + frame[1:]


def join_at(texts: Sequence[bytes], moments: Iterable[int], figures: Figures = FIGURES) -> list[Join]:
    """What a client costs that comes at one of these moments, each a number of messages that it was not sent."""
    in_step = _alone(texts, figures)
    joins = []
    for after in moments:
        fresh = _alone(texts[after:], figures)
        lost = itertools.accumulate(took - needed for took, needed in zip(fresh, in_step[after:], strict=True))
        joins.append(Join(after, len(primer(b"".join(texts[:after]), figures.bits)), list(lost)))
    return joins


def roll_call(names: int, count: int) -> list[bytes]:
    """Messages in which so many ids come round, one in each: short, and all that was said is said again."""
    draw = random.Random(1)
    ids = [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(names)]
    return [as_text(("user_status", {"user_id": ids[at % names], "status": "online"})) for at in range(count)]


def _alone(texts: Sequence[bytes], figures: Figures) -> list[int]:
    """The frame sizes of a client that is sent all of it."""
    deflater = figures.deflater()
    return [deflated_bytes(deflater, text) for text in texts]
