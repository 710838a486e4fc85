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
ROWS_FORMAT = 3
FORMATS = (PLAIN_FORMAT, FORMAT, ROWS_FORMAT)
QUERY_KEY = "reznet"
GRANT_EVENT = "connection_established"
# What is echoed of an unknown number.
_MAX_ASKED = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a client that asked for a format."""

    format: int
    asked: str
    reason: str | None = None

    def announcement(self) -> dict[str, Any]:
        """The data of `connection_established`."""
        said: dict[str, Any] = {"format": self.format, "formats": list(FORMATS)}
        if self.asked != str(self.format):
            reason = self.reason or f"format {self.asked[:_MAX_ASKED]!r} is not known"
            said["reason"] = f"{reason}; you get format {self.format}"
        return said


def grant(query_string: str, refusal: str | None = None, *, rows: bool = True) -> Grant | None:
    """The grant for a connection, None for a client that asked for nothing: it is told nothing either.

    Shape: `reznet=2&EIO=4&...` -> Grant. `refusal`: why the server can give format 1 only, if so; `rows`: whether it
    gives format 3.
    """
    asked = parse_qs(query_string).get(QUERY_KEY) if QUERY_KEY in query_string else None
    if not asked:
        return None
    if refusal is not None:
        return Grant(PLAIN_FORMAT, asked[0], refusal)
    if asked[0] == str(ROWS_FORMAT) and not rows:
        return Grant(PLAIN_FORMAT, asked[0], "rows are off")
    known = {str(number): number for number in FORMATS}
    return Grant(known.get(asked[0], PLAIN_FORMAT), asked[0])
