"""Whatever happens in whatever order: everybody gets exactly its messages, once, in order, and nothing of others'."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from outgoing.receiving import CLOSE, GOODBYE, PARAGRAPHS, PING, SECRET, Client, Granted, Item
from socketio.packet import ACK, Packet

from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.settings import Latest, Settings

# Window bits, takeover, whether permessage-deflate was offered at all.
OFFERS = [*[(15, True, True)] * 6, (9, True, True), (12, True, True), (15, False, True), (15, True, False)]
# A client is granted its format in each namespace that it is in.
BOTH = frozenset({"/", "/chat"})
FORMATS = [Granted(), Granted(short=BOTH), Granted(rows=BOTH)]
SETTINGS = Settings(
    never_compress=frozenset({"secret"}),
    batch=True,
    batch_window_ms=1,
    batch_max_messages=4,
    batch_events=frozenset({"agent_status", "price"}),
    latest=(Latest("price", "symbol"), Latest("secret")),
    max_queued_bytes=150_000,
)
SWITCHES = (
    *("deflate", "deflate_shared", "deflate_takeover", "abbreviate", "utf8", "batch", "gzip", "rows"),
    "skip_slow_readers",
)
CHANGES: list[dict[str, Any]] = [
    *({name: value} for name in SWITCHES for value in (False, True)),
    *({"deflate_window_bits": bits} for bits in (9, 12, 15)),
    *({"deflate_mem_level": level} for level in (1, 9)),
    *({"deflate_kept_bytes": size} for size in (0, 200_000)),
    *({"coalesce_ms": most_ms} for most_ms in (0, 50)),
    {"gzip": True, "gzip_threshold_bytes": 100, "gzip_max_ratio": 1.0},
    {"max_queued_bytes": 65_536},
    {"deflate_threshold_bytes": 0},
]
# Beside the largest packet and what the settings allow: headers, pings, and what deflate adds to what it cannot shrink.
SLACK_BYTES = 2000

events = st.sampled_from(
    ["message_new", "agent_status", "agent_status", "price", "price", "picture", "several", "odd", "secret"]
)
texts = st.lists(st.integers(0, len(PARAGRAPHS) - 1), max_size=3)
namespaces = st.sampled_from(["/", "/", "/", "/chat"])
indexes = st.integers(0, 15)


class Road(Broadcast):
    """Remembers who missed what."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)
        self.missed: list[tuple[Connection, Dispatch]] = []

    def miss(self, connection: Connection, dispatch: Dispatch) -> None:
        self.missed.append((connection, dispatch))
        super().miss(connection, dispatch)


