"""One window for many connections: whatever is sent to whom, in whatever order it is taken, everybody can read it."""

import itertools
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from reznet_ws.deflate.window import (
    EPOCH_COST_BYTES,
    LEAST_GROUP,
    OWN_WINDOW_AFTER_BYTES,
    Figures,
    Inflater,
    SharedFrame,
    build_frame,
)
from reznet_ws.demo.workload import generate
from reznet_ws.message.packet import Message, pack
from reznet_ws.message.payload import PayloadOptimizer

FIGURES = Figures(15, 8)
RSV1 = 0x40


class Client:
    """A client's inflater, fed with whole frames as they leave the server."""

    def __init__(self) -> None:
        self.inflater = Inflater()
        self.received: list[bytes] = []
        self.sizes: list[int] = []
        self._queue: list[SharedFrame] = []
        self._decoder = zlib.decompressobj(wbits=-15)

    def enqueue(self, frame: SharedFrame) -> None:
        self._queue.append(frame)

    @property
    def is_up_to_date(self) -> bool:
        return not self._queue

    def drain(self) -> None:
        while self._queue:
            self.take(self._queue.pop(0))

    def take(self, frame: SharedFrame) -> None:
        wire = frame.take(self.inflater)
        self.sizes.append(len(wire))
        header = {126: 4, 127: 10}.get(wire[1], 2)
        payload = wire[header:]
        if wire[0] & RSV1:
            payload = self._decoder.decompress(payload + b"\x00\x00\xff\xff")
        self.received.append(payload)


def send(data: bytes, receivers: Sequence[Client], figures: Figures = FIGURES) -> SharedFrame:
    """As the server does: plan for those up to date, who write at once; the others queue."""
    frame = SharedFrame(Opcode.TEXT, data)
    ready = [client for client in receivers if client.is_up_to_date]
    frame.plan([client.inflater for client in ready], figures)
    for client in ready:
        client.take(frame)
    for client in receivers:
        if client not in ready:
            client.enqueue(frame)
    return frame


@pytest.fixture(scope="module")
def chat() -> list[bytes]:
    """The agents' traffic as it travels."""
    optimizer = PayloadOptimizer()
    return [
        pack([Message(m.event, (optimizer.encode(optimizer.encode_plain(m.data)),))], utf8=True).text.encode()
        for m in itertools.islice(generate(1, 20), 1500)
    ]


def text(number: int, size: int = 300) -> bytes:
    words = [f"message {number} {word} {number * word % 97}" for word in range(size // 16)]
    return " ".join(words).encode()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_everybody_reads_exactly_what_it_was_sent(data: st.DataObject) -> None:
    """Any audiences, newcomers, leavers, laggards, changed figures and sizes in between."""
    clients = [Client() for _ in range(data.draw(st.integers(1, 12), "clients"))]
    sent: dict[int, list[bytes]] = {id(client): [] for client in clients}
    everybody = list(clients)
    figures = FIGURES
    for number in range(data.draw(st.integers(1, 40), "steps")):
        match data.draw(
            st.sampled_from(["all", "all", "all", "some", "one", "join", "leave", "lag", "catch up", "figures"])
        ):
            case "join":
                clients.append(Client())
                everybody.append(clients[-1])
                sent[id(clients[-1])] = []
                continue
            case "leave" if len(clients) > 1:
                gone = clients.pop(data.draw(st.integers(0, len(clients) - 1)))
                gone.drain()
                gone.inflater.window = None
                continue
            case "lag":
                client = data.draw(st.sampled_from(clients))
                message = text(number)
                # Its socket is full: it queues although it is up to date.
                frame = SharedFrame(Opcode.TEXT, message)
                ready = [other for other in clients if other is not client and other.is_up_to_date]
                frame.plan([other.inflater for other in ready], figures)
                for other in clients:
                    sent[id(other)].append(message)
                    other.take(frame) if other in ready else other.enqueue(frame)
                continue
            case "catch up":
                data.draw(st.sampled_from(clients)).drain()
                continue
            case "figures":
                figures = data.draw(st.sampled_from([Figures(15, 8), Figures(9, 1), Figures(12, 5)]))
                continue
            case "some":
                receivers = data.draw(st.lists(st.sampled_from(clients), min_size=1, unique_by=id))
            case "one":
                receivers = [data.draw(st.sampled_from(clients))]
            case _:
                receivers = clients
        message = text(number, data.draw(st.sampled_from([16, 300, 3000, 20_000])))
        send(message, receivers, figures)
        for client in receivers:
            sent[id(client)].append(message)
    for client in everybody:
        client.drain()
        assert client.received == sent[id(client)]


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, unique=True), max_size=30))
@settings(deadline=None)
def test_a_window_knows_how_many_are_at_it(audiences: list[list[int]]) -> None:
    clients = [Client() for _ in range(6)]
    for number, audience in enumerate(audiences):
        send(text(number), [clients[index] for index in audience])
        windows = {client.inflater.window for client in clients} - {None}
        for window in windows:
            assert window is not None
            assert window.members == sum(client.inflater.window is window for client in clients)


def test_all_members_of_a_room_share_one_compressor_and_the_very_same_frame() -> None:
    clients = [Client() for _ in range(50)]
    for number in range(20):
        frame = send(text(number), clients)
        assert len({client.sizes[-1] for client in clients}) == 1
        assert len({client.inflater.window for client in clients}) == 1
    assert clients[0].sizes[-1] < len(frame.data) / 3


