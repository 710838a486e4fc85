"""A server with clients in a notebook or a test, a dashboard for it, and explanations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reznet_ws.lab.clients.user import User
    from reznet_ws.lab.dashboard.dashboard import Dashboard
    from reznet_ws.lab.lab import Lab, stop_all
    from reznet_ws.lab.scenario import Scenario

__all__ = ["Dashboard", "Lab", "Scenario", "User", "stop_all"]

# Imported when first used: the processes of clients need no widgets.
_HOMES = {
    "Dashboard": "dashboard.dashboard",
    "Lab": "lab",
    "Scenario": "scenario",
    "User": "clients.user",
    "stop_all": "lab",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
