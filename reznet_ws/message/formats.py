"""Which format a connection gets.

In: the query string of a connection. Out: what to tell the client.
Never: keeps state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from reznet_ws.message.payload import FORMAT

PLAIN_FORMAT = 1
FORMATS = (PLAIN_FORMAT, FORMAT)
QUERY_KEY = "reznet"
GRANT_EVENT = "connection_established"
# What is echoed of an unknown number.
_MAX_ASKED = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a client that asked for a format."""

    format: int
    asked: str

    def announcement(self) -> dict[str, Any]:
        """The data of `connection_established`."""
        said: dict[str, Any] = {"format": self.format, "formats": list(FORMATS)}
        if self.asked != str(self.format):
            said["reason"] = f"format {self.asked[:_MAX_ASKED]!r} is not known; you get format {self.format}"
        return said


def grant(query_string: str) -> Grant | None:
    """The grant for a connection, None for a client that asked for nothing: it is told nothing either.

    Shape: `reznet=2&EIO=4&...` -> Grant.
    """
    asked = parse_qs(query_string).get(QUERY_KEY) if QUERY_KEY in query_string else None
    if not asked:
        return None
    known = {str(number): number for number in FORMATS}
    return Grant(known.get(asked[0], PLAIN_FORMAT), asked[0])
