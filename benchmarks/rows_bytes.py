"""Format 3 by computation: what rows and far references leave of a stream, with and without deflate behind them.

In: messages in their order. Out: WebSocket frames in bytes, headers included, as shares of the same messages plain.
Never: opens a socket, or estimates: every frame is made, and compressed as one connection would be sent it.

The yardstick is one 15-bit window at level 6 over the plain events, each in a frame of its own.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from benchmarks.emissions import RecordedEvent, lab_traffic
from benchmarks.results_report import markdown_table
from reznet_ws.demo.workload import MIXES, generate
from reznet_ws.message.rows import join
from reznet_ws.message.rows_far import MAX_FAR_CHARS
from reznet_ws.message.rows_state import Bounds
from reznet_ws.replay.one_window import bare_sizes, deflated_sizes
from reznet_ws.replay.rows_lines import decode_rows, encode_rows
from reznet_ws.replay.rows_lines import packet_of as write_packet
from reznet_ws.replay.window_bytes import geometric_mean

BATCHES = (1, 5, 10)
WAYS = {"rows": Bounds(), "rows + far": Bounds(far_chars=MAX_FAR_CHARS)}
_LAB_RATE_PER_S = 20.0
_ROUNDS = 5
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RowsBytes:
    """Shares of what the same messages take plain: behind one window by (way, messages in a frame), and without one."""

    messages: int
    plain_bytes: int
    deflated_bytes: int
    behind_window: Mapping[tuple[str, int], float]
    without: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CodecTimes:
    """Units: us of CPU a message in this process, medians over rounds; the ratios are to `json.dumps` beside them."""

    encode_us: float
    decode_us: float
    encode_ratio: tuple[float, float, float]


def lab_mixes(count: int, seed: int = 1) -> dict[str, list[RecordedEvent]]:
    """The demo's mixes by name."""
    return {
        f"demo, {mix}": [
            RecordedEvent(message.event, message.data, message.offset_ms)
            for message in islice(generate(seed, _LAB_RATE_PER_S, mix), count)
        ]
        for mix in MIXES
    }


def growing_texts(streams: int, tokens: int, seed: int = 1) -> list[RecordedEvent]:
    """Interleaved streams of which each message holds the whole text so far: words of the demo, one a token."""
    words = [word for one in lab_traffic(seed) if "content" in one.data for word in str(one.data["content"]).split()]
    draw, texts = random.Random(seed), [""] * streams
    left = [tokens] * streams
    emissions = []
    while any(left):
        stream = draw.choice([number for number in range(streams) if left[number]])
        left[stream] -= 1
        texts[stream] += f"{draw.choice(words)} "
        data = {"message_id": f"m-{stream}", "content": texts[stream], "is_final": not left[stream]}
        emissions.append(RecordedEvent("message_stream", data))
    return emissions


def packet_of(one: RecordedEvent) -> str:
    """The Socket.IO packet of an event."""
    return write_packet(one.event, one.data)


def compute_rows(emissions: Sequence[RecordedEvent]) -> RowsBytes:
    """All ways over one source; what is decoded again is compared with what went in."""
    packets = [packet_of(one) for one in emissions]
    plain_bytes, deflated_bytes = sum(bare_sizes(packets)), sum(deflated_sizes(packets))
    behind = {
        ("plain", size): sum(deflated_sizes(_envelopes(emissions, size))) / deflated_bytes for size in BATCHES[1:]
    }
    without = {}
    for way, bounds in WAYS.items():
        lines = list(encode_rows(packets, bounds))
        if decode_rows(lines) != packets:
            raise AssertionError(f"{way}: what was decoded is not what was emitted")
        without[way] = sum(bare_sizes(lines)) / plain_bytes
        for size in BATCHES:
            frames = [join(several) for several in _in_batches(lines, size)]
            behind[way, size] = sum(deflated_sizes(frames)) / deflated_bytes
    return RowsBytes(len(packets), plain_bytes, deflated_bytes, behind, without)


def time_codec(emissions: Sequence[RecordedEvent], bounds: Bounds) -> CodecTimes:
    """Encoding and decoding beside `json.dumps`, by turns."""
    packets = [packet_of(one) for one in emissions]
    lines = list(encode_rows(packets, bounds))
    encodes, decodes, ratios = [], [], []
    for _ in range(_ROUNDS):
        dumps_us = _us_each(lambda: [packet_of(one) for one in emissions], len(packets))
        encodes.append(_us_each(lambda: list(encode_rows(packets, bounds)), len(packets)))
        decodes.append(_us_each(lambda: decode_rows(lines), len(packets)))
        ratios.append(encodes[-1] / dumps_us)
    spread = min(ratios), statistics.median(ratios), max(ratios)
    return CodecTimes(statistics.median(encodes), statistics.median(decodes), spread)


