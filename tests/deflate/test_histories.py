"""Whatever is sent to whom: everybody can read it, from its own messages alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from deflate.reader import Reader, send
from deflate.texts import text
from hypothesis import given, settings
from hypothesis import strategies as st

from reznet_ws.deflate.frame import BINARY, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.settings import Settings

CHANGES = [
    {"deflate": False},
    {"deflate_shared": False},
    {"deflate_takeover": False},
    {"deflate_takeover": False, "deflate_threshold_bytes": 0},
    {"deflate_window_bits": 9},
    {"deflate_window_bits": 12, "deflate_mem_level": 1},
    {"deflate_window_bits": 13},
    {"deflate_mem_level": 9},
    {"deflate_kept_bytes": 0},
    {"deflate_kept_bytes": 200_000},
]


OFFERS = [(15, True, True)] * 6 + [(9, True, True), (12, True, True), (15, False, True), (15, True, False)]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_everybody_reads_exactly_what_it_was_sent(data: st.DataObject) -> None:
    """Any audiences, clients that join, leave and promise little, secrets, changed settings and sizes in between."""
    histories = Histories()
    clients = [Reader() for _ in range(data.draw(st.integers(1, 8), "clients"))]
    now = Settings(deflate_kept_bytes=data.draw(st.sampled_from([0, 100_000, 1_000_000])))
    for number in range(data.draw(st.integers(1, 40), "steps")):
        match data.draw(st.sampled_from(["all", "all", "some", "rest", "one", "one", "join", "leave", "switch"])):
            case "join":
                bits, takeover, offers = data.draw(st.sampled_from(OFFERS))
                clients.append(Reader(bits, takeover=takeover, offers=offers))
                continue
            case "leave" if len(clients) > 1:
                gone = clients.pop(data.draw(st.integers(0, len(clients) - 1)))
                if gone.inflater is not None:
                    histories.leave(gone.inflater)
                continue
            case "switch":
                now = now.replace(**data.draw(st.sampled_from([{}, *CHANGES]))) if number % 2 else Settings()
                continue
            case "some":
                receivers = data.draw(st.lists(st.sampled_from(clients), min_size=1, unique_by=id))
            case "rest":
                left_out = data.draw(st.sampled_from(clients))
                receivers = [client for client in clients if client is not left_out]
            case "one":
                receivers = [data.draw(st.sampled_from(clients))]
            case _:
                receivers = clients
        message = text(
            number % 20, data.draw(st.sampled_from([0, 16, 16, 300, 300, 300, 300, 3000, 3000, 3000, 3000, 40_000]))
        )
        is_secret = data.draw(st.integers(0, 9)) == 0
        send(histories, message, receivers, now, opcode=data.draw(st.sampled_from([1, BINARY])), secret=is_secret)
        if is_secret:
            assert not any(client.was_compressed[-1] for client in receivers)
        holds_what_it_says(histories, clients)
    for client in clients:
        if client.inflater is not None:
            histories.leave(client.inflater)
    figures = histories.figures()
    assert (figures.connections, figures.histories, figures.text_bytes) == (0, 0, 0)
    assert (figures.kept_compressors, figures.kept_bytes) == (0, 0)


def holds_what_it_says(histories: Histories, clients: Sequence[Reader]) -> None:
    """Every history knows its members and holds no more than a window can reach."""
    held = [client.inflater.history for client in clients if client.inflater is not None]
    distinct = {history for history in held if history is not None}
    for history in distinct:
        assert history.members == held.count(history)
        assert history.text_bytes == sum(map(len, history.messages))
        assert history.text_bytes - len(history.messages[0]) < 1 << history.bits if history.messages else True
    figures = histories.figures()
    assert figures.histories == len(distinct)
    assert figures.connections == sum(history.members for history in distinct)
    assert figures.kept_bytes == sum(h.compressor.memory_bytes for h in distinct if h.compressor is not None)


def test_one_room_has_one_history_and_one_compression_of_each_message(chat: list[bytes]) -> None:
    histories = Histories()
    clients = [Reader() for _ in range(50)]
    for message in chat[:100]:
        assert send(histories, message, clients) == 1
    figures = histories.figures()
    assert (figures.histories, figures.largest_share, figures.compressions) == (1, 50, 100)
    assert sum(clients[0].wire_bytes) < 0.8 * sum(clients[0].stock_bytes)


def test_newcomers_gather_by_themselves(chat: list[bytes]) -> None:
    """One in a hundred replaced with every second message: few compressions, and all are at one once it ends."""
    histories = Histories()
    clients = [Reader() for _ in range(100)]
    for message in chat[:100]:
        send(histories, message, clients)
    took = []
    for number in range(100, 400):
        if number % 2:
            gone = clients.pop(0).inflater
            assert gone is not None
            histories.leave(gone)
            clients.append(Reader())
        took.append(send(histories, chat[number], clients))
    assert sum(took) / len(took) < 12
    for message in chat[400:700]:
        send(histories, message, clients)
    assert histories.figures().histories == 1


def test_a_lone_reader_gets_its_first_message_compressed_as_anybody(chat: list[bytes]) -> None:
    histories, alone = Histories(), Reader()
    send(histories, text(1, 1000), [alone])
    assert alone.was_compressed == [True]
    assert alone.wire_bytes[0] <= alone.stock_bytes[0]


def test_a_message_to_one_leaves_the_others_where_they_are() -> None:
    histories = Histories()
    clients = [Reader() for _ in range(10)]
    send(histories, text(0), clients)
    assert clients[0].inflater is not None
    before = clients[0].inflater.history
    send(histories, text(1), clients[3:4])
    assert clients[0].inflater.history is before
    assert histories.figures().largest_share == 9
    assert send(histories, text(2), clients) == 2


def test_what_the_others_were_sent_is_referred_to_in_their_frames_alone() -> None:
    histories = Histories()
    clients = [Reader() for _ in range(20)]
    send(histories, text(0), clients)
    for _ in range(2):
        send(histories, b"the others' secret plan " * 20, clients[1:])
    send(histories, b"the others' secret plan " * 20, clients)
    assert clients[1].wire_bytes[-1] < clients[0].wire_bytes[-1]


def test_a_secret_travels_clear_and_enters_no_history() -> None:
    histories, client = Histories(), Reader()
    for number in range(3):
        send(histories, b"token " * 50, [client], secret=True)
        assert histories.figures().text_bytes == 0
        assert client.wire_bytes[-1] == 304, number
    send(histories, b"token " * 50, [client])
    assert client.was_compressed == [False, False, False, True]


def idle(histories: Histories, messages: int) -> None:
    other = Reader()
    for number in range(messages):
        send(histories, text(number % 7), [other])


def test_compressors_are_kept_within_the_budget_and_not_for_the_idle() -> None:
    histories, now = Histories(), Settings(deflate_kept_bytes=300_000)
    pairs = [[Reader(), Reader()] for _ in range(30)]
    for number in range(300):
        send(histories, text(number), pairs[number % 30], now)
        assert histories.figures().kept_bytes <= 300_000
    assert histories.figures().kept_compressors > 0
    send(histories, text(0), pairs[0], now.replace(deflate_kept_bytes=0))
    assert histories.figures().kept_compressors == 0
    send(histories, text(0), pairs[0])
    assert histories.figures().kept_compressors == 1
    idle(histories, 1100)
    assert histories.figures().kept_compressors == 0
    inflater = pairs[0][0].inflater
    assert inflater is not None
    assert inflater.history is not None
    assert inflater.history.compressor is None


def test_more_streams_than_compressors_do_not_push_one_another_out() -> None:
    """Each in its turn, the least recently used is always the next: the kept ones stay, and are used."""
    histories, now = Histories(), Settings(deflate_kept_bytes=300_000)
    pairs = [[Reader(), Reader()] for _ in range(30)]
    kept = []
    for number in range(600):
        send(histories, text(number), pairs[number % 30], now)
        histories_of = [pair[0].inflater.history for pair in pairs if pair[0].inflater is not None]
        kept.append({id(history) for history in histories_of if history is not None and history.compressor})
    assert kept[-1] == kept[-100] != set()


@pytest.mark.parametrize(("streams", "is_kept"), [(16, True), (17, False)])
def test_one_alone_has_a_compressor_kept_only_among_few(streams: int, is_kept: bool) -> None:
    histories = Histories()
    clients = [Reader() for _ in range(streams)]
    send(histories, text(0), clients)
    for number in range(3 * streams):
        send(histories, text(number), [clients[number % streams]])
    kept = [client.inflater.history.compressor for client in clients if client.inflater and client.inflater.history]
    assert len(kept) == streams
    # What was in step with all goes on with the last of them.
    assert (sum(compressor is not None for compressor in kept) > 1) == is_kept


def test_a_history_holds_the_very_messages_and_no_more_than_its_window_needs() -> None:
    histories = Histories()
    room, alone = [Reader(), Reader(), Reader()], Reader()
    frames = [Frame(1, text(number, 1000)) for number in range(60)]
    for frame in frames:
        histories.frames(frame, room, Settings())
        histories.frames(frame, [alone], Settings())
    assert room[0].inflater is not None
    assert alone.inflater is not None
    for history, most in ((room[0].inflater.history, 32_768), (alone.inflater.history, 16_384)):
        assert history is not None
        assert most <= history.text_bytes < most + 1200
        assert all(message is frame.data for message, frame in zip(history.messages[::-1], frames[::-1], strict=False))


def test_a_message_larger_than_any_window_is_cut_once_for_all() -> None:
    histories = Histories()
    clients = [Reader() for _ in range(4)]
    for number in range(4):
        send(histories, text(number), clients[number:])
    send(histories, text(9, 100_000), clients)
    assert histories.figures().text_bytes == 32_768


def test_nothing_is_referred_to_once_a_connection_is_gone() -> None:
    histories, client = Histories(), Reader()
    send(histories, text(1), [client])
    assert client.inflater is not None
    histories.leave(client.inflater)
    histories.leave(client.inflater)
    send(histories, text(1), [client])
    assert client.was_compressed == [True, False]
    assert histories.figures().connections == 0


def test_who_is_sent_the_same_one_by_one_shares_each_compression() -> None:
    histories, clients = Histories(), [Reader() for _ in range(10)]
    frames = [Frame(1, text(number)) for number in range(40)]
    for place in range(0, len(frames), 2):
        for client in clients:
            for frame in frames[place : place + 2]:
                client.take(histories.frame_for_one(frame, client, Settings()))
    assert all(client.received == [frame.data for frame in frames] for client in clients)
    assert (histories.figures().compressions, histories.figures().histories) == (40, 1)
    assert sum(clients[9].wire_bytes) <= sum(clients[9].stock_bytes)


@given(st.data())
@settings(deadline=None)
def test_everybody_reads_what_it_is_sent_one_by_one_whoever_is_behind(data: st.DataObject) -> None:
    histories, everybody = Histories(), [Reader() for _ in range(3)]
    due: dict[Reader, list[Frame]] = {client: [] for client in everybody}
    sent: dict[Reader, list[bytes]] = {client: [] for client in everybody}
    now = Settings()
    for number in range(data.draw(st.integers(1, 40))):
        client = data.draw(st.sampled_from(everybody))
        match data.draw(st.sampled_from(["emit", "serve", "serve", "serve", "road", "join", "switch"])):
            case "emit":
                frame = Frame(1, text(number), is_secret=data.draw(st.integers(0, 9)) == 0)
                for one in everybody:
                    due[one].append(frame)
            case "serve" if due[client]:
                frame = due[client].pop(0)
                sent[client].append(frame.data)
                client.take(histories.frame_for_one(frame, client, now))
            case "road":
                send(histories, text(number), [client], now)
                sent[client].append(text(number))
            case "join" if len(everybody) < 6:
                bits, takeover, offers = data.draw(st.sampled_from(OFFERS))
                everybody.append(Reader(bits, takeover=takeover, offers=offers))
                due[everybody[-1]], sent[everybody[-1]] = [], []
            case "switch":
                now = Settings(**data.draw(st.sampled_from([{}, *CHANGES])))
    assert all(client.received == sent[client] for client in everybody)
    connections = sum(client.inflater is not None and client.inflater.history is not None for client in everybody)
    assert histories.figures().connections == connections


def test_nobody_is_home() -> None:
    assert Histories().frames(Frame(1, b"x"), [], Settings()) == []
