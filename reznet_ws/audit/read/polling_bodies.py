"""The bodies of Engine.IO's long-polling, which hold several packets.

In: a body. Out: its packets.
Never: reads what a packet means.

Source: github.com/socketio/engine.io-protocol; engine.io-parser 2.2 for revision 3's binary bodies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs

from reznet_ws.audit.read.engineio_packets import opened_of
from reznet_ws.audit.read.socketio_packets import NotAPacket

_SEPARATOR = "\x1e"
_JSONP_RESPONSE = re.compile(r"(?:/\*\*/)?___eio\[[0-9]{1,9}\]\((.*)\);?\s*\Z", re.DOTALL)
_LENGTH = re.compile("([0-9]{1,9}):")
_BINARY_LENGTH = re.compile(rb"([\x00\x01])([\x00-\x09]{1,9})\xff")


def split_body(body: str | bytes, engineio: int) -> Iterator[str | bytes]:
    """The packets of a long-polling body, with JSONP's wrapping taken off.

    Raises: NotAPacket where revision 3's lengths do not fit, after the packets before it.
    """
    if isinstance(body, bytes) and not (engineio == 3 and body[:1] in (b"\x00", b"\x01")):
        body = body.decode("utf-8", "replace")
    if isinstance(body, bytes):
        yield from _split_binary_body(body)
        return
    text = _without_jsonp(body)
    if engineio == 3:
        yield from _split_counted(text)
        return
    begin = 0
    while text and begin <= len(text):
        end = text.find(_SEPARATOR, begin)
        end = len(text) if end < 0 else end
        yield text[begin:end]
        begin = end + 1


def session_of(body: str | bytes, engineio: int) -> str | None:
    """The session that the open packet of a long-polling response names, if it holds one."""
    try:
        first = next(split_body(body[:4096], engineio), None)
    except NotAPacket:
        return None
    opened = opened_of(first) if isinstance(first, str) else None
    return opened["sid"] if opened else None


def _without_jsonp(body: str) -> str:
    if body.startswith("d="):
        # Source: engine.io's polling-jsonp.js: a line feed that was escaped is unescaped after the form is decoded.
        return parse_qs(body, max_num_fields=2).get("d", [""])[0].replace("\\n", "\n")
    if "___eio[" in body[:12] and (wrapped := _JSONP_RESPONSE.match(body)):
        try:
            text = json.loads(wrapped[1])
        except ValueError:
            return body
        return text if isinstance(text, str) else body
    return body


def _split_counted(text: str) -> Iterator[str]:
    # The length counts UTF-16 units, as JavaScript does.
    units = None if not text or max(text) <= "\uffff" else text.encode("utf-16-le", "surrogatepass")
    begin = 0
    while begin < (len(text) if units is None else len(units) // 2):
        head = (
            text[begin : begin + 10]
            if units is None
            else units[begin * 2 : begin * 2 + 20].decode("utf-16-le", "replace")
        )
        length = _LENGTH.match(head)
        if length is None:
            raise NotAPacket("a length and a colon are missing")
        begin += length.end()
        end = begin + int(length[1])
        if end > (len(text) if units is None else len(units) // 2):
            raise NotAPacket("a packet is shorter than its length says")
        yield text[begin:end] if units is None else units[begin * 2 : end * 2].decode("utf-16-le", "surrogatepass")
        begin = end


def _split_binary_body(body: bytes) -> Iterator[str | bytes]:
    begin = 0
    while begin < len(body):
        head = _BINARY_LENGTH.match(body, begin)
        if head is None:
            raise NotAPacket("a length is missing")
        end = head.end() + int("".join(map(str, head[2])))
        if end > len(body):
            raise NotAPacket("a packet is shorter than its length says")
        packet = body[head.end() : end]
        yield packet if head[1] == b"\x01" else packet.decode("utf-8", "replace")
        begin = end
