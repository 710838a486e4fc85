"""Whether two runs of one session said the same: ids and times differ from run to run, what they stand for does not.

In: the packets of two runs. Out: the first difference, if there is one. Never: forgives a missing, doubled or moved
event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from apps.packets import Packet

# Each becomes its kind and the number of its first appearance, so that what refers to one another still does.
RANDOM = re.compile(
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b)"
    r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?)"
    r"|(?P<sid>(?<![\w-])[\w-]{20}(?![\w-]))"
    r"|(?P<clock>\b1[678]\d{8}(?:\.\d+|\d{3})\b)"
    r"|(?P<key>(?<![\w+/])[\w+/]{22}==)"
    r"|(?P<port>(?<=127\.0\.0\.1:)\d+)"
)


def read(packets: Iterable[Packet]) -> list[str]:
    """The packets as lines, everything random numbered."""
    seen: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        if kind in ("time", "clock", "key", "port"):
            return f"<{kind}>"
        return seen.setdefault(found[0], f"<{kind} {sum(name.startswith(f'<{kind}') for name in seen.values())}>")

    # Keys sorted: Reflex writes a set's order, which is another in each process.
    texts = (json.dumps(packet, default=_show, ensure_ascii=False, sort_keys=True) for packet in packets)
    return [RANDOM.sub(numbered, text) for text in texts]


def hide_random(text: str) -> str:
    """A line of a log without what differs from run to run."""
    return RANDOM.sub("…", text)


def _show(value: Any) -> str:
    return f"{len(value)} bytes {bytes(value).hex()}"


def first_difference(without: list[str], with_line: list[str]) -> str | None:
    """Where two runs part, in words."""
    for number, (one, other) in enumerate(zip(without, with_line, strict=False)):
        if one != other:
            at = next(
                (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
            )
            around = slice(max(0, at - 60), at + 100)
            return f"packet {number} differs at {at}: without …{one[around]}… with …{other[around]}…"
    if len(without) != len(with_line):
        more = max(without, with_line, key=len)
        first = more[min(len(without), len(with_line))]
        return f"{len(without)} packets without the line, {len(with_line)} with it; the first too many: {first[:200]}"
    return None
