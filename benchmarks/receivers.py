"""Many clients in one loop, each with what it is due.

In: an address, and who is told of each event. Out: counts at the sockets.
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
from benchmarks.sequence import Due, LoadError

# Connections on their way in at the same time.
_JOINING_AT_ONCE = 32
_READ_BYTES = 65_536
# Decoded between two looks at the sockets.
_DECODE_AT_ONCE = 16
_JOIN_TIMEOUT_S = 60.0


class Receiver:
    """A client with its socket and its slot. `due`: what it must get of what is being emitted."""

    __slots__ = ("client", "due", "has_joined", "is_skimmed", "slot", "socket")

    def __init__(self, address: tuple[str, int], slot: int) -> None:
        self.client = RawClient()
        self.slot = slot
        self.due: Due | None = None
        self.has_joined = self.is_skimmed = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)


class Receivers:
    """The clients of one server. `arrived` is called with a receiver, a text and CLOCK_MONOTONIC when it was read, and
    says how many events that were; `query` is what clients add to the address.
    """

    def __init__(self, address: tuple[str, int], query: str, arrived: Callable[[Receiver, bytes, int], int]) -> None:
        self._address, self._query, self._arrived = address, query, arrived
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[tuple[Receiver, int, bytes]] = deque()
        self._joining: set[Receiver] = set()
        self.joined: deque[Receiver] = deque()
        self.decode_at_once = False
        self.deliveries = self.event_bytes = self.received_bytes = self.joins = 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody is on the way in, or something is read and not decoded."""
        return bool(self._joining or self._inbox)

    def watch(self, sock: socket.socket, heard: Callable[[], None]) -> None:
        """Call somebody when another socket can be read."""
        self._selector.register(sock, selectors.EVENT_READ, heard)

    def fill(self, slots: range) -> None:
        """Connect a client for each slot, some at a time. Raises: LoadError."""
        waiting = deque(slots)
        until_s = time.monotonic() + _JOIN_TIMEOUT_S
        while waiting or self._joining:
            while waiting and len(self._joining) < _JOINING_AT_ONCE:
                self._join(waiting.popleft())
            self.step(0.01)
            if time.monotonic() > until_s:
                raise LoadError(f"{len(self.joined)} of {len(slots)} clients had joined after {_JOIN_TIMEOUT_S:.0f} s")

    def replace_oldest(self) -> None:
        """One leaves without a word, as a closed tab does, and a new one takes its slot. Raises: LoadError."""
        oldest = self.joined.popleft()
        self._selector.unregister(oldest.socket)
        oldest.socket.close()
        self.fill(range(oldest.slot, oldest.slot + 1))

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
        """The number of the first emission that somebody has yet to get."""
        return min((one.due.next for one in self.joined if one.due is not None), default=otherwise)

    def close(self) -> None:
        """Hang up."""
        for receiver in (*self.joined, *self._joining):
            receiver.socket.close()
        self._selector.close()

    def _join(self, slot: int) -> None:
        receiver = Receiver(self._address, slot)
        self._joining.add(receiver)
        self._selector.register(receiver.socket, selectors.EVENT_WRITE, receiver)

    def _ask(self, receiver: Receiver) -> None:
        error = receiver.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "a client cannot connect")
        receiver.socket.send(receiver.client.ask(*self._address, f"&slot={receiver.slot}{self._query}"))
        self._selector.modify(receiver.socket, selectors.EVENT_READ, receiver)

    def _read(self, receiver: Receiver) -> None:
        try:
            data = receiver.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise LoadError("the server closed a connection")
        self.received_bytes += len(data)
        if receiver.is_skimmed:
            events = receiver.client.skim(data)
            self.deliveries += events
            if receiver.due is not None and events:
                receiver.due.advance(events)
        elif self.decode_at_once:
            self._decode(receiver, time.monotonic_ns(), data)
        else:
            self._inbox.append((receiver, time.monotonic_ns(), data))

    def _decode(self, receiver: Receiver, at_ns: int, data: bytes) -> None:
        client = receiver.client
        before_bytes = client.event_bytes
        texts = client.receive(data)
        self.event_bytes += client.event_bytes - before_bytes
        if client.answer and receiver.socket.fileno() >= 0:
            receiver.socket.send(client.answer)
            client.answer.clear()
        if client.is_closed:
            raise LoadError("the server said goodbye to a client")
        if client.is_joined and not receiver.has_joined:
            receiver.has_joined = True
            self._joining.remove(receiver)
            self.joined.append(receiver)
            self.joins += 1
        for text in texts:
            self.deliveries += self._arrived(receiver, text, at_ns)
