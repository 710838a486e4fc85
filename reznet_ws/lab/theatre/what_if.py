"""The same message with one layer switched: what its frame would be, by the server's own code.

In: the messages that a client was sent, the last of them, settings, a layer. Out: a frame, and what it refers to.
Never: sends, or opens a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reznet_ws.lab.theatre.reading import ReadMessage
from reznet_ws.message.packet import Message, pack
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.replay.members import Members
from reznet_ws.settings import Settings

# What can be switched for a client of each format, and what it is called.
MEMORY = "deflate_takeover"
SWITCHES: dict[str, tuple[str, ...]] = {
    "plain": ("utf8", "deflate", MEMORY),
    "abbreviated": ("abbreviate", "utf8", "deflate", MEMORY),
    "rows": ("rows", "deflate", MEMORY),
    "packed": ("deflate", MEMORY),
}
LABELS = {
    "abbreviate": "short keys",
    "utf8": "UTF-8",
    "rows": "rows",
    "deflate": "deflate",
    MEMORY: "memory of earlier messages",
}


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message to one client: as it was sent, and as it is read."""

    number: int
    data: bytes
    read: ReadMessage


@dataclass(frozen=True, slots=True)
class OtherFrame:
    """What would be sent instead."""

    wire: bytes
    data: bytes
    before: Sequence[bytes]


def switch(settings: Settings, name: str) -> Settings:
    """The settings with one of the switches the other way."""
    changed = settings.replace(**{name: not getattr(settings, name)})
    # Without takeover Node's threshold would leave most messages as they are; what is asked is what it compresses to.
    return changed.replace(deflate_threshold_bytes=0, deflate_shared=True)


def what_if(
    before: Sequence[SentMessage], last: SentMessage, settings: Settings, name: str, *, kind: str
) -> OtherFrame | None:
    """The frame of the last message with a switch the other way; None where it cannot be told.

    The client is taken to have been sent all of `before` that way, too; what cannot be read stays as it was.
    """
    changed = switch(settings, name)
    encodes = name in ("abbreviate", "utf8", "rows")
    if encodes and not last.read.events:
        return None
    plain = kind != "abbreviated" or (name == "abbreviate" and not changed.abbreviate)
    texts = [_encode(one, changed, plain=plain) if encodes else one.data for one in (*before, last)]
    if name == "rows" and changed.rows:
        return None  # which rows there would be depends on what was sent long ago
    members = Members(1, changed)
    frames = [members.send(text)[0] for text in texts]
    return OtherFrame(frames[-1], texts[-1], texts[:-1])


def _encode(one: SentMessage, settings: Settings, *, plain: bool) -> bytes:
    """A message as the server writes it for a client of format 1 (`plain`) or 2."""
    if not one.read.events:
        return one.data
    figures = settings.replace(gzip=False, abbreviate=False) if plain else settings.replace(gzip=False)
    optimizer = PayloadOptimizer(figures)
    messages = [
        Message(event, tuple(optimizer.encode(optimizer.encode_plain(arg)) for arg in args), one.read.namespace)
        for event, args in one.read.events
    ]
    return f"4{pack(messages, utf8=figures.utf8).text}".encode()
