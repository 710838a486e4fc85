"""What is kept for clients that are away, and for how long.

In: keyword arguments. Out: a checked, immutable `Recovery`.
Never: keeps anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from reznet_ws.settings import SettingsError

_BOUNDS = {"seconds": (1, 86_400), "max_bytes": (65_536, 4_294_967_296), "max_away": (1, 10_000_000)}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Connection state recovery, as `attach(sio, recovery=Recovery())` switches it on; the protocol is Socket.IO's own.

    Units: `seconds` that a client may be away, `max_bytes` of events kept for all, `max_away` clients that are away at
    once; beyond them a client that comes back begins an ordinary new session. Raises: SettingsError.
    Source: https://socket.io/docs/v4/connection-state-recovery (there two minutes as well).
    """

    seconds: float = 120
    max_bytes: int = 16_777_216
    max_away: int = 100_000
    # The events that are kept, each of which carries an offset of 3 to 4 bytes; None for all.
    events: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise SettingsError(f"{name}: {value!r} is not within {low} to {high}")
        events = self.events
        if events is not None and not (
            isinstance(events, frozenset) and all(isinstance(event, str) for event in events)
        ):
            raise SettingsError(f"events: {events!r} is neither None nor a frozenset of event names")

    def keeps(self, event: object) -> bool:
        """Whether an event is kept for those who are away."""
        return self.events is None or event in self.events
