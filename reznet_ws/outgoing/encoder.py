"""One event, encoded once for each format that somebody takes.

In: an event with its arguments. Out: its packet in format 1, its message in format 2, and their sizes.
Never: sends. Never: decodes anything again, or changes what the application's own codec wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reznet_ws.ledger import Share
from reznet_ws.message.fields import VERSION_KEY, PayloadError, check
from reznet_ws.message.json_text import dumps, escaped_chars, split_attachments
from reznet_ws.message.latest import Key
from reznet_ws.message.packet import BATCH_EVENT, Message, event_sizes, event_text, pack, prefix
from reznet_ws.message.payload import Payload, PayloadOptimizer
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.settings import Settings

# Shape: event, arguments, namespace, ack id -> the parts of a packet, as the application's own packet class writes it.
WritePacket = Callable[[Any, list[Any], str, "int | None"], Sequence["str | bytes"]]

_NO_NAME = "has the event name {!r}, which is not a string"


@dataclass(slots=True)
class Outgoing:
    """An event in both formats. Where nobody takes format 2 or it cannot be had, `short` is `plain`, and there is no
    `message` that a batch could hold."""

    event: str
    namespace: str
    plain: Dispatch
    short: Dispatch
    message: Message | None
    # What it is about, where a newer one about the same makes it pointless.
    latest: Key | None = None
    # Whether it may be joined to others; not if it was to be sent as it is.
    may_join: bool = True


class Encoder:
    """Encodes by one record of settings."""

    def __init__(self, settings: Settings, write: WritePacket | None = None) -> None:
        """`write`: how the application's own packet class writes; None for python-socketio's packets and JSON."""
        self.settings = settings
        self._write = write
        self._optimizer = PayloadOptimizer(settings)
        self._ungzipped = PayloadOptimizer(settings.replace(gzip=False))
        self._unoptimized = PayloadOptimizer(settings.replace(abbreviate=False, gzip=False))

    def encode(
        self,
        event: Any,
        args: list[Any],
        namespace: str,
        *,
        short: bool,
        optimize: bool = True,
        ack_id: int | None = None,
        offset: str | None = None,
    ) -> Outgoing:
        """Encode an event; an `offset`, where it is to be had again, is its last argument.

        Raises: what the codec raises, or PayloadError with `strict_json`; nothing is sent then.
        """
        name = event if isinstance(event, str) else str(event)
        if self.settings.strict_json:
            check_arguments(event, args)
        written = args if offset is None else [*args, offset]
        parts, share, text = self._write_plain(event, name, written, namespace, ack_id)
        is_secret = name in self.settings.never_compress
        plain = short_packet = Dispatch(parts, [share], is_secret=is_secret)
        message = None
        if short:
            only = None
            if text is not None and offset is None and type(args[0]) is dict:  # its text stands in the packet already
                sizes = share.plain_bytes, share.plain_bytes, share.encoded_bytes, share.encoded_bytes
                only = Payload(args[0], text, *sizes)
            message = self._shorten(event, name, args, namespace, optimize, offset, only)
        if message is not None:
            packet = pack([message], utf8=self.settings.utf8, ack_id=ack_id)
            shares = [share_of(message, share.off_frame_bytes)]
            short_packet = Dispatch([packet.text, *packet.attachments], shares, is_secret=is_secret)
        return Outgoing(name, namespace, plain, short_packet, message)

    def _write_plain(
        self, event: Any, name: str, args: list[Any], namespace: str, ack_id: int | None
    ) -> tuple[Sequence[str | bytes], Share, str | None]:
        """The packet in format 1, and the text of its only argument where it has one, and no attachments."""
        if self._write is not None:
            parts = self._write(event, args, namespace, ack_id)
            sizes = tuple(map(_size, parts))
            whole = sum(sizes)
            off_bytes = tuple(size + isinstance(part, str) for size, part in zip(sizes, parts, strict=True))
            return parts, Share(name, whole, whole, whole, whole, off_bytes, 1), None
        text, attachments = split_attachments([event, *args], utf8=self.settings.utf8)
        count = len(attachments)
        head = f"5{count}-{prefix(namespace, ack_id)}" if attachments else f"2{prefix(namespace, ack_id)}"
        beside = sum(map(len, attachments))
        # An ASCII text has one length, but for DEL, which Python escapes.
        is_ascii = text.isascii()
        escaped = len(text) if is_ascii and "\x7f" not in text else escaped_chars(text)
        encoded = len(text) if is_ascii else len(text.encode())
        if isinstance(event, str):
            event_escaped, event_encoded = event_sizes(name, utf8=self.settings.utf8)
            if is_ascii and event_encoded != event_escaped and text.startswith(event_text(name, utf8=False), 1):
                event_encoded = event_escaped  # a lone surrogate behind it keeps escapes throughout
        else:
            event_escaped = event_encoded = len(dumps(event, utf8=False))
        around = 2 + len(args) - beside
        plain_bytes, encoded_bytes = escaped - event_escaped - around, encoded - event_encoded - around
        off_bytes = (1 + len(head.encode()) + escaped, *map(len, attachments))
        share = Share(name, plain_bytes, plain_bytes, encoded_bytes, encoded_bytes, off_bytes, 1)
        argument = None
        if len(args) == 1 and not attachments and isinstance(event, str):
            event_chars = event_encoded if is_ascii else len(event_text(name, utf8=True))
            argument = text[event_chars + 2 : -1]
        return (head + text, *attachments), share, argument

    def _shorten(
        self,
        event: Any,
        name: str,
        args: list[Any],
        namespace: str,
        optimize: bool,
        offset: str | None,
        only: Payload | None,
    ) -> Message | None:
        """Format 2; None where it cannot carry the values exactly, so that the event goes plain to all.

        `only`: the only argument in format 1, where that is at hand.
        """
        # Bytes beside one argument would turn what looks like a placeholder in another into bytes.
        is_clear = len(args) > 1 or name in self.settings.never_compress
        optimizer = self._unoptimized if not optimize else self._ungzipped if is_clear else self._optimizer
        try:
            if not isinstance(event, str):
                raise PayloadError("$", _NO_NAME.format(event))
            if only is not None and optimizer.settings.abbreviate:  # which checks it as well
                return Message(name, (optimizer.encode(only),), namespace, offset)
            payloads = tuple([optimizer.encode(optimizer.encode_plain(arg)) for arg in args])
            return Message(name, payloads, namespace, offset)
        except PayloadError as error:
            if any(isinstance(arg, dict) and VERSION_KEY in arg for arg in args) or event == BATCH_EVENT:
                # Plain, its receivers would take it for ours.
                raise PayloadError(error.path, error.reason, name) from None
            return None


def check_arguments(event: Any, args: list[Any]) -> None:
    """Let what JSON can carry pass. Raises: PayloadError with the event and the path."""
    if not isinstance(event, str):
        raise PayloadError("$", _NO_NAME.format(event))
    try:
        for arg in args:
            check(arg)
    except PayloadError as error:
        raise PayloadError(error.path, error.reason, event) from None


def share_of(message: Message, off_frame_bytes: tuple[int, ...]) -> Share:
    """The sizes of a message in format 2, beside what no layer at all would have sent."""
    plain_bytes = abbreviated_bytes = encoded_bytes = gzipped_bytes = 0
    for payload in message.payloads:
        plain_bytes += payload.plain_bytes
        abbreviated_bytes += payload.abbreviated_bytes
        encoded_bytes += payload.encoded_bytes
        gzipped_bytes += payload.gzipped_bytes
    weight = len(message.event) + gzipped_bytes
    return Share(message.event, plain_bytes, abbreviated_bytes, encoded_bytes, gzipped_bytes, off_frame_bytes, weight)


def _size(part: str | bytes) -> int:
    return len(part.encode()) if isinstance(part, str) else len(part)
