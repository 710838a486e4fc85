"""MessagePack, shapes known beforehand and kept snapshots by computation: what each leaves, with and without deflate.

In: messages in their order. Out: WebSocket frames in bytes, headers included, as shares of the same messages as text.
Never: opens a socket, or estimates: every frame is made, and compressed as one connection would be sent it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgpack

from benchmarks.emissions import RecordedEvent
from benchmarks.results_report import markdown_table
from benchmarks.rows_bytes import packet_of
from reznet_ws.demo.workload import MIXES
from reznet_ws.message.message_pack import encode as pack
from reznet_ws.message.rows import begin, encode
from reznet_ws.message.rows_state import RowsState
from reznet_ws.message.rows_text import take_apart
from reznet_ws.replay.one_window import bare_sizes, deflated_sizes
from reznet_ws.replay.trace import record
from reznet_ws.replay.window_bytes import geometric_mean

FIRST = (1, 5, 20, 100)
_STREAMS = 4
# Of a seed that none of the streams has, and so many shapes as an application would write down.
_LEARNED_SEED, _LEARNED_MESSAGES, _LEARNED_SHAPES = 99, 1000, 40
# What the line says that names them, in place of `"`.
_NAME = "abcd"

# What a leaf is before anything is known of it, by its first character.
_EMPTY = {'"': '""', **dict.fromkeys("-0123456789", "0")}

_Frames = list["str | bytes"]
WAYS: Mapping[str, Callable[[list[str], Sequence[RecordedEvent]], _Frames]] = {
    "format m": lambda packets, _: [pack([packet]) or packet for packet in packets],
    "socket.io-msgpack-parser": lambda _, emissions: [
        msgpack.packb({"type": 2, "data": [one.event, one.data], "options": {"compress": True}, "nsp": "/"})
        for one in emissions
    ],
    "rows": lambda packets, _: list(_as_rows(packets, begin())),
}


@dataclass(frozen=True, slots=True)
class FormatBytes:
    """Of one source. Shares of what the same packets take as text: by way, bare and behind one window."""

    messages: int
    packed_messages: int
    bare: Mapping[str, float]
    deflated: Mapping[str, float]


def compute_formats(emissions: Sequence[RecordedEvent]) -> FormatBytes:
    """All ways over one source."""
    packets = [packet_of(one) for one in emissions]
    bare, deflated = sum(bare_sizes(packets)), sum(deflated_sizes(packets))
    frames = {way: make(packets, emissions) for way, make in WAYS.items()}
    return FormatBytes(
        len(packets),
        sum(isinstance(frame, bytes) for frame in frames["format m"]),
        {way: sum(bare_sizes(made)) / bare for way, made in frames.items()},
        {way: sum(deflated_sizes(made)) / deflated for way, made in frames.items()},
    )


def known_shapes(packets: Sequence[str]) -> RowsState:
    """What rows would begin with if both sides knew an application's shapes: the most frequent, with empty leaves."""
    counts: Counter[str] = Counter()
    for packet in packets:
        parts = take_apart(packet)
        if parts is not None:
            empty = [_EMPTY.get(leaf[0], leaf) for leaf in parts.leaves]
            pieces = iter(parts.pieces)
            counts[parts.head + next(pieces) + "".join(leaf + next(pieces) for leaf in empty)] += 1
    state = begin()
    for packet, _ in counts.most_common(_LEARNED_SHAPES):
        state = encode(state, packet).state or state
    return RowsState(state.shapes, {}, state.kept_chars, None, False)


def compute_first(mix: str) -> dict[int, tuple[float, float]]:
    """What rows with known shapes take of rows without, for the first so many messages: bare, and behind a window.

    Both sides know the shapes already; a line names them. The geometric mean over streams of other seeds.
    """
    known = known_shapes(_stream(mix, _LEARNED_MESSAGES, _LEARNED_SEED))
    streams = [_stream(mix, FIRST[-1], seed) for seed in range(1, _STREAMS + 1)]
    shares = {}
    for count in FIRST:
        bare, deflated = [], []
        for packets in (stream[:count] for stream in streams):
            without = list(_as_rows(packets, begin()))
            first, *rest = _as_rows(packets, known)
            with_known = [f'"{_NAME}\n{first}', *rest]
            bare.append(sum(bare_sizes(with_known)) / sum(bare_sizes(without)))
            deflated.append(sum(deflated_sizes(with_known)) / sum(deflated_sizes(without)))
        shares[count] = geometric_mean(bare), geometric_mean(deflated)
    return shares


def write_formats_report(sources: Mapping[str, Sequence[RecordedEvent]], told: Callable[[str], None]) -> str:
    """Tables as Markdown."""
    results = {}
    for name, emissions in sources.items():
        told(name)
        results[name] = compute_formats(emissions)
    head = ["source", "messages", "packed", *(f"{way}{where}" for way in WAYS for where in ("", ", behind"))]
    rows = [[name, str(one.messages), str(one.packed_messages), *_shares(one)] for name, one in results.items()]
    means = [
        geometric_mean([getattr(one, which)[way] for one in results.values()])
        for way in WAYS
        for which in ("bare", "deflated")
    ]
    rows.append(["geometric mean", "", "", *(f"{mean:.3f}" for mean in means)])
    first_rows = []
    for mix in MIXES:
        told(f"{mix}: first messages")
        first_rows.append([mix, *(f"{bare:.2f} · {deflated:.2f}" for bare, deflated in compute_first(mix).values())])
    lines = [
        "## MessagePack, computed",
        "",
        "Bytes of WebSocket frames, headers included; the same events as text = 1. Behind: behind one 15-bit window at",
        "level 6, and so is the text. Packed: how many are MessagePack; the others would have been no shorter.",
        "",
        *markdown_table([head, *rows]),
        "",
        "## Rows whose shapes both sides know beforehand, computed",
        "",
        "The first messages of a connection, rows that learn them = 1; bare · behind a window of its own. Shapes:",
        f"the {_LEARNED_SHAPES} most frequent of another seed; what a client is given to know them is not in it.",
        "",
        *markdown_table([["mix", *(f"first {count}" for count in FIRST)], *first_rows]),
    ]
    return "\n".join(lines) + "\n"


def _shares(one: FormatBytes) -> list[str]:
    return [f"{shares[way]:.3f}" for way in WAYS for shares in (one.bare, one.deflated)]


def _stream(mix: str, count: int, seed: int) -> list[str]:
    return [packet_of(RecordedEvent(one.event, one.data)) for one in record(count, mix, seed)]


def _as_rows(packets: Sequence[str], state: RowsState) -> Iterator[str]:
    for packet in packets:
        line, after = encode(state, packet)
        state = after or state
        yield line
