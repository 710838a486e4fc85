"""What a client reads: the events in a message, in whichever format it comes.

In: messages as they are sent to one client, one after the other. Out: events, and how each step writes them.
Never: raises for what it cannot read; that has no events.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from socketio import packet as sio_packet

from reznet_ws.client.decoder import unpack
from reznet_ws.client.rows_decoder import RowsDecoder, RowsError
from reznet_ws.message import message_pack
from reznet_ws.message.fields import DecodeError
from reznet_ws.message.packet import BATCH_EVENT
from reznet_ws.message.payload import decode_payload

# Event, and its arguments.
ReadEvent = tuple[str, list[Any]]
_KINDS = {0: "CONNECT", 1: "DISCONNECT", 3: "answer", 4: "CONNECT_ERROR", 6: "answer"}


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """What a message is called, the events in it, and their namespace."""

    label: str
    events: Sequence[ReadEvent]
    namespace: str = "/"


class Reader:
    """One client's side of its connection. `kind`: its format's name."""

    def __init__(self, kind: str) -> None:
        self._rows = RowsDecoder() if kind == "rows" else None
        self._is_packed = kind == "packed"

    def read(self, data: bytes) -> ReadMessage:
        """The next message that the client is sent."""
        try:
            if self._is_packed:
                with contextlib.suppress(DecodeError):  # what goes as it came is text
                    unpacked = message_pack.decode(data)
                    name, *args = unpacked.data
                    return ReadMessage(name, [(name, args)], unpacked.namespace)
            text = data.decode()
            # Engine.IO's sign of a message stands before a Socket.IO packet, and before the lines of rows.
            if text[:1] != "4":
                return ReadMessage("Engine.IO", [])
            packets = [text[1:]] if self._rows is None else self._rows.decode(text[1:])
            read = [_read_packet(packet) for packet in packets]
        except UnicodeDecodeError:
            return ReadMessage("attachment", [])
        except RowsError:
            # What it refers to was sent before anybody looked on; it can be read once the server begins anew.
            self._rows = RowsDecoder()
            return ReadMessage("rows", [])
        except (ValueError, KeyError, IndexError, TypeError):
            return ReadMessage("unknown", [])
        events = [event for one in read for event in one.events]
        names = ", ".join(dict.fromkeys(event for event, _ in events))
        label = f"{len(events)} × {names}" if len(events) > 1 else names or read[0].label
        return ReadMessage(label, events, read[0].namespace)


def _read_packet(text: str) -> ReadMessage:
    packet = sio_packet.Packet(encoded_packet=text)
    if packet.packet_type != sio_packet.EVENT:
        return ReadMessage(_KINDS.get(packet.packet_type, "with attachments"), [])
    name, *args = packet.data
    events = unpack(args[0]) if name == BATCH_EVENT else [(name, args)]
    read = [(event, [decode_payload(arg) for arg in inside]) for event, inside in events]
    return ReadMessage(name, read, packet.namespace or "/")


def as_json(events: Sequence[ReadEvent], *, utf8: bool = False) -> str:
    """Each event as python-socketio's JSON, one a line."""
    return "\n".join(json.dumps([event, *args], separators=(",", ":"), ensure_ascii=not utf8) for event, args in events)
