"""Engine.IO packets of revisions 3 and 4.

In: frames. Out: what kind each is, and what it holds.
Never: guesses by more than the first frame which revision it is.

Source: github.com/socketio/engine.io-protocol (revisions 3 and 4).
"""

from __future__ import annotations

import binascii
import json
from typing import Any

from reznet_ws.audit.read.capture import Kind
from reznet_ws.audit.read.socketio_packets import NotAPacket

_ENGINEIO_KINDS = dict(
    zip("0123456", (Kind.OPEN, Kind.CLOSE, Kind.PING, Kind.PONG, Kind.MESSAGE, Kind.UPGRADE, Kind.NOOP), strict=True)
)


def engineio_of(frame: str | bytes) -> int | None:
    """The revision that the first frame of a connection lets us suppose."""
    if frame == "2probe":
        return 4
    opened = opened_of(frame) if isinstance(frame, str) else None
    # Servers of revision 4 began to say `maxPayload` in 2022 (engine.io 6.2); where in doubt, only the first byte of
    # binary frames would be read differently.
    return None if opened is None else 4 if "maxPayload" in opened else 3


def opened_of(packet: str) -> dict[str, Any] | None:
    """The content of an open packet, if it is one."""
    if not packet.startswith("0{") or len(packet) > 4096:
        return None
    try:
        content = json.loads(packet[1:])
    except (ValueError, RecursionError):
        return None
    is_open = isinstance(content.get("sid"), str) and "pingInterval" in content
    return content if is_open else None


def engineio_packet(packet: str | bytes, engineio: int | None) -> tuple[Kind, str | bytes]:
    """Raises: NotAPacket."""
    if isinstance(packet, bytes):
        # Revision 3 has the type in front of bytes, 4 has only messages.
        return Kind.MESSAGE, packet[1:] if engineio == 3 and packet[:1] == b"\x04" else packet
    kind = _ENGINEIO_KINDS.get(packet[:1])
    content = packet[1:]
    if kind is Kind.MESSAGE:
        return kind, content
    if packet[:1] == "b":
        encoded = content[1:] if engineio == 3 and content[:1] == "4" else content
        try:
            return Kind.MESSAGE, binascii.a2b_base64(encoded, strict_mode=True)
        except (binascii.Error, ValueError):
            raise NotAPacket("its base64 is broken") from None
    if kind is Kind.OPEN and opened_of(packet):
        return kind, content
    if kind in (Kind.PING, Kind.PONG) and content in ("", "probe"):
        return kind, content
    if kind in (Kind.CLOSE, Kind.UPGRADE, Kind.NOOP) and not content:
        return kind, content
    raise NotAPacket(
        "its first character is no type of packet" if kind is None else f"no {kind.value} has such content"
    )
