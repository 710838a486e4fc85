"""How far an audit is, for who waits at a terminal, and for a log.

In: stages, and how much of each is done. Out: one bar that moves, or a line for each stage.
Never: writes to stdout, which is for the result.
"""

from __future__ import annotations

import types
from typing import Self, TextIO

from tqdm import tqdm

# What `examine` calls its stages, for people.
_STAGES = {
    "read": "reading",
    "settings": "trying settings",
    "replay": "replaying",
    "shared window": "one window for all",
    "formats": "formats 3 and m",
    "other servers": "other servers",
    "floor": "xz and zstd",
    "clients": "what clients send",
    "repeats": "what repeats",
}


class StageBar:
    """A bar for each stage where `stream` is a terminal, else a line; give it to `audit`. Closes itself in a `with`."""

    def __init__(self, stream: TextIO, label: str = "") -> None:
        self._stream = stream
        self._label = f"{label}: " if label else ""
        self._stage: str | None = None
        self._bar: tqdm | None = None

    def __call__(self, stage: str, done: int, of: int | None) -> None:
        """So much of a stage is done; `of` is None where it is not known."""
        if stage != self._stage:
            self._begin(stage, of)
        if self._bar is not None:
            self._bar.total = of
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, stage: str, of: int | None) -> None:
        self.close()
        self._stage = stage
        text = f"{self._label}{_STAGES.get(stage, stage)}"
        if not self._stream.isatty():
            self._stream.write(f"{text} ...\n")
            self._stream.flush()
            return
        unit = "B" if stage in ("read", "floor") else ""
        self._bar = tqdm(total=of, desc=text, file=self._stream, leave=False, unit=unit, unit_scale=True)