class Deliveries(RuleBasedStateMachine):
    """One server's way out, from the message to the bytes on each connection, under every kind of disturbance."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.road = Road()
        self.clients: list[Client] = []
        # Those who got all, and those who were cut off in the midst of it.
        self.left: list[Client] = []
        self.cut: list[Client] = []
        self.rooms: dict[str, list[Client]] = {"a": [], "b": []}
        self.count = self.largest_bytes = 0
        # Of those of which only the newest counts: what each is about, and for whom.
        self.about: dict[Item, Any] = {}

    def teardown(self) -> None:
        for client in self.clients:
            self.resume(client)
            self.run(client.poll)
        self.run(self.road.close)
        for client in self.clients:
            client.poll()
        self.left += self.clients
        self.check()
        self.loop.close()

    def run(self, act: Callable[[], object], wait_s: float = 0.0) -> None:
        """In the loop; then let the loop have a turn. Who turned out to be slow is cut off."""

        async def acting() -> None:
            act()
            await asyncio.sleep(wait_s)

        self.loop.run_until_complete(acting())
        while slow := next((client for client in self.clients if client.session.is_slow), None):
            assert slow.line is not None
            slow.line.give_up(GOODBYE)
            self.cut_off(slow)

    def check(self) -> None:
        """The laws, for all who were ever there."""
        deliveries: Counter[str] = Counter()
        event_bytes = event_frames = sent_bytes = dropped = 0
        everybody = [*self.left, *self.cut]
        for client in everybody:
            client.read()
            dropped += self.compare(client, is_whole=client not in self.cut)
            deliveries += client.deliveries
            event_bytes += client.event_bytes
            event_frames += client.event_frames
            sent_bytes += len(client.socket.written)
        rows = self.road.ledger.rows()
        assert {event: row.deliveries for event, row in rows.items() if row.deliveries} == deliveries
        assert sum(row.wire_bytes for row in rows.values()) == event_bytes
        assert sum(row.frames for row in rows.values()) == event_frames
        assert self.road.ledger.sent_bytes == sent_bytes
        missed = sum(len(dispatch.shares) for connection, dispatch in self.road.missed if not self.was_cut(connection))
        assert missed <= self.road.slow_readers.skipped_messages
        if not self.cut and not self.road.missed:
            assert dropped == self.road.conflated.messages

    def was_cut(self, connection: Connection) -> bool:
        return any(client.connection is connection for client in self.cut)

    def compare(self, client: Client, *, is_whole: bool) -> int:
        """Hold what came against what it was sent, but for what it missed and what gave way; how many these were."""
        received = client.received[:-1] if CLOSE in client.received[-1:] else client.received
        expected, missed = list(client.expected), 0
        for connection, dispatch in self.road.missed:
            if connection is not client.connection:
                continue
            if client.granted.rows:
                missed += len(dispatch.shares)  # what a row was of is not known without those before it
                continue
            for item in client.items_of(dispatch) if dispatch.shares else ():
                if item in expected:
                    expected.remove(item)
        came = dropped = 0
        newest = {self.about.get(item): number for number, item in enumerate(client.expected)}
        for item in expected:
            if received[came : came + 1] == [item]:
                came += 1
            elif came == len(received) and not is_whole:
                break
            elif item in self.about and client.expected.index(item) < newest[self.about[item]]:
                dropped += 1
            else:
                assert missed, f"{item} did not come, but {received[came : came + 1]}"
                missed -= 1
        assert came == len(received), f"{received[came]} came"
        return dropped

    # Who is there

    def join(self, offer: tuple[int, bool, bool], granted: Granted, has_line: bool) -> Client:
        self.count += 1
        client = Client(self.road, f"sid{self.count}", offer, granted)
        if has_line:
            self.run(client.upgrade)
        self.clients.append(client)
        return client

    kinds = st.tuples(st.sampled_from(OFFERS), st.sampled_from(FORMATS), st.sampled_from([True, True, True, False]))

    @initialize(kinds=st.lists(kinds, min_size=6, max_size=12), split=st.integers(2, 6))
    def open(self, kinds: list[tuple[tuple[int, bool, bool], Granted, bool]], split: int) -> None:
        for number, kind in enumerate(kinds):
            self.rooms["ab"[number % split < split // 2]].append(self.join(*kind))

    @rule(kind=kinds, rooms=st.sets(st.sampled_from("ab")))
    def comes(self, kind: tuple[tuple[int, bool, bool], Granted, bool], rooms: set[str]) -> None:
        if len(self.clients) < 16:
            client = self.join(*kind)
            for room in rooms:
                self.rooms[room].append(client)

    def forget(self, client: Client) -> None:
        self.clients.remove(client)
        for members in self.rooms.values():
            if client in members:
                members.remove(client)

    def cut_off(self, client: Client) -> None:
        """Its connection is lost."""
        self.forget(client)
        self.cut.append(client)

        def lose() -> None:
            self.road.close_line(client.connection)
            if client.line is not None:
                self.road.lose_line(client.line)
            self.road.forget(client.connection)

        self.run(lose)

    @precondition(lambda self: len(self.clients) > 3)
    @rule(index=indexes, message=st.booleans())
    def is_lost(self, index: int, message: bool) -> None:
        """Perhaps with what waits on its line."""
        if message:
            self.send("message_new", [1], "/", self.clients, turn=False)
        self.cut_off(self.client(index))

    @precondition(lambda self: len(self.clients) > 3)
    @rule(index=indexes)
    def goes(self, index: int) -> None:
        self.send_away(self.client(index))

    def send_away(self, client: Client) -> None:
        """By the server: with all that it was sent before."""
        line = client.line

        def leave() -> None:
            self.road.finish([client.connection])
            client.poll()
            self.road.forget(client.connection)
            if line is not None:
                line.close()

        self.run(leave)
        if client not in self.clients:
            return  # it turned out to be slow
        self.resume(client)
        self.run(lambda: line is None or self.road.lose_line(line))
        self.forget(client)
        self.left.append(client)

    @rule(index=indexes)
    def upgrades(self, index: int) -> None:
        client = self.client(index)
        if client.line is None:
            self.run(client.upgrade)

    @rule(index=indexes)
    def polls(self, index: int) -> None:
        self.client(index).poll()

    @rule(index=indexes, room=st.sampled_from("ab"))
    def changes_rooms(self, index: int, room: str) -> None:
        client, members = self.client(index), self.rooms[room]
        members.remove(client) if client in members else members.append(client)

    def client(self, index: int) -> Client:
        return self.clients[index % len(self.clients)]

    # Who can be written to

    @rule(index=indexes)
    def stalls(self, index: int) -> None:
        if (line := self.client(index).line) is not None:
            self.run(line.pause)

    @rule(index=indexes, size=st.sampled_from([1, 500, 20_000]))
    def takes_some(self, index: int, size: int) -> None:
        """And then no more; what comes goes behind what is still queued."""
        client = self.client(index)
        client.socket.pauses_at = size
        if client.line is not None:
            self.run(client.line.resume)

    @rule(index=indexes)
    def resumes(self, index: int) -> None:
        self.resume(self.client(index))

    def resume(self, client: Client) -> None:
        client.socket.pauses_at = None
        if client.line is not None:
            self.run(client.line.resume)

    @precondition(lambda self: len(self.clients) > 3)
    @rule(index=indexes, paragraphs=texts, times=st.sampled_from([2, 9]), then=st.sampled_from(["", "goes", "takes"]))
    def is_overrun(self, index: int, paragraphs: list[int], times: int, then: str) -> None:
        """By what only the newest counts of, and by what must come between."""
        client = self.client(index)
        if client.line is None:
            return
        self.run(client.line.pause)
        for _ in range(times):
            for event in ("price", "message_new"):
                if client in self.clients:
                    self.send(event, paragraphs, "/", self.clients if event == "price" else [client], event)
        if client in self.clients and then == "goes":
            self.send_away(client)
        elif client in self.clients and then == "takes":
            client.socket.pauses_at = 1
            self.run(client.line.resume)

    @rule()
    def time_passes(self) -> None:
        self.run(lambda: None, 0.003)

    # What is sent

    def message(self, event: str, paragraphs: list[int]) -> list[Any]:
        self.count += 1
        content = " ".join(PARAGRAPHS[number] for number in paragraphs)
        match event:
            case "picture":
                return [{"order": self.count, "picture": content.encode() * 9}, b"", b"small"]
            case "several":
                return [self.count, content, None, {"message_id": [content]}]
            case "odd":
                return [{"mid": self.count, "~mid": content, "_v": 2, "gz": None, "created_at": "never"}]
            case "secret":
                return [{"token": self.count, "content": SECRET * 9}, SECRET.encode()]
            case "price":
                return [{"symbol": "ABC"[self.count % 3], "price": self.count, "note": content[:500]}]
            case "agent_status":
                return [{"agent_id": self.count, "status": content[:200]}]
        return [{"message_id": self.count, "content": content, "created_at": "2025-10-25T12:00:00.000Z"}]

    def send(
        self,
        event: str,
        paragraphs: list[int],
        namespace: str,
        receivers: Sequence[Client],
        key: str | None = None,
        *,
        turn: bool = True,
    ) -> None:
        args = self.message(event, paragraphs)
        self.note(args)
        item = (namespace, None, event, repr(args))
        for client in receivers:
            client.expected.append(item)
        about = (namespace, key, tuple(client.connection.sid for client in receivers if key is None))
        latest = self.road.latest_keys.key(event, args, about)
        if latest is not None:
            self.about[item] = latest
        audience = self.road.connections.audience(
            [client.connection.sid for client in receivers], namespace, key and (namespace, key)
        )
        if turn:
            self.run(lambda: self.road.emit(event, args, namespace, audience, latest=latest))
        else:

            async def emit() -> None:
                self.road.emit(event, args, namespace, audience, latest=latest)

            self.loop.run_until_complete(emit())

    def note(self, args: Any) -> None:
        self.largest_bytes = max(self.largest_bytes, 2 * len(json.dumps(args, default=lambda data: "x" * len(data))))

    @rule(event=events, paragraphs=texts, namespace=namespaces, times=st.sampled_from([1, 1, 2, 5, 12]))
    def emits_to_all(self, event: str, paragraphs: list[int], namespace: str, times: int) -> None:
        for _ in range(times):
            self.send(event, paragraphs, namespace, self.clients, "everybody")

    @rule(
        event=events,
        paragraphs=texts,
        namespace=namespaces,
        room=st.sampled_from("ab"),
        times=st.sampled_from([1, 2, 6]),
    )
    def emits_to_a_room(self, event: str, paragraphs: list[int], namespace: str, room: str, times: int) -> None:
        for _ in range(times):
            self.send(event, paragraphs, namespace, self.rooms[room], room)

    @rule(event=events, paragraphs=texts, skipped=st.sets(indexes, max_size=4))
    def emits_to_all_but_some(self, event: str, paragraphs: list[int], skipped: set[int]) -> None:
        receivers = [client for index, client in enumerate(self.clients) if index not in skipped]
        self.send(event, paragraphs, "/", receivers)

    @rule(event=events, paragraphs=texts, index=indexes, times=st.sampled_from([1, 2, 6]))
    def emits_to_one(self, event: str, paragraphs: list[int], index: int, times: int) -> None:
        client = self.client(index)
        for _ in range(times):
            if client in self.clients:
                self.send(event, paragraphs, "/", [client])

    @rule(event=events, paragraphs=texts, namespace=namespaces, index=indexes)
    def asks(self, event: str, paragraphs: list[int], namespace: str, index: int) -> None:
        client, args = self.client(index), self.message(event, paragraphs)
        self.note(args)
        client.expected.append((namespace, self.count, event, repr(args)))
        self.run(lambda: self.road.emit_asking(event, args, namespace, client.connection, self.count))

    @rule(paragraphs=texts, index=indexes, is_secret=st.booleans())
    def acknowledges(self, paragraphs: list[int], index: int, is_secret: bool) -> None:
        """What is no event, as python-socketio sends it by itself."""
        client = self.client(index)
        args = [*self.message("several", paragraphs), SECRET if is_secret else None]
        self.note(args)
        client.expected.append(("/", self.count, None, repr(args)))
        encoded = Packet(ACK, args, "/", self.count).encode()

        def send() -> None:
            self.road.flush([client.connection])
            self.road.send(client.connection, [encoded], is_secret=is_secret)

        self.run(send)

    @rule(paragraphs=texts, index=indexes)
    def pings_behind_a_message(self, paragraphs: list[int], index: int) -> None:
        """In the same turn of the loop: what waits on the line goes first, but for what is held back for its client."""
        client = self.client(index)
        self.send("message_new", paragraphs, "/", [client], turn=False)
        line = client.line
        if line is not None and client in self.clients and not client.session.is_slow and not line.postponed_bytes:
            client.expected.append(PING)
            line.write(bytes((0x80 | PING, 0)))
        self.run(lambda: None)

    # What is switched

    @rule(changes=st.sampled_from(CHANGES))
    def switches(self, changes: dict[str, Any]) -> None:
        self.switch(self.road.settings.replace(**changes))

    @rule()
    def switches_back(self) -> None:
        self.switch(SETTINGS)

    def switch(self, settings: Settings) -> None:
        self.run(lambda: setattr(self.road, "settings", settings))

    @rule(texts=st.lists(texts, min_size=1, max_size=2))
    def shares_no_longer_for_a_while(self, texts: list[list[int]]) -> None:
        before = self.road.settings
        for is_shared in (False, True, False):
            self.switch(before.replace(deflate_shared=is_shared))
            for paragraphs in texts:
                self.send("message_new", paragraphs, "/", self.clients, "everybody")
        self.switch(before)

    # What holds at any time

    @invariant()
    def queues_are_bounded(self) -> None:
        held = {id(frame): frame for client in self.clients if client.line for frame in client.line.queued or ()}
        queued_bytes = sum(frame.size_bytes for frame in held.values())
        postponed = [client.line.postponed_bytes for client in self.clients if client.line]
        assert queued_bytes + max(postponed, default=0) <= self.road.budget.held_bytes <= queued_bytes + sum(postponed)
        for client in self.clients:
            line = client.line
            if line is not None:
                assert line.queued_bytes == sum(len(frame.wire) for frame in line.queued or ())
                assert line.backlog_bytes <= max(self.largest_bytes, SETTINGS.max_queued_bytes) + SLACK_BYTES

    @rule()
    def all_that_came_is_right_so_far(self) -> None:
        for client in self.clients:
            client.read()
            self.compare(client, is_whole=False)


Deliveries.TestCase.settings = hypothesis.settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


class TestDeliveries(Deliveries.TestCase):  # type: ignore[name-defined,misc]
    """Run by pytest."""
