"""One watched client: the frames on their way to it, and what it holds when each of them comes.

In: frames as they were seen. Out: boxes for the page, and for one frame all that is needed to take it apart.
Never: keeps more than `MOST_FRAMES`, or text beyond a window's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reznet_ws.deflate.frame import WINDOW_BYTES
from reznet_ws.lab.theatre.anatomy import FrameAnatomy, examine
from reznet_ws.lab.theatre.reading import Reader
from reznet_ws.lab.theatre.watch import Seat, SeenFrame
from reznet_ws.lab.theatre.what_if import SentMessage
from reznet_ws.replay.frames import dissect

MOST_FRAMES = 24
# Of a box: more would be thinner than a pixel.
_MOST_RUNS = 96


@dataclass(frozen=True, slots=True)
class LaneFrame:
    """A frame, and the messages that its receiver held when it came, oldest first."""

    seen: SeenFrame
    message: SentMessage
    before: Sequence[SentMessage]
    runs: Sequence[tuple[str, int]]

    def box(self) -> dict[str, Any]:
        """What the page draws."""
        return {
            "number": self.seen.number,
            "label": self.message.read.label,
            "bytes": len(self.seen.wire),
            "message_bytes": len(self.message.data),
            "receivers": self.seen.receivers,
            "runs": [list(run) for run in self.runs],
        }


@dataclass
class Lane:
    """What is known of one client."""

    seat: Seat
    frames: deque[LaneFrame] = field(default_factory=lambda: deque(maxlen=MOST_FRAMES))
    # What its inflater holds, oldest first; a new tuple for each frame, of messages that others hold too.
    _held: tuple[SentMessage, ...] = ()

    def __post_init__(self) -> None:
        self._reader = Reader(self.seat.kind)
        self._held = tuple(SentMessage(0, data, self._reader.read(data)) for data in self.seat.held)

    def add(self, seen: SeenFrame, runs: Sequence[tuple[str, int]] | None) -> LaneFrame:
        """The next frame to this client. `runs`: what is known of it from another's lane."""
        data = seen.message.data
        message = SentMessage(seen.number, data, self._reader.read(data))
        if runs is None:
            runs = draw_runs(examine(seen.wire, data, [one.data for one in self._held]))
        frame = LaneFrame(seen, message, self._held, runs)
        self.frames.append(frame)
        if dissect(seen.wire).rsv1:
            held, size = (*self._held, message), sum(len(one.data) for one in self._held) + len(data)
            first = 0
            while size - len(held[first].data) >= WINDOW_BYTES:
                size -= len(held[first].data)
                first += 1
            self._held = held[first:]
        return frame

    def state(self, letter: str) -> dict[str, Any]:
        """What the page draws, the newest frame first."""
        return {
            "sid": self.seat.sid,
            "format": self.seat.kind,
            "history": letter,
            "frames": [frame.box() for frame in reversed(self.frames)],
        }


def draw_runs(anatomy: FrameAnatomy) -> list[tuple[str, int]]:
    """Kinds and bits in their order, neighbours of one kind together; by kind, where there are too many."""
    runs: list[tuple[str, int]] = []
    for part in anatomy.parts:
        if runs and runs[-1][0] == part.kind:
            runs[-1] = (part.kind, runs[-1][1] + part.bits)
        else:
            runs.append((part.kind, part.bits))
    if len(runs) > _MOST_RUNS:
        kinds = dict.fromkeys(kind for kind, _ in runs)
        runs = [(kind, anatomy.bits(kind)) for kind in kinds]
    return runs
