"""Which format a connection gets.

In: the query string of a connection. Out: what to tell the client.
Never: keeps state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from reznet_ws.message import message_pack
from reznet_ws.message.payload import FORMAT
from reznet_ws.settings import Settings

PLAIN_FORMAT = 1
ROWS_FORMAT = 3
PACKED_FORMAT = "m"
FORMATS = (PLAIN_FORMAT, FORMAT, ROWS_FORMAT, PACKED_FORMAT)
QUERY_KEY = "reznet"
SEED_KEY = "seed"
GRANT_EVENT = "connection_established"
# What is echoed of an unknown number.
_MAX_ASKED = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a client that asked for a format."""

    format: int | str
    asked: str
    reason: str | None = None
    # The shapes that it says it knows, in format 3.
    seed: str | None = None

    def announcement(self) -> dict[str, Any]:
        """The data of `connection_established`."""
        said: dict[str, Any] = {"format": self.format, "formats": list(FORMATS)}
        if self.asked != str(self.format):
            reason = self.reason or f"format {self.asked[:_MAX_ASKED]!r} is not known"
            said["reason"] = f"{reason}; you get format {self.format}"
        return said


def grant(query_string: str, refusal: str | None = None, settings: Settings | None = None) -> Grant | None:
    """The grant for a connection, None for a client that asked for nothing: it is told nothing either.

    Shape: `reznet=2&EIO=4&...` -> Grant. `refusal`: why the server can give format 1 only, if so.
    """
    said = parse_qs(query_string) if QUERY_KEY in query_string else {}
    asked = said.get(QUERY_KEY)
    if not asked:
        return None
    known = {str(one): one for one in FORMATS}
    granted = known.get(asked[0], PLAIN_FORMAT)
    refusal = refusal or _refusal(granted, settings or Settings())
    seed = said.get(SEED_KEY, [None])[0] if granted == ROWS_FORMAT else None
    return Grant(PLAIN_FORMAT if refusal else granted, asked[0], refusal, seed)


def _refusal(asked: int | str, settings: Settings) -> str | None:
    """Why a format cannot be had at the moment, if so."""
    if asked == ROWS_FORMAT and not settings.rows:
        return "rows are off"
    if asked == PACKED_FORMAT and not settings.message_pack:
        return "MessagePack is off"
    if asked == PACKED_FORMAT and not message_pack.is_installed():
        return "the server has no msgpack"
    return None
