"""Formats 3 and m by computation: what one client that asked for them is sent, by the server's own code.

In: a trace, or packets one after the other. Out: frames before compression; for a trace exact bytes, frames and delays.
Never: opens a socket.
Never: tries what cannot matter: abbreviations and gzip belong to format 2, and only rows wait for others.

Snapshots, `latest=` and `join=` are not here: the application says what they are about, and a trace does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from reznet_ws.deflate.frame import BINARY
from reznet_ws.demo.workload import TraceEvent
from reznet_ws.message import message_pack
from reznet_ws.message.batch import MessageBatcher
from reznet_ws.message.packet import Message, Packet, event_packet
from reznet_ws.message.rows import join
from reznet_ws.message.rows_sharing import RowsGroup, RowsSharing, bounds_of, may_be_row
from reznet_ws.replay.ablation import Outcome, Subset, leave, subsets, switch
from reznet_ws.replay.link import Link, encode, frames_of
from reznet_ws.settings import Settings

ROWS, FAR, PACKED = "rows", "rows with far references", "MessagePack"
# Way -> the layers that can matter to it.
WAYS: Mapping[str, tuple[str, ...]] = {
    ROWS: ("utf8", "batch", "deflate"),
    FAR: ("utf8", "batch", "deflate"),
    PACKED: ("utf8", "deflate"),
}
_Frames = list[tuple[int, bytes]]


class WrittenEvent(NamedTuple):
    """An event's name and its packet in format 1; `argument_bytes`: what its arguments take of that."""

    event: str
    packet: Packet
    argument_bytes: int

    @property
    def parts(self) -> tuple[str | bytes, ...]:
        """Text and attachments."""
        return (self.packet.text, *self.packet.attachments)


def write(message: Message, *, utf8: bool, ack_id: int | None = None) -> WrittenEvent:
    """An event that was encoded for format 1."""
    size = sum(payload.encoded_bytes for payload in message.payloads)
    return WrittenEvent(message.event, event_packet(message, utf8=utf8, ack_id=ack_id), size)


class _Receiver:
    """The one client; `RowsSharing` keeps here what it holds."""

    def __init__(self) -> None:
        self.rows: RowsGroup | None = None
        self.has_seed = False


class FormatLine:
    """One client's way out in one of the formats; what was sent before is remembered."""

    def __init__(self, way: str, settings: Settings) -> None:
        """Raises: ValueError for what is no way."""
        if way not in WAYS:
            raise ValueError(f"{way}: no such way; there are {', '.join(WAYS)}")
        self._is_packed = way == PACKED
        self._settings = settings.replace(rows=True, far_references=way == FAR)
        self._sharing: RowsSharing[_Receiver] = RowsSharing(bounds_of(self._settings), settings.rows_all_chars)
        self._receiver = _Receiver()

    def may_wait(self, written: WrittenEvent) -> bool:
        """Whether an event may wait for others, as `RowsPackets.may_wait` has it."""
        settings = self._settings
        return (
            not self._is_packed
            and settings.batch
            and written.event in settings.batch_events
            and written.argument_bytes <= settings.batch_max_bytes
            and self._is_row(written)
        )

    def frames(self, together: Sequence[WrittenEvent]) -> Iterator[_Frames]:
        """What leaves for events that leave together, packet by packet."""
        if self._is_packed:
            yield from map(_packed, together)
            return
        for fits, run in groupby(together, self._is_row):
            if not fits:
                yield from (frames_of(written.packet) for written in run)
                continue
            texts = [written.packet.text for written in run]
            for lines, _ in self._sharing.ways(texts, [self._receiver]):
                yield frames_of(Packet(join(lines)))

    def _is_row(self, written: WrittenEvent) -> bool:
        return may_be_row(written.event, written.parts, self._settings)


def ablate_formats(
    trace: Sequence[TraceEvent],
    figures: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[Subset, Outcome]]:
    """Replay a trace in each format, through every subset of the layers that can matter to it; all figures as given.

    `progress` is told how many of how many are done. MessagePack is left out where the library is missing.
    """
    figures = figures or Settings()
    ways = {way: layers for way, layers in WAYS.items() if way != PACKED or message_pack.is_installed()}
    of = sum(2 ** len(layers) for layers in ways.values())
    outcomes: dict[str, dict[Subset, Outcome]] = {way: {} for way in ways}
    done = 0
    written = {utf8: list(_write(trace, utf8=utf8)) for utf8 in (False, True)}
    for way, layers in ways.items():
        # What deflate does comes after all else.
        for subset in subsets(layer for layer in layers if layer != "deflate"):
            settings = switch(figures, subset)
            encoded = list(_leaving(way, written[settings.utf8], settings))
            for deflate in (frozenset[str](), frozenset({"deflate"})):
                outcomes[way][subset | deflate] = _carry(encoded, switch(figures, subset | deflate))
                done += 1
                if progress is not None:
                    progress(done, of)
    return {way: {subset: outcomes[way][subset] for subset in subsets(layers)} for way, layers in ways.items()}


_Leaving = tuple[float, tuple[float, ...], list[_Frames]]


def _write(trace: Iterable[TraceEvent], *, utf8: bool) -> Iterator[tuple[float, WrittenEvent]]:
    plain = Settings.off().replace(utf8=utf8)
    for recorded in trace:
        yield recorded.offset_ms, write(encode(recorded.event, recorded.data, plain), utf8=utf8)


def _leaving(way: str, written: Iterable[tuple[float, WrittenEvent]], settings: Settings) -> Iterator[_Leaving]:
    line = FormatLine(way, settings)
    batcher: MessageBatcher[int, tuple[float, WrittenEvent]] = MessageBatcher(settings)
    for now_ms, together in leave(written, batcher, line.may_wait):
        packets = list(line.frames([one for _, one in together]))
        yield now_ms, tuple(emitted_ms for emitted_ms, _ in together), packets


def _carry(encoded: Iterable[_Leaving], settings: Settings) -> Outcome:
    link, frames, frame_bytes, wire_bytes = Link(settings), 0, 0, 0
    delays_ms: list[float] = []
    for now_ms, emitted, packets in encoded:
        delays_ms += [round(now_ms - emitted_ms, 3) for emitted_ms in emitted]
        for opcode, data in (frame for packet in packets for frame in packet):
            frames += 1
            frame_bytes += len(data)
            wire_bytes += link.carry(opcode, data)
    return Outcome(len(delays_ms), frames, frame_bytes, wire_bytes, tuple(delays_ms))


def _packed(written: WrittenEvent) -> _Frames:
    packed = message_pack.encode(written.parts)
    return frames_of(written.packet) if packed is None else [(BINARY, packed)]