def write_browser_report(emissions: Sequence[RecordedEvent]) -> str:
    """What decoding takes in Chromium. Raises: Playwright's error where none is found."""
    from benchmarks.rows_browser import time_in_chromium  # Playwright is of the tests' extra

    packets = [packet_of(one) for one in emissions]
    times = time_in_chromium(packets, {way: list(encode_rows(packets, bounds)) for way, bounds in WAYS.items()})
    rows = [[way, f"{us:.1f}"] for way, us in times.items()]
    said = "Decoding in Chromium, us a message of the lab's chat, `JSON.parse` of what comes out included:"
    return "\n".join(["", said, "", *markdown_table([["way", "us"], *rows])]) + "\n"


def write_rows_report(sources: Mapping[str, Sequence[RecordedEvent]], tokens: int, told: Callable[[str], None]) -> str:
    """Tables as Markdown. `tokens`: how many each stream of growing text has."""
    results = {}
    for name, emissions in sources.items():
        told(name)
        results[name] = compute_rows(emissions)
    columns = [("plain", 5), ("plain", 10), *((way, size) for way in WAYS for size in BATCHES)]
    head = ["source", "messages", "bytes behind the window", *(_title(*column) for column in columns)]
    rows = []
    for name, one in results.items():
        shares = [f"{one.behind_window[column]:.3f}" for column in columns]
        rows.append([name, str(one.messages), f"{one.deflated_bytes:,}", *shares])
    means = [geometric_mean([one.behind_window[column] for one in results.values()]) for column in columns]
    rows.append(["geometric mean", "", "", *(f"{mean:.3f}" for mean in means)])
    bare = [
        [name, f"{one.plain_bytes:,}", *(f"{one.without[way]:.3f}" for way in WAYS)] for name, one in results.items()
    ]
    bare_means = [geometric_mean([one.without[way] for one in results.values()]) for way in WAYS]
    bare.append(["geometric mean", "", *(f"{mean:.3f}" for mean in bare_means)])
    lines = [
        "## Format 3, computed",
        "",
        "Bytes of WebSocket frames, headers included. One 15-bit window at level 6 over the plain events = 1.",
        "",
        *markdown_table([head, *rows]),
        "",
        "Without deflate, plain events = 1:",
        "",
        *markdown_table([["source", "plain bytes", *WAYS], *bare]),
        "",
        "Streams that send the whole text so far with every token, behind the same window:",
        "",
        *markdown_table(
            [["streams × tokens", "plain bytes", "behind the window", "rows", "share"], *_growing_rows(tokens)]
        ),
        "",
        "us of CPU a message in Python (`json.dumps` of the same = 1: least, median, most of five rounds by turns):",
        "",
        *markdown_table([["source", "way", "encode", "decode", "encode / json.dumps"], *_time_rows(sources, told)]),
    ]
    return "\n".join(lines) + "\n"


def _title(way: str, size: int) -> str:
    return way if size == 1 else f"{way}, by {size}"


def _growing_rows(tokens: int) -> Iterator[list[str]]:
    for streams in (1, 4, 16):
        packets = [packet_of(one) for one in growing_texts(streams, tokens)]
        deflated_bytes = sum(deflated_sizes(packets))
        rows_bytes = sum(deflated_sizes(list(encode_rows(packets, WAYS["rows"]))))
        share = f"{rows_bytes / deflated_bytes:.4f}"
        yield [
            f"{streams} × {tokens}",
            f"{sum(bare_sizes(packets)):,}",
            f"{deflated_bytes:,}",
            f"{rows_bytes:,}",
            share,
        ]


def _time_rows(sources: Mapping[str, Sequence[RecordedEvent]], told: Callable[[str], None]) -> Iterator[list[str]]:
    for name, emissions in sources.items():
        told(f"{name}: times")
        for way, bounds in WAYS.items():
            times = time_codec(emissions, bounds)
            ratio = " · ".join(f"{one:.1f}" for one in times.encode_ratio)
            yield [name, way, f"{times.encode_us:.0f}", f"{times.decode_us:.0f}", ratio]


def _envelopes(emissions: Sequence[RecordedEvent], size: int) -> list[str]:
    """The seed's batches, for comparison."""
    return [
        packet_of(
            RecordedEvent(
                "message_batch", {"batch": True, "messages": [{"e": one.event, "d": one.data} for one in several]}
            )
        )
        for several in _in_batches(emissions, size)
    ]


def _in_batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def _us_each(run: Callable[[], object], count: int) -> float:
    begun = time.process_time()
    run()
    return (time.process_time() - begun) * 1e6 / count
