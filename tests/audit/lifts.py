"""One conversation in the many forms in which logs hold it: two displays watch a lift, which tells its floor.

In: nothing. Out: what python-engineio says of it, line by line, and the same as formatters and collectors write it.
Each display has a WebSocket of its own from the beginning, and is sent every event at the same moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

DISPLAYS = ("lobbyDisplay_000AAAA", "roofDisplay_0000AAAB")
EVENTS = 20
GREETINGS = 2  # received by each display: open and connect
BEGAN = datetime(2026, 3, 9, 23, 59, 55, 250_000, tzinfo=UTC)
EVERY_MS = 400
# From the greeting to the last event.
LASTS_MS = EVERY_MS * EVENTS

Said = tuple[datetime, str]
Form = Callable[[datetime, str], str]


def said(*, with_greeting: bool = True) -> Iterator[Said]:
    """When the server said what."""
    if with_greeting:
        for display in DISPLAYS:
            opened = {"sid": display, "upgrades": [], "pingTimeout": 20000, "pingInterval": 25000, "maxPayload": 10**6}
            yield BEGAN, f"{display}: Sending packet OPEN data {opened}"
            yield BEGAN, f"{display}: Received request to upgrade to websocket"
            yield BEGAN, f"{display}: Upgrade to websocket successful"
            yield BEGAN, f"{display}: Received packet MESSAGE data 0"
            yield BEGAN, f'{display}: Sending packet MESSAGE data 0{{"sid":"x{display}"}}'
    for number in range(1, EVENTS + 1):
        at = BEGAN + timedelta(milliseconds=EVERY_MS * number)
        lift = {"lift": "ABC"[number % 3], "floor": number, "doors": 'say "open"' if number % 2 else "closed"}
        for display in DISPLAYS:
            yield (
                at,
                f"{display}: Sending packet MESSAGE data 2{json.dumps(['lift_moved', lift], separators=(',', ':'))}",
            )


def written(form: Form, *, with_greeting: bool = True) -> str:
    """A whole log in one form."""
    return "".join(f"{form(at, text)}\n" for at, text in said(with_greeting=with_greeting))


def iso(at: datetime) -> str:
    """With milliseconds and a Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def plain(at: datetime, text: str) -> str:
    """As logging.basicConfig has it with a time."""
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03} INFO engineio.server {text}"


def bare(at: datetime, text: str) -> str:
    """As engineio's own handler has it."""
    return text


def docker(at: datetime, text: str) -> str:
    """A line of Docker's json-file."""
    return json.dumps({"log": f"{text}\n", "stream": "stderr", "time": iso(at).replace("Z", "000000Z")})


def docker_in_parts(at: datetime, text: str) -> str:
    """The same, cut by the runtime."""
    parts = [text[begin : begin + 70] for begin in range(0, len(text), 70)]
    parts[-1] += "\n"
    return "\n".join(json.dumps({"log": part, "stream": "stderr", "time": iso(at)}) for part in parts)


def containerd(at: datetime, text: str) -> str:
    """As containerd writes it, cut as well."""
    return f"{iso(at)} stderr P {text[:50]}\n{iso(at)} stderr F {text[50:]}"


def rich(at: datetime, text: str) -> str:
    """A handler on a wide terminal: columns, and the file at the right edge."""
    return f"[{at:%m/%d/%y %H:%M:%S}] INFO     {text:<230} async_socket.py:95"


FORMS: dict[str, Form] = {
    "plain": plain,
    "a file and a line behind it": lambda at, text: f"{plain(at, text)} (async_socket.py:95)",
    "fields behind it": lambda at, text: f"{plain(at, text)} request_id=7f3a worker=2",
    "on a wide terminal": rich,
    "logfmt": lambda at, text: f"ts={iso(at)} level=info msg={json.dumps(text)} logger=engineio.server",
    "CSV": lambda at, text: f'"{at:%Y-%m-%d %H:%M:%S.%f}","INFO","{text.replace(chr(34), chr(34) * 2)}","engineio"',
    "structlog": lambda at, text: json.dumps({"event": text, "level": "info", "timestamp": iso(at)}),
    "python-json-logger": lambda at, text: json.dumps(
        {"asctime": f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}", "name": "engineio.server", "message": text}
    ),
    "Bunyan": lambda at, text: json.dumps({"name": "app", "pid": 1, "level": 30, "msg": text, "time": iso(at), "v": 0}),
    "Docker": docker,
    "Docker, in parts": docker_in_parts,
    "structlog within Docker": lambda at, text: docker(at, json.dumps({"event": text, "timestamp": iso(at)})),
    "structlog within Docker, in parts": lambda at, text: docker_in_parts(
        at, json.dumps({"event": text, "timestamp": iso(at)})
    ),
    "containerd": containerd,
    "journald": lambda at, text: json.dumps(
        {"__REALTIME_TIMESTAMP": str(round(at.timestamp() * 1e6)), "_PID": "1", "MESSAGE": text}
    ),
    "journald, as numbers": lambda at, text: json.dumps(
        {"__REALTIME_TIMESTAMP": str(round(at.timestamp() * 1e6)), "MESSAGE": list(text.encode())}
    ),
    "Cloud Logging": lambda at, text: json.dumps({"insertId": "x", "textPayload": text, "timestamp": iso(at)}),
    "Cloud Logging, structured": lambda at, text: json.dumps(
        {"insertId": "x", "jsonPayload": {"message": text, "severity": "INFO"}, "timestamp": iso(at)}
    ),
    "seconds since 1970": lambda at, text: f"{at.timestamp():.3f} INFO {text}",
    "milliseconds since 1970": lambda at, text: f"{at.timestamp() * 1000:.0f} {text}",
    "seconds since a start": lambda at, text: f"[{(at - BEGAN).total_seconds() + 4711:13.6f}] app[1]: {text}",
    "a zone": lambda at, text: f"{at + timedelta(hours=2):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}+02:00 {text}",
    "time of day": lambda at, text: f"{at:%H:%M:%S},{at.microsecond // 1000:03} INFO {text}",
    "half days": lambda at, text: f"{at:%m/%d/%Y %I:%M:%S}.{at.microsecond // 1000:03} {at:%p} {text}",
    "colours": lambda at, text: f"\x1b[2m{iso(at)}\x1b[0m \x1b[32mINFO\x1b[0m {text}\x1b[0m",
}
# Those that tell no fraction of a second.
ROUGH: dict[str, Form] = {
    "syslog": lambda at, text: f"{at:%b %d %H:%M:%S} host uvicorn[812]: {text}",
    "on a terminal": rich,
}
