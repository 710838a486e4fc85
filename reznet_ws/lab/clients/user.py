"""One user: a Socket.IO client that does what a scenario says, and notes what its handlers got.

In: where the server is, a scenario, a number. Out: what it saw, in a log.
Never: looks into what it gets beyond a digest of it.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import socketio

from reznet_ws.client import attach, attach_message_pack, attach_rows
from reznet_ws.lab.clients.mixture import FORMATS
from reznet_ws.lab.clients.seen import Log
from reznet_ws.lab.scenario import Scenario
from reznet_ws.ledger import header_bytes
from reznet_ws.message.digest import digest
from reznet_ws.message.formats import GRANT_EVENT

ANSWER_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 20
# A slow reader's rhythm.
_ASLEEP_S, _AWAKE_S = 1.0, 0.05
# Tracebacks beyond these say nothing new.
_MOST_FAILURES = 3
# Format -> what lets a client understand it.
_DECODERS: Mapping[str, Callable[[socketio.AsyncClient], Any]] = {
    "abbreviated": attach,
    "rows": attach_rows,
    "packed": attach_message_pack,
}


class _Client(socketio.AsyncClient):  # type: ignore[misc]
    """Takes off the offset that a server which can restore connections sends behind an event's own arguments.

    It sends none behind an event that asks for an answer.
    """

    is_offset_sent = False

    async def _handle_connect(self, namespace: str | None, data: Any) -> None:
        self.is_offset_sent = isinstance(data, dict) and "pid" in data
        await super()._handle_connect(namespace, data)

    async def _handle_event(self, namespace: str | None, ack_id: int | None, data: list[Any]) -> None:
        has_offset = self.is_offset_sent and ack_id is None and len(data) > 1 and isinstance(data[-1], str)
        await super()._handle_event(namespace, ack_id, data[:-1] if has_offset else data)


class User:
    """What `join` and `act` of a scenario are given. `number` counts from 0, `random` is seeded by it."""

    def __init__(self, url: str, scenario: Scenario, number: int, log: Log, *, form: str, is_sized: bool) -> None:
        self.number, self.rooms, self.form = number, scenario.rooms_of(number), form
        self.random = random.Random(scenario.seed * 1_000_003 + number)
        self.is_slow = False
        self._scenario, self._log, self._is_sized = scenario, log, is_sized
        self._url = f"{url}?{FORMATS[form]}".removesuffix("?")
        self._client = _Client(
            handle_sigint=False,
            reconnection_delay=0.5,
            websocket_extra_options={"compress": 15} if scenario.deflate else {},
        )
        if (attach_decoder := _DECODERS.get(form)) is not None:
            attach_decoder(self._client)
        self._sid = ""
        self._goes = self._was_connected = self._is_in = False
        self._joining: asyncio.Task[None] | None = None
        self._waiting: dict[str, list[asyncio.Future[tuple[Any, ...]]]] = {}
        namespace = scenario.namespace
        self._client.on("connect", self._connected, namespace=namespace)
        self._client.on("disconnect", self._disconnected, namespace=namespace)
        self._client.on("*", self._arrived, namespace=namespace)

    # What a scenario says

    @property
    def is_connected(self) -> bool:
        """Whether it is connected now."""
        return self._scenario.namespace in self._client.namespaces

    async def emit(self, event: str, *args: Any) -> None:
        """Send an event to the server."""
        await self._client.emit(event, args, namespace=self._scenario.namespace)

    async def call(self, event: str, *args: Any, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """Send an event and wait for the server's answer. Raises: TimeoutError of socketio."""
        began_s = time.monotonic()
        try:
            answer = await self._client.call(event, args, namespace=self._scenario.namespace, timeout=timeout_s)
        except socketio.exceptions.TimeoutError:
            self._log.counts.unanswered += 1
            raise
        self._log.counts.answered += 1
        self._log.new.answers_ms.append((time.monotonic() - began_s) * 1000)
        return answer

    async def wait_for(self, event: str, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """The data of the next event of that name: one value, or a tuple. Raises: TimeoutError."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event, []).append(future)
        try:
            async with asyncio.timeout(timeout_s):
                args: tuple[Any, ...] = await future
        finally:
            self._waiting[event].remove(future)
        return args[0] if len(args) == 1 else args

    async def read_slowly(self, seconds: float) -> None:
        """Leave what comes unread for a while."""
        writer = getattr(self._client.eio.ws, "_writer", None)
        transport = getattr(writer, "transport", None)
        if transport is None or transport.is_closing():
            await asyncio.sleep(seconds)
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            if not transport.is_closing():
                transport.resume_reading()

    async def leave(self) -> None:
        """Disconnect; what is still on its way is nobody's loss."""
        self._goes = True
        # An attachment without the header before it would be a ValueError in python-socketio: what is in a task by now
        # gets its turn, and what comes later is not looked at.
        handler = self._client.eio.handlers.get("message")
        self._client.eio.on("message", _ignore)
        await asyncio.sleep(0)
        await self._client.disconnect()
        self._client.eio.on("message", handler)

    async def come_back(self) -> None:
        """Connect anew, and join again."""
        await self.connect()

    # What its process does with it

    async def connect(self) -> None:
        """Connect, and do what the scenario does first. A refusal is counted."""
        self._goes = False
        scenario = self._scenario
        auth = scenario.auth(self.number) if callable(scenario.auth) else scenario.auth
        try:
            await self._client.connect(
                self._url,
                headers=dict(scenario.headers),
                auth=auth,
                transports=["websocket"],
                namespaces=[scenario.namespace],
                socketio_path=scenario.path,
                wait_timeout=CONNECT_TIMEOUT_S,
            )
        except socketio.exceptions.ConnectionError as error:
            self._log.counts.refused += 1
            self._log.refusal = str(error)
        else:
            if self._joining is not None:
                await asyncio.gather(self._joining, return_exceptions=True)

    async def live(self, acting: asyncio.Event) -> None:
        """Act again and again while acting is on."""
        act = self._scenario.act
        if act is None:
            return
        every_s = self._scenario.every_s
        await asyncio.sleep(every_s * self.random.random())
        while True:
            await acting.wait()
            if self._is_in:
                await self._do(act)
            await asyncio.sleep(self._scenario.every_s * (0.5 + self.random.random()))

    async def read_now_and_then(self) -> None:
        """Read slowly while it is told to be slow."""
        while self.is_slow:
            await self.read_slowly(_ASLEEP_S)
            await asyncio.sleep(_AWAKE_S)

    def follow(self, scenario: Scenario) -> None:
        """Take other figures."""
        self._scenario = scenario

    async def _do(self, deed: Any) -> None:
        try:
            await deed(self)
        except (socketio.exceptions.TimeoutError, socketio.exceptions.DisconnectedError):
            pass  # counted where it happened
        except Exception as error:
            if not self.is_connected:
                return  # whoever is thrown out in the middle of a deed cannot end it
            self._log.counts.failed += 1
            if self._log.counts.failed <= _MOST_FAILURES:
                self._log.new.failures.append("".join(traceback.format_exception(error)))

    async def _connected(self) -> None:
        self._sid = self._client.eio.sid
        self._log.place(self._sid)
        # In a task of its own: what it is answered comes behind this handler.
        self._joining = asyncio.create_task(self._join())

    async def _join(self) -> None:
        if self._scenario.join is not None:
            await self._do(self._scenario.join)
        counts = self._log.counts
        counts.connected += 1
        counts.reconnects += self._was_connected
        self._is_in = self._was_connected = True

    async def _disconnected(self, _reason: str) -> None:
        if self._joining is not None:
            self._joining.cancel()
        counts = self._log.counts
        counts.connected -= self._is_in
        self._is_in = False
        counts.drops += not self._goes
        self._log.new.ended.append((self._sid, self._goes))

    async def _arrived(self, event: str, *args: Any) -> None:
        if event == GRANT_EVENT:
            return
        at_s = math.nan if self.is_slow else time.monotonic()
        self._log.arrived(self._client.eio.sid or self._sid, digest(event, args), at_s)
        if self._is_sized:
            self._log.counts.plain_bytes += plain_bytes(event, args, self._scenario.namespace)
        for future in self._waiting.get(event, ()):
            if not future.done():
                future.set_result(args)


def plain_bytes(event: str, args: tuple[Any, ...], namespace: str) -> int:
    """What an event takes on the wire with no layer at work: as python-socketio writes it, a frame for each part."""
    attachments: list[int] = []

    def place(value: Any) -> dict[str, Any]:
        attachments.append(len(value))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.dumps([event, *args], separators=(",", ":"), default=place)
    head = f"45{len(attachments)}-" if attachments else "42"
    size = len(head) + len(text) + (len(namespace) + 1 if namespace != "/" else 0)
    return sum(part + header_bytes(part) for part in [size, *attachments])


async def _ignore(_message: str | bytes) -> None:
    """Takes no notice of a message."""
