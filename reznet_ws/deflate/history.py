"""The messages that some clients' inflaters hold.

In: messages in the order in which they were sent, compressed. Out: the text that the next one may refer to.
Never: copies a message, or keeps more than a window of the size that is used can reach.

A compressor in step with a client can be made at any time from the text that the client was sent (`zdict`, for raw
deflate): so this list, and not a compressor, is what a connection needs. Source: RFC 7692 section 7.2, zlib's
deflateSetDictionary.
"""

from __future__ import annotations

from reznet_ws.deflate.compressor import Compressor

# A list of the smallest messages would take more than their text: a Socket.IO event has 7 bytes at least, so that these
# are more than stock's 4 KB in any case.
_MOST_MESSAGES = 1024

# What compression leaves of a message, before one is known; and how much of what it left before counts after the next.
_LEFT_AT_FIRST = 0.25
_STILL_COUNTS = 0.9
_RISES = 0.02
# One picture says little about the next message.
_MOST_WEIGHT_BYTES, _MOST_LEFT = 1024, 0.5


class History:
    """What all its `members` hold, oldest first; `bits` is the window that each of them promised."""

    __slots__ = (
        "_before",
        "_left",
        "bits",
        "compressor",
        "least_left",
        "left",
        "members",
        "messages",
        "text_bytes",
        "used",
    )

    def __init__(self, bits: int) -> None:
        self.bits = bits
        # Of the latest messages, as they are and compressed.
        self._before, self._left = 100.0, 100 * _LEFT_AT_FIRST
        # The share of a message that compression has left of late.
        self.left = _LEFT_AT_FIRST
        # The same, where compression left least: falls at once and rises slowly.
        self.least_left = _LEFT_AT_FIRST
        self.messages: list[bytes] = []
        self.text_bytes = 0
        self.members = 0
        # In step with it, if one is kept; and when the history last moved on, in messages of the whole server.
        self.compressor: Compressor | None = None
        self.used = 0

    def fork(self) -> History:
        """The same messages, for some of the members."""
        other = History(self.bits)
        other._before, other._left = self._before, self._left
        other.left, other.least_left = self.left, self.least_left
        other.messages, other.text_bytes, other.used = self.messages.copy(), self.text_bytes, self.used
        return other

    def append(self, message: bytes, most_bytes: int, payload_bytes: int, now: int) -> None:
        """Move on with a message that all members were sent, and forget what lies beyond so many bytes.

        `payload_bytes`: what it took; `now`: the number of the message at this server.
        """
        self.used = now
        size = len(message)
        if not size:
            return  # an inflater's window stays as it is
        weight = min(size, _MOST_WEIGHT_BYTES)
        self._before = self._before * _STILL_COUNTS + weight
        left = min(payload_bytes / size, _MOST_LEFT)
        self._left = self._left * _STILL_COUNTS + weight * left
        self.left = self._left / self._before
        self.least_left = min(left, self.least_left + (left - self.least_left) * _RISES)
        messages = self.messages
        messages.append(message)
        text_bytes = self.text_bytes + size
        forgotten = 0
        while text_bytes - len(messages[forgotten]) >= most_bytes or len(messages) - forgotten > _MOST_MESSAGES:
            text_bytes -= len(messages[forgotten])
            forgotten += 1
        if forgotten:
            del messages[:forgotten]
        self.text_bytes = text_bytes

    def tail(self, least_bytes: int) -> tuple[bytes, ...]:
        """The last messages that make at least so many bytes, which it must have."""
        messages, at = self.messages, len(self.messages)
        while least_bytes > 0:
            at -= 1
            least_bytes -= len(messages[at])
        return tuple(messages[at:])
