"""What the users of an application do, written in plain async Python, on its way to the process where they do it.

In: functions and figures. Out: the same, in another process.
Never: runs them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reznet_ws.lab.clients.user import User

Deed = Callable[["User"], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What each user does, and how it connects.

    `join` is awaited once after each connection, `act` again and again, `every_s` seconds apart on average. Each user
    is given `rooms_each` of the names in `rooms`, in turn, as `user.rooms`: joining them is the application's own
    business. `churn`: how many users a second go and come back. `slow_readers`: the share of users, from 0 to 1, that
    read only now and then; their delays count for nobody. `auth` and `headers` are what python-socketio's `connect`
    takes; `auth` may be a function of the user's number. `path` is where the application has Socket.IO. `deflate`:
    whether clients offer permessage-deflate, as browsers do. Raises: ValueError for figures out of bounds.
    """

    join: Deed | None = None
    act: Deed | None = None
    every_s: float = 1.0
    rooms: Sequence[str] = ()
    rooms_each: int = 1
    churn: float = 0.0
    slow_readers: float = 0.0
    namespace: str = "/"
    path: str = "socket.io"
    auth: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    deflate: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.every_s < float("inf"):
            raise ValueError(f"every_s is {self.every_s!r}; it must be above 0")
        if not 0 <= self.churn <= 100:
            raise ValueError(f"churn is {self.churn!r}; it must be from 0 to 100 users a second")
        if not 0 <= self.slow_readers <= 1:
            raise ValueError(f"slow_readers is {self.slow_readers!r}; it must be a share from 0 to 1")
        if self.rooms and not 1 <= self.rooms_each <= len(self.rooms):
            raise ValueError(f"rooms_each is {self.rooms_each!r}; it must be from 1 to {len(self.rooms)}")

    def rooms_of(self, number: int) -> tuple[str, ...]:
        """The names that one user is given."""
        names = self.rooms
        return tuple(names[(number + place) % len(names)] for place in range(self.rooms_each)) if names else ()

    @property
    def figures(self) -> dict[str, float]:
        """What may change while users are connected."""
        return {"every_s": self.every_s, "churn": self.churn, "slow_readers": self.slow_readers}


def pack(scenario: Scenario) -> bytes:
    """A scenario for another process; functions of notebooks and tests go as they are, others by their names.

    Raises: ValueError where a function holds what cannot leave this process.
    """
    import cloudpickle

    with _by_value(scenario.join, scenario.act, scenario.auth):
        try:
            return bytes(cloudpickle.dumps(scenario))
        except Exception as error:
            raise ValueError(
                f"the scenario cannot be sent to the clients' process: {error}. Its functions may use modules and "
                "plain data, but not the application, its server or anything else that lives in this process"
            ) from error


@contextlib.contextmanager
def _by_value(*deeds: Any) -> Iterator[None]:
    """The modules that define them travel along: a test's or a script's could not be imported elsewhere."""
    import cloudpickle

    modules: list[ModuleType] = []
    for deed in deeds:
        module = sys.modules.get(getattr(deed, "__module__", None) or "")
        name = "__main__" if module is None else module.__name__
        if module is not None and name != "__main__" and name not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            modules.append(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
