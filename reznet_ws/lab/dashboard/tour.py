"""A tour of the layers: what is switched when, and what is to be seen.

In: how many seconds it has lasted. Out: the steps that are due.
Never: reads a clock, or switches anything by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reznet_ws.settings import Settings

STEP_S = 6.0
_BEST = Settings.recommended()


@dataclass(frozen=True, slots=True)
class TourStep:
    """Settings to switch to, and what to say of them."""

    settings: Settings
    caption: str


STEPS = (
    TourStep(Settings.off(), "All layers off: every message travels as it was emitted, once for each client."),
    TourStep(Settings.stock(), "Stock python-socketio: permessage-deflate, with a small window for each client."),
    TourStep(
        Settings.seed(), "What is usually advised: short keys and batches, and compression of large messages only."
    ),
    TourStep(_BEST, "Recommended: one large window for all clients. Bytes and CPU fall together."),
    TourStep(_BEST.replace(deflate=False), "The same without deflate: most of the saving is gone."),
    TourStep(_BEST.replace(batch=True), "Deflate is back, and small messages wait for one another: fewer frames."),
    TourStep(_BEST, "Recommended again. The tour is over; now switch something yourself."),
)


class Tour:
    """Steps that fall due one after the other; it is over with the last."""

    def __init__(self, began_s: float) -> None:
        self._began_s, self._done = began_s, 0

    @property
    def is_over(self) -> bool:
        """Whether every step was taken."""
        return self._done == len(STEPS)

    def due(self, now_s: float) -> Iterator[TourStep]:
        """The next step, once its time has come."""
        if not self.is_over and now_s - self._began_s >= self._done * STEP_S:
            self._done += 1
            yield STEPS[self._done - 1]
