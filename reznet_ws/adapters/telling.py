"""What an emission was told beside what `emit` of python-socketio takes.

In: arguments of `broadcast` and `send_to_user`. Out: the same past a manager that would not pass them on, and in what
other processes are told.
Never: trusts a message: a stock server or another version may have written it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from reznet_ws.message.latest import Fields

# Where they are in a message to other processes.
KEY = "reznet"


class Told(NamedTuple):
    """How one event is to be sent."""

    optimize: bool = True
    batch: bool | None = None
    # The user, or the client, that it is for.
    user: str | None = None
    # What it is a version of, where clients may keep it.
    snapshot_key: str | None = None
    # The fields of its data in which it is the newest; None leaves that to the settings.
    latest: Fields | None = None

    def as_message(self) -> dict[str, Any]:
        """What is not as it is by default."""
        return {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}


told: contextvars.ContextVar[Told] = contextvars.ContextVar("told", default=Told())  # noqa: B039 (it is immutable)


@contextmanager
def telling(how: Told) -> Iterator[None]:
    """What is emitted within is sent so."""
    token = told.set(how)
    try:
        yield
    finally:
        told.reset(token)


def read_told(said: Any) -> Told:
    """What a message says, as far as it makes sense."""
    if not isinstance(said, dict):
        return Told()
    batch, user, key, latest = said.get("batch"), said.get("user"), said.get("snapshot_key"), said.get("latest")
    names = latest if isinstance(latest, (list, tuple)) else (latest,)  # JSON has no tuples
    return Told(
        optimize=said.get("optimize") is not False,
        batch=batch if isinstance(batch, bool) else None,
        user=user if isinstance(user, str) else None,
        snapshot_key=key if isinstance(key, str) else None,
        latest=tuple(names) if all(isinstance(name, str) for name in names) else None,
    )


def user_room(user: str) -> str:
    """The room of all connections of a user."""
    return f"user:{user}"
