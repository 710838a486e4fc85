"""Snapshots: what a client may keep and name, so that the server need not send it again.

In: what a client says that it holds, and the packet of a snapshot. Out: its version, and whether that client has it.
Never: keeps what a snapshot says: a version is a hash, and the server holds nothing but hashes.

docs/formats.md has the wire. What a client has said that it holds, or was sent to keep, it holds until its connection
ends; only between connections does it forget.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

# In the data of CONNECT: the versions that a client holds.
HELD_KEY = "reznet_held"
# Events of our own, to clients who said what they hold: one to keep, and one that is held.
KEEP_EVENT, SAME_EVENT = "+", "="
# 96 bits: for two snapshots of one version somebody would have to make 2 ** 48 of them.
_VERSION_BYTES = 12
_VERSION = re.compile(r"[A-Za-z0-9_-]{16}")
# What one client may say that it holds, and be sent to keep in one connection.
MAX_SNAPSHOTS = 256
MAX_KEPT_CHARS = 1_048_576
# What JSON.stringify, which a client keeps it by, makes something else of: -0, and numbers beyond what a double holds.
_UNSTABLE = re.compile(
    r"[\[:,]\s*(?:-0(?:\.0+)?(?:[eE][+-]?\d+)?(?=[,\]}\s])|-?\d[\d.]*[eE]\+?[3-9]\d\d|NaN|-?Infinity)"
)


def version_of(key: str, packet: str) -> str:
    """The version of a snapshot: its namespace, event and data are in the packet.

    Shape: any text -> 16 characters of base64 (RFC 4648 section 5).
    """
    digest = hashlib.sha256(f"{key}\n{packet}".encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest[:_VERSION_BYTES]).decode()


def can_be_kept(packet: str) -> bool:
    """Whether a client gives back exactly what it was sent, and has room for it."""
    return len(packet) <= MAX_KEPT_CHARS and not _UNSTABLE.search(packet)


class Holding:
    """What one client holds, as far as its connection goes."""

    __slots__ = ("_declared", "_sent", "_sent_chars")

    def __init__(self, declared: Any) -> None:
        """`declared`: what the client sent; what is no version in it is passed over."""
        given = declared[:MAX_SNAPSHOTS] if isinstance(declared, list) else []
        self._declared = {one for one in given if isinstance(one, str) and _VERSION.fullmatch(one)}
        self._sent: set[str] = set()
        self._sent_chars = 0

    def __contains__(self, version: str) -> bool:
        return version in self._declared or version in self._sent

    def declare(self, other: Holding) -> None:
        """It says more, for another namespace."""
        if len(self._declared) + len(other._declared) <= MAX_SNAPSHOTS:
            self._declared |= other._declared

    def keep(self, version: str, packet: str) -> bool:
        """Let the client keep what it is sent; False where that would be too much for one connection."""
        if len(self._sent) >= MAX_SNAPSHOTS or self._sent_chars + len(packet) > MAX_KEPT_CHARS:
            return False
        self._sent.add(version)
        self._sent_chars += len(packet)
        return True

    def forget_sent(self) -> None:
        """The client may have missed something."""
        self._sent.clear()
