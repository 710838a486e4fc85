"""An Engine.IO session on its way to a line: nothing overtakes, nothing is lost, and engineio's queue stays its own."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import pytest
import socketio
from deflate.reader import Reader
from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket
from outgoing.sockets import Socket, new_line, turn

from reznet_ws import attach
from reznet_ws.adapters.asgi import Takeover
from reznet_ws.adapters.engineio import Engine
from reznet_ws.adapters.session import QueuedPacket, Session, current_takeover, is_secret
from reznet_ws.ledger import Share
from reznet_ws.outgoing.connection import Recipients
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.line import Line
from reznet_ws.settings import Settings

# What is due leaves at the end of the loop's turn.
SETTINGS = Settings(deflate=False, max_queued_bytes=65_536, coalesce_ms=0)


class Found(Takeover):
    """What was found behind a request, and what the session makes of it."""

    def __init__(self, line: Line | None) -> None:
        async def never(*_: Any) -> None:
            raise AssertionError

        super().__init__(never, never)
        self.line = line
        self.failed: list[tuple[int, str]] = []
        self.has_ended = False
        self.find: Any = None
        self.ended: Any = None

    def on_end(self, ended: Any) -> None:
        self.ended = ended

    def on_frame(self, find: Any) -> None:
        self.find = find

    def fail(self, code: int, reason: str) -> None:
        self.failed.append((code, reason))

    def end_session(self) -> None:
        self.has_ended = True


class OwnQueues(engineio.AsyncServer):  # type: ignore[misc]
    def create_queue(self, *args: Any, **options: Any) -> Any:
        return asyncio.Queue(maxsize=100)


class WithOwnQueues(socketio.AsyncServer):  # type: ignore[misc]
    def _engineio_server_class(self) -> Any:
        return OwnQueues


def new_engine(kind: Any = socketio.AsyncServer, settings: Settings = SETTINGS) -> Engine:
    sio = kind(async_mode="asgi", monitor_clients=False)
    attach(sio, settings)
    return sio.eio  # type: ignore[no-any-return]


def new_session(engine: Engine, sid: str = "one", query: str = "") -> Session:
    session = AsyncSocket(engine, sid)
    engine.sockets[sid] = session
    session.connected = True
    engine._adopt_session(sid, {"QUERY_STRING": query})
    assert isinstance(session, Session)
    return session


def upgrade(session: Session, takeover: Takeover) -> None:
    """As engineio does it, in the task of the request."""
    token = current_takeover.set(takeover)
    session.upgraded = True
    current_takeover.reset(token)


def opened(engine: Engine, sid: str = "one") -> tuple[Session, Line, Socket, Found]:
    session = new_session(engine, sid)
    line, socket = new_line(ledger=engine.broadcast.ledger)
    found = Found(line)
    upgrade(session, found)
    return session, line, socket, found


def message(text: str | bytes) -> eio_packet.Packet:
    return eio_packet.Packet(eio_packet.MESSAGE, text)


def post(session: Session, *parts: str | bytes) -> Dispatch:
    broadcast = session.server.broadcast
    share = Share("n", 1, 1, 1, 1, tuple([1] * len(parts)), 1)
    dispatch = Dispatch(parts, [share])
    broadcast.post(Recipients([session.connection]), dispatch)
    return dispatch


def texts(socket: Socket) -> list[Any]:
    """The payloads of the frames that were written, uncompressed."""
    reader, data = Reader(offers=False), socket.written
    while data:
        size = 2 + data[1]
        reader.take(data[:size])
        data = data[size:]
    return [payload.decode("latin-1") for payload in reader.received]


def queued(session: Session) -> list[Any]:
    found = []
    while not session.queue.empty():
        packet = session.queue.get_nowait()
        found.append(packet if packet is None else packet.encode())
    return found


# Before the upgrade


async def test_before_the_upgrade_everything_is_queued_for_long_polling() -> None:
    session = new_session(new_engine())
    post(session, "2[1]")
    await session.send(message("2[2]"))
    await session.send(eio_packet.Packet(eio_packet.PING))
    assert session.queued_bytes > 0
    assert [packet.encode() for packet in await session.poll()] == ["42[1]", "42[2]", "2"]
    assert session.queued_bytes == 0


async def test_bytes_that_both_ways_share_are_base64_for_one_and_bytes_for_the_other() -> None:
    packet = QueuedPacket(Dispatch(["51-x", b"\x00\x01"], ()), 1)
    for _ in range(2):
        assert packet.encode(b64=True) == "b" + base64.b64encode(b"\x00\x01").decode()
        assert packet.encode() == b"\x00\x01"


# The upgrade


async def test_what_was_queued_before_the_upgrade_goes_first_and_the_rest_stays_engineios() -> None:
    session = new_session(new_engine())
    post(session, "2[1]")
    await session.send(eio_packet.Packet(eio_packet.NOOP))
    await session.send(message("2[2]"))
    post(session, "51-[3]", b"bytes")
    line, socket = new_line(ledger=session.server.broadcast.ledger)
    upgrade(session, Found(line))
    post(session, "2[4]")
    await session.send(message("2[5]"))
    await turn()
    assert texts(socket) == ["42[1]", "42[2]", "451-[3]", "bytes", "42[4]", "42[5]"]
    assert queued(session) == ["6"]
    assert session.queued_bytes == 0


async def test_what_is_no_message_keeps_to_engineios_queue() -> None:
    """Its writer gives up a connection on which nothing comes by, so pings must."""
    session, _, socket, _ = opened(new_engine())
    for kind in (eio_packet.PING, eio_packet.NOOP, eio_packet.CLOSE):
        await session.send(eio_packet.Packet(kind))
    await turn()
    assert socket.writes == []
    assert queued(session) == ["2", "6", "1"]


@pytest.mark.parametrize("state", ["closing", "closed"])
async def test_a_session_that_is_over_takes_no_line(state: str) -> None:
    session = new_session(new_engine())
    setattr(session, state, True)
    line, _ = new_line()
    upgrade(session, Found(line))
    assert session.connection.line is None


async def test_a_session_without_a_line_sends_by_engineio() -> None:
    """Under another server than uvicorn."""
    session = new_session(new_engine())
    upgrade(session, Found(None))
    post(session, "2[1]")
    await session.send(message("2[2]"))
    assert [packet.encode() for packet in await session.poll()] == ["42[1]", "42[2]"]


async def test_messages_of_a_client_whose_connection_is_over_go_nowhere() -> None:
    session, _, socket, found = opened(new_engine())
    found.ended()
    post(session, "2[1]")
    await turn()
    assert socket.writes == []
    assert session.connection.line is None


# By engineio's way all the same


async def test_an_applications_own_queue_is_honoured() -> None:
    session, _, socket, _ = opened(new_engine(WithOwnQueues))
    post(session, "51-[1]", b"bytes")
    await session.send(message("2[2]"))
    await turn()
    assert socket.writes == []
    assert session.queue.maxsize == 100
    encoded = [packet.encode() for packet in await session.poll()]
    assert [part for part in encoded if part != "42[2]"] == ["451-[1]", b"bytes"]
    assert len(encoded) == 3


async def test_a_watched_connection_keeps_to_engineios_way() -> None:
    session = new_session(new_engine())
    line, socket = new_line()
    found = Found(line)
    found.is_watched = True
    upgrade(session, found)
    post(session, "2[1]")
    await turn()
    assert socket.writes == []
    assert session.connection.is_counted
    assert [packet.encode() for packet in await session.poll()] == ["42[1]"]


async def test_what_engineios_writer_sends_is_found_once_and_in_its_order() -> None:
    engine = new_engine()
    session = new_session(engine)
    line, _ = new_line()
    found = Found(line)
    found.is_watched = True
    upgrade(session, found)
    dispatches = [post(session, "51-[1]", b"bytes"), post(session, "2[1]"), post(session, "2[1]")]
    await session.send(eio_packet.Packet(eio_packet.PING))
    await session.poll()
    at = [(packet.dispatch, packet.index) for data in ("451-[1]", b"bytes", "42[1]") if (packet := found.find(data))]
    assert at == [(dispatches[0], 0), (dispatches[0], 1), (dispatches[1], 0)]
    assert found.find("something else") is None


async def test_the_queue_has_room_up_to_its_bound_and_whatever_is_alone_in_it() -> None:
    session = new_session(new_engine())
    large = "x" * 200_000
    assert session.enqueue(Dispatch([large], ()))
    assert not session.enqueue(Dispatch(["small"], ()))
    await session.poll()
    count = 0
    while session.enqueue(Dispatch(["small"], ())):
        count += 1
    assert session.queued_bytes <= SETTINGS.max_queued_bytes
    assert session.queue.qsize() == count > 10


# Its end


async def test_a_slow_reader_loses_what_is_queued_and_is_told_why() -> None:
    engine = new_engine()
    session, _, _, found = opened(engine)
    reasons: list[Any] = []

    async def disconnect(sid: str, reason: str) -> None:
        reasons.append((sid, reason))

    engine.on("disconnect", disconnect)
    await session.send(eio_packet.Packet(eio_packet.PING))
    session.close_slow()
    await turn()
    assert found.failed == [(1013, "reads too slowly")]
    assert session.queue.empty()
    assert session.closed
    assert reasons == [("one", engine.reason.TRANSPORT_ERROR)]


async def test_a_long_polling_client_that_does_not_poll_is_closed_too() -> None:
    session = new_session(new_engine())
    for _ in range(200):
        post(session, "x" * 1000)
    await turn()
    assert session.closed
    assert session.server.broadcast.slow_readers.closed_connections == 1


async def test_what_python_socketio_sends_by_itself_has_twice_the_room() -> None:
    """Answers are no messages that could be missed: the connection ends where nobody fetches them."""
    session = new_session(new_engine())
    count = 0
    while not session.closed:
        assert count < 1000
        await session.send(message("3" + "x" * 1000))
        await turn()
        count += not session.closed
    assert SETTINGS.max_queued_bytes < count * 2001 <= 2 * SETTINGS.max_queued_bytes


async def test_a_closed_session_takes_nothing_and_misses_nothing() -> None:
    session = new_session(new_engine())
    session.closed = True
    post(session, "2[1]")
    assert queued(session) == []
    assert session.server.broadcast.slow_readers.closed_connections == 0


async def test_the_end_of_a_session_ends_its_poll_or_cuts_its_connection() -> None:
    engine = new_engine()
    polling = new_session(engine, "polling")
    poll = asyncio.create_task(polling.poll())
    await turn()
    polling.end()
    assert await asyncio.wait_for(poll, 5) == []
    session, _, _, found = opened(engine)
    session.end()
    await turn()
    assert found.has_ended
    assert queued(session) == []


# Secrets


@contextmanager
def answering(secret: bool) -> Iterator[None]:
    token = is_secret.set(secret)
    yield
    is_secret.reset(token)


async def test_an_answer_to_a_secret_is_never_compressed_on_either_way() -> None:
    engine = new_engine(settings=Settings(coalesce_ms=0))
    polling, (session, line, socket, _) = new_session(engine, "polling"), opened(engine)
    reader = Reader()
    line.inflater = reader.inflater
    for is_clear in (False, True):
        with answering(is_clear):
            for each in (polling, session):
                await each.send(message('31["' + "sesame" * 15 + '"]'))
        await turn()
        reader.take(socket.writes[-1])
        assert reader.was_compressed[-1] is not is_clear
    parts = await polling.poll()
    assert [isinstance(part, QueuedPacket) and part.dispatch.is_secret for part in parts] == [False, True]
