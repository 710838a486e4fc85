"""What TLS adds to what is written: its records, and its handshake where the kernel tells.

In: a transport that may encrypt. Out: the same, with what TLS adds counted in the ledger.
Never: encrypts, or touches a private name.

All other figures are counted before encryption. A write becomes records of 16,384 bytes at most (RFC 8446 section 5.1).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import weakref
from typing import Any

from reznet_ws.ledger import Ledger

_RECORD_BYTES = 16_384
_HEADER_BYTES = 5
_ALERT_BYTES = 2
# What the suites of TLS 1.2 put in front of a record and behind it (RFC 5288, 6655 and 7905); those of 1.3 (RFC 8446
# section 5.2) a byte for the kind of what is inside, and the tag.
_TAG_BYTES, _SHORT_TAG_BYTES, _NONCE_BYTES, _KIND_BYTES = 16, 8, 8, 1
# Linux's `struct tcp_info`: what was sent, and what of it again.
_SENT_OFFSET = 200
# By how much the handshakes of one kind differ: signatures by ECDSA, and the session that a ticket holds.
_SPREAD_BYTES = 64


class TlsTransport:
    """Counts what encryption adds to each write."""

    def __init__(self, transport: Any, ledger: Ledger, record_bytes: int) -> None:
        self.inner, self._ledger, self._record_bytes = transport, ledger, record_bytes
        self._says_goodbye = True

    def write(self, data: bytes) -> None:
        """Count the records, then write."""
        self._ledger.tls_bytes += self._record_bytes * -(-len(data) // _RECORD_BYTES)
        self.inner.write(data)

    def close(self) -> None:
        """Close, with an alert that says so."""
        if self._says_goodbye and not self.inner.is_closing():
            self._ledger.tls_bytes += self._record_bytes + _ALERT_BYTES
        self._says_goodbye = False
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def counting_tls(transport: Any, ledger: Ledger) -> Any:
    """A transport with what TLS adds counted; the same where it encrypts nothing, or in a way that is not known."""
    tls = transport.get_extra_info("ssl_object")
    record_bytes = None if tls is None else record_overhead(tls)
    if record_bytes is None:
        return transport
    ledger.tls_bytes += _handshake_bytes(tls, transport.get_extra_info("socket"))
    return TlsTransport(transport, ledger, record_bytes)


def record_overhead(tls: Any) -> int | None:
    """What a record takes beside its data; None for suites that pad (CBC), where that depends on the data."""
    name, _, _ = tls.cipher() or ("", "", 0)
    tag = _SHORT_TAG_BYTES if "CCM8" in name or "CCM_8" in name else _TAG_BYTES
    if tls.version() == "TLSv1.3":
        return _HEADER_BYTES + _KIND_BYTES + tag
    if "GCM" in name or "CCM" in name:
        return _HEADER_BYTES + _NONCE_BYTES + tag
    return _HEADER_BYTES + tag if "CHACHA20" in name else None


# Connections whose handshake is counted, and the shortest of each kind.
_counted: weakref.WeakSet[Any] = weakref.WeakSet()
_shortest: dict[tuple[Any, ...], int] = {}


def _handshake_bytes(tls: Any, sock: Any) -> int:
    """What the handshake took, once for each connection; 0 where the kernel does not tell.

    Where something else was sent on the connection before, the shortest handshake of its kind stands in.
    """
    if tls in _counted:
        return 0
    _counted.add(tls)
    sent_bytes = _sent_bytes(sock)
    if sent_bytes is None:
        return 0
    kind = tls.cipher(), tls.session_reused
    shortest = _shortest[kind] = min(sent_bytes, _shortest.get(kind, sent_bytes))
    return sent_bytes if sent_bytes <= shortest + _SPREAD_BYTES else shortest


def _sent_bytes(sock: Any) -> int | None:
    option = getattr(socket, "TCP_INFO", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError, struct.error):
            sent, again = struct.unpack_from("=QQ", sock.getsockopt(socket.IPPROTO_TCP, option, 256), _SENT_OFFSET)
            return int(sent - again)
    return None
