"""Many clients in one loop, each with its place in the sequence of emissions.

In: addresses, and who is told of each event. Out: counts at the sockets.
Never: decodes while something waits at a socket, unless told to: a broadcast's last receiver is not late because the
first was being inflated.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

from benchmarks.raw_client import RawClient
from benchmarks.sequence import LoadError

# Connections on their way in at the same time.
_JOINING_AT_ONCE = 32
_READ_BYTES = 65_536
# Decoded between two looks at the sockets.
_DECODE_AT_ONCE = 16
_JOIN_TIMEOUT_S = 60.0


class Receiver:
    """A client with its socket. `next`: the number of the emission that it is due; None while that is not known."""

    __slots__ = ("client", "held", "is_skimmed", "joined_ns", "next", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.client = RawClient()
        self.next: int | None = None
        # Of one that joined while others were being sent: its texts, and when they came.
        self.held: list[tuple[bytes, int]] = []
        self.joined_ns = 0
        self.is_skimmed = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)


class Receivers:
    """The clients of one server. `arrived` is called with a link, a text and CLOCK_MONOTONIC when it was read."""

    def __init__(self, address: tuple[str, int], arrived: Callable[[Receiver, bytes, int], None]) -> None:
        self._address, self._arrived = address, arrived
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[tuple[Receiver, int, bytes]] = deque()
        self._joining: set[Receiver] = set()
        self.links: deque[Receiver] = deque()
        self.decode_at_once = False
        self.deliveries = self.event_bytes = self.received_bytes = self.joined = 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody is on the way in, or something is read and not decoded."""
        return bool(self._joining or self._inbox)

    def watch(self, sock: socket.socket, heard: Callable[[], None]) -> None:
        """Call somebody when another socket can be read."""
        self._selector.register(sock, selectors.EVENT_READ, heard)

    def grow(self, count: int) -> None:
        """Connect clients until there are so many, some at a time. Raises: LoadError."""
        until_s = time.monotonic() + _JOIN_TIMEOUT_S
        while len(self.links) < count:
            while len(self._joining) < min(_JOINING_AT_ONCE, count - len(self.links)):
                self._join()
            self.step(0.01)
            if time.monotonic() > until_s:
                raise LoadError(f"{len(self.links)} of {count} clients had joined after {_JOIN_TIMEOUT_S:.0f} s")

    def replace_oldest(self) -> None:
        """One leaves without a word, as a closed tab does, and a new one comes."""
        oldest = self.links.popleft()
        self._selector.unregister(oldest.socket)
        oldest.socket.close()
        self._join()

    def step(self, timeout_s: float) -> bool:
        """Receive all that waits; else decode some; else wait. Whether something was received."""
        ready = self._selector.select(0 if self._inbox else timeout_s)
        for key, mask in ready:
            if not isinstance(key.data, Receiver):
                key.data()
            elif mask & selectors.EVENT_WRITE:
                self._ask(key.data)
            else:
                self._read(key.data)
        if not ready:
            for _ in range(min(_DECODE_AT_ONCE, len(self._inbox))):
                self._decode(*self._inbox.popleft())
        return bool(ready)

    def slowest(self, otherwise: int) -> int:
        """The number of the emission that the last of all is due."""
        return min((link.next for link in self.links if link.next is not None), default=otherwise)

    def close(self) -> None:
        """Hang up."""
        for link in (*self.links, *self._joining):
            link.socket.close()
        self._selector.close()

    def _join(self) -> None:
        link = Receiver(self._address)
        self._joining.add(link)
        self._selector.register(link.socket, selectors.EVENT_WRITE, link)

    def _ask(self, link: Receiver) -> None:
        error = link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "a client cannot connect")
        link.socket.send(link.client.ask(*self._address))
        self._selector.modify(link.socket, selectors.EVENT_READ, link)

    def _read(self, link: Receiver) -> None:
        try:
            data = link.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise LoadError("the server closed a connection")
        self.received_bytes += len(data)
        if link.is_skimmed:
            events = link.client.skim(data)
            self.deliveries += events
            if link.next is not None:
                link.next += events
        elif self.decode_at_once:
            self._decode(link, time.monotonic_ns(), data)
        else:
            self._inbox.append((link, time.monotonic_ns(), data))

    def _decode(self, link: Receiver, at_ns: int, data: bytes) -> None:
        client = link.client
        before_bytes = client.event_bytes
        texts = client.receive(data)
        self.event_bytes += client.event_bytes - before_bytes
        self.deliveries += len(texts)
        if client.answer and link.socket.fileno() >= 0:
            link.socket.send(client.answer)
            client.answer.clear()
        if client.is_closed:
            raise LoadError("the server said goodbye to a client")
        if link.joined_ns == 0 and client.is_joined:
            link.joined_ns = at_ns
            self._joining.remove(link)
            self.links.append(link)
            self.joined += 1
        for text in texts:
            self._arrived(link, text, at_ns)
