"""The figures of all histories of a server.

In: what they hold and have done. Out: one record.
Never: changes one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """How it stands. `connections` hold something, `largest_share` of them the same; `text_bytes` are referred to by
    histories, each message counted once; `kept_bytes` is what kept compressors take. Since the beginning: `messages`
    that were compressed, in so many `compressions`."""

    connections: int
    histories: int
    largest_share: int
    text_bytes: int
    kept_compressors: int
    kept_bytes: int
    messages: int
    compressions: int
