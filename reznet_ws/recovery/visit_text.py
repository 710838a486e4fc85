"""A visit as a text that another process can go on from.

In: a visit, or its text. Out: the other.
Never: trusts that a text is one: whoever can write where it was kept could have written it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from reznet_ws.recovery.visit import Visit

logger = logging.getLogger("reznet_ws")


def write(visit: Visit, number: int, session: Any) -> str:
    """The text of a visit as it is after the event of some number. What JSON cannot hold of it is left out.

    Rooms are texts, whole numbers or None there.
    """
    rooms = [[room, since] for room, since in visit.rooms.items() if _is_plain(room)]
    past = [list(stay) for stay in visit.past if _is_plain(stay[0])]
    record = {
        "pid": visit.pid,
        "sid": visit.sid,
        "namespace": visit.namespace,
        "began": visit.began,
        "stale": visit.stale,
        "number": number,
        "rooms": rooms,
        "past": past,
    }
    try:
        return json.dumps({**record, "session": session}, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        logger.warning("A session is not kept for a client that comes back: %s", error)
        return json.dumps({**record, "session": None}, separators=(",", ":"))


def read(text: str) -> tuple[Visit, int] | None:
    """A visit, and the number after which it was as it says; None where the text is none."""
    try:
        record = json.loads(text)
        visit = Visit(str(record["pid"]), str(record["sid"]), str(record["namespace"]), int(record["began"]))
        visit.stale, visit.session = record["stale"], record["session"]
        visit.rooms = {room: int(since) for room, since in record["rooms"]}
        visit.past = [(room, int(since), int(until)) for room, since, until in record["past"]]
        return visit, int(record["number"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_plain(room: Any) -> bool:
    return room is None or (isinstance(room, (str, int)) and not isinstance(room, bool))