def test_a_late_joiner_reads_on_and_gets_in_step_once_that_is_worth_it(chat: list[bytes]) -> None:
    clients = [Client() for _ in range(10)]
    for number in range(20):
        send(chat[number], clients)
    joiner = Client()
    clients.append(joiner)
    number = 20
    while joiner.inflater.window is not clients[0].inflater.window or joiner.inflater.window is None:
        send(chat[number], clients)
        number += 1
    assert number > 25  # not at once: that would cost ten others more than it saves one
    assert joiner.received == chat[20:number]


@pytest.mark.parametrize(("receivers", "windows"), [(40, 2), (130, 4), (1000, 12)])
def test_late_joiners_gather_at_more_windows_the_larger_the_audience(
    chat: list[bytes], receivers: int, windows: int
) -> None:
    inflaters = [Inflater() for _ in range(receivers)]
    counts = []
    for data in chat[:40]:
        inflaters[:1] = []
        inflaters.append(Inflater())
        frame = SharedFrame(Opcode.TEXT, data)
        frame.plan(inflaters, FIGURES)
        for inflater in inflaters:
            frame.take(inflater)
        counts.append(len({inflater.window for inflater in inflaters} - {None}))
    assert max(counts) == windows


def test_a_small_private_message_leaves_everybody_in_step() -> None:
    clients = [Client() for _ in range(10)]
    send(text(0), clients)
    before = clients[3].inflater.window
    send(b"only for you", clients[3:4])
    assert clients[3].received[-1] == b"only for you"
    assert clients[3].sizes[-1] == len(b"only for you") + 2
    assert clients[3].inflater.window is before
    send(text(1), clients)
    assert len({client.inflater.window for client in clients}) == 1


def test_a_message_to_all_but_a_few_is_compressed_for_all_who_get_it() -> None:
    clients = [Client() for _ in range(50)]
    send(text(0), clients)
    send(text(1, 5000), clients[1:])
    assert clients[1].sizes[-1] < 2500
    assert clients[0].received == [text(0)]
    send(text(2), clients)
    assert clients[0].received == [text(0), text(2)]


def test_two_halves_that_get_different_messages_each_have_a_window() -> None:
    clients = [Client() for _ in range(2 * LEAST_GROUP)]
    left, right = clients[:LEAST_GROUP], clients[LEAST_GROUP:]
    send(text(0), clients)
    for number in range(1, 6):
        send(text(number), left)
        send(text(number + 100), right)
    assert len({client.inflater.window for client in left}) == 1
    assert len({client.inflater.window for client in right}) == 1
    assert left[0].inflater.window is not right[0].inflater.window
    assert sum(left[0].sizes) < sum(map(len, left[0].received)) / 2


def test_who_is_sent_much_by_itself_gets_a_window_of_its_own() -> None:
    clients = [Client() for _ in range(10)]
    send(text(0), clients)
    count = OWN_WINDOW_AFTER_BYTES // 500 + 5
    for number in range(count):
        send(text(number, 500), clients[:1])
    assert clients[0].sizes[-1] < clients[0].sizes[1] / 2
    assert clients[1].inflater.window is not clients[0].inflater.window


def test_a_secret_is_never_compressed_and_never_enters_a_window() -> None:
    clients = [Client() for _ in range(5)]
    send(text(0), clients)
    window = clients[0].inflater.window
    frame = SharedFrame(Opcode.TEXT, b"token " * 50)
    frame.must_stay_clear = True
    assert frame.clear == build_frame(Opcode.TEXT, b"token " * 50)
    assert clients[0].inflater.window is window


def test_a_stray_reader_of_the_wire_learns_nothing_of_what_it_was_not_sent() -> None:
    """The bytes of a message to others appear in no frame of the one left out, compressed against or not."""
    clients = [Client() for _ in range(20)]
    send(text(0), clients)
    send(b"the others' secret plan " * 20, clients[1:])
    send(b"the others' secret plan " * 20, clients)
    first_time, second_time = clients[0].sizes[-1], clients[1].sizes[-1]
    assert second_time < first_time  # the others have seen it: theirs refers to it, the first client's cannot


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_what_rfc_6455_says(size: int) -> None:
    frame = build_frame(Opcode.BINARY, b"x" * size)
    header = {0: b"\x82\x00", 125: b"\x82\x7d", 126: b"\x82\x7e\x00\x7e", 65_535: b"\x82\x7e\xff\xff"}
    assert frame == header.get(size, b"\x82\x7f" + (65_536).to_bytes(8)) + b"x" * size
    compressed = build_frame(Opcode.TEXT, b"x", compressed=True)
    assert compressed == b"\xc1\x01x"


def test_the_cost_of_a_new_beginning_is_of_the_size_that_the_policy_assumes(chat: list[bytes]) -> None:
    """What a new compressor costs until it is as good as the old one."""
    old, new, cost = FIGURES.deflater(), FIGURES.deflater(), 0
    for number, message in enumerate(chat):
        took = len(old.compress(message) + old.flush(zlib.Z_SYNC_FLUSH))
        if number >= 500:
            cost += len(new.compress(message) + new.flush(zlib.Z_SYNC_FLUSH)) - took
    assert EPOCH_COST_BYTES / 2 < cost < EPOCH_COST_BYTES * 2
