"""What recovery has done so far.

In: counts. Out: one record.
Never: guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RecoveryFigures:
    """Since the start; `kept_*` and `away_connections` at this moment."""

    recovered: int = field(default=0, metadata={"description": "clients that came back to what they had"})
    missed: int = field(default=0, metadata={"description": "clients that came back too late, and began anew"})
    repeated_events: int = field(default=0, metadata={"description": "sent again to who was away"})
    kept_events: int = field(default=0, metadata={"description": "for those who are away"})
    kept_bytes: int = field(default=0, metadata={"description": "what they take in memory"})
    away_connections: int = field(default=0, metadata={"description": "clients that may come back"})
