"""One message to many connections: framed once in each way it travels, compressed once for all who share a window.

In: a message and the lines to write it to, each of which can be written. Out: frames that wait on those lines, counted.
Never: asks who a message is for, or whether a line can be written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from websockets.frames import Frame, Opcode

from reznet_ws.deflate.extension import AdjustableDeflate, HasSettings, shared_figures
from reznet_ws.deflate.window import Figures, SharedFrame, Window, build_frame
from reznet_ws.ledger import Ledger, Tally, payload_bytes
from reznet_ws.outgoing.line import Cork, Line
from reznet_ws.settings import Settings


class TalliedText(str):
    """Text of a packet that many connections send: framed once in each way, with the tally of its copies."""

    frame: SharedFrame
    tally: Tally
    first = True

    def __new__(cls, text: str, tally: Tally) -> TalliedText:
        """Text that begins a packet."""
        self = super().__new__(cls, text)
        self.frame = SharedFrame(Opcode.TEXT, text.encode())
        self.tally = tally
        return self


class TalliedBytes(bytes):
    """An attachment, with the tally of its packet."""

    frame: SharedFrame
    tally: Tally
    first = False

    def __new__(cls, data: bytes, tally: Tally) -> TalliedBytes:
        """Bytes that follow the text of their packet."""
        self = super().__new__(cls, data)
        self.frame = SharedFrame(Opcode.BINARY, data)
        self.tally = tally
        return self


Tallied = TalliedText | TalliedBytes


class ClearText(str):
    """Text that is never compressed."""


class ClearBytes(bytes):
    """Bytes that are never compressed."""


class Writer:
    """Holds the settings' holder and the ledger that all lines of a server share."""

    def __init__(
        self, holder: HasSettings, ledger: Ledger, on_written: Callable[[int, int], object] = lambda packets, size: None
    ) -> None:
        """`on_written` is told how many packets went past engineio, and their size in all, as Engine.IO sees them."""
        self.holder = holder
        self.ledger = ledger
        self._on_written = on_written
        # What the settings come to, as long as they are the same.
        self._seen: Settings | None = None
        self._figures: Figures | None = None
        self._cork = Cork(ledger, lambda: holder.settings.coalesce_ms)

    def write(self, data: str | bytes, lines: Sequence[Line]) -> None:
        """Write one message; one that carries a tally is counted with it."""
        self._on_written(len(lines), len(lines) * len(data))
        if isinstance(data, (TalliedText, TalliedBytes)):
            frame = data.frame
            for wire, copies in self._write(frame, lines):
                sizes = len(frame.data), payload_bytes(len(wire)), len(wire)
                data.tally.record(*sizes, first=data.first, copies=copies)
        else:
            self._write(_frame_of(data), lines)

    def write_late(self, data: str | bytes, line: Line) -> None:
        """Write to one line what engineio kept for it, and others were written before, if anybody was."""
        if not isinstance(data, (TalliedText, TalliedBytes)):
            self._write(_frame_of(data), [line])
            return
        frame = data.frame
        deflate = line.deflate
        if deflate is None or frame.must_stay_clear:
            wire = frame.clear
        elif deflate.shared_figures(self.holder.settings) is not None:
            wire = frame.take(line.inflater)
        else:
            wire = _compress_alone(frame, deflate)
        self._cork.put([line], wire)
        data.tally.record(len(frame.data), payload_bytes(len(wire)), len(wire), first=data.first)

    def close(self) -> None:
        """Write what waits."""
        self._cork.close()

    def _write(self, frame: SharedFrame, lines: Sequence[Line]) -> list[tuple[bytes, int]]:
        """Gives the frames, and to how many each."""
        settings = self.holder.settings
        if not lines:
            return []
        if frame.must_stay_clear or not settings.deflate:
            ways: Mapping[bytes, Sequence[Line]] = {frame.clear: lines}
        else:
            ways = self._compress(frame, lines, settings)
        for wire, written in ways.items():
            self._cork.put(written, wire)
        return [(wire, len(written)) for wire, written in ways.items()]

    def _compress(
        self, frame: SharedFrame, lines: Sequence[Line], settings: Settings
    ) -> Mapping[bytes, Sequence[Line]]:
        """Frame -> who gets it. Does little for each line where all are at one window, as they nearly always are."""
        figures = self._shared_figures(settings)
        inflaters = [line.inflater for line in lines]
        windows = {inflater.at for inflater in inflaters}
        if figures is not None and len(windows) == 1:
            (window,) = windows
            if window is not None and window.serves(figures):
                frame.plan_groups({window: inflaters}, figures)
                wire = frame.take_all(window, inflaters)
                if wire is not None:
                    return {wire: lines}
        return self._compress_apart(frame, lines, figures)

    def _compress_apart(
        self, frame: SharedFrame, lines: Sequence[Line], figures: Figures | None
    ) -> Mapping[bytes, Sequence[Line]]:
        ways: dict[bytes, list[Line]] = {}
        sharing = self._divide(frame, lines, figures, ways)
        inflaters = {window: [line.inflater for line in members] for window, members in sharing.items()}
        if figures is not None:
            frame.plan_groups(inflaters, figures)
        for window, members in sharing.items():
            wire = frame.take_all(window, inflaters[window])
            if wire is not None:
                ways.setdefault(wire, []).extend(members)
                continue
            for line in members:
                ways.setdefault(frame.take(line.inflater), []).append(line)
        return ways

    def _divide(
        self, frame: SharedFrame, lines: Sequence[Line], figures: Figures | None, ways: dict[bytes, list[Line]]
    ) -> Mapping[Window | None, Sequence[Line]]:
        """Those who can share a window, by their window; the others find their frames in `ways`."""
        settings = self.holder.settings
        sharing: dict[Window | None, list[Line]] = {}
        for line in lines:
            window, deflate = line.inflater.at, line.deflate
            if deflate is None:
                ways.setdefault(frame.clear, []).append(line)
            elif (figures is not None and window is not None and window.serves(figures)) or (
                deflate.shared_figures(settings) is not None
            ):
                sharing.setdefault(window, []).append(line)
            else:
                ways.setdefault(_compress_alone(frame, deflate), []).append(line)
        return sharing

    def _shared_figures(self, settings: Settings) -> Figures | None:
        if settings is not self._seen:
            self._seen, self._figures = settings, shared_figures(settings)
        return self._figures


def _frame_of(data: str | bytes) -> SharedFrame:
    frame = SharedFrame(Opcode.TEXT, data.encode()) if isinstance(data, str) else SharedFrame(Opcode.BINARY, data)
    frame.must_stay_clear = isinstance(data, (ClearText, ClearBytes))
    return frame


def _compress_alone(frame: SharedFrame, deflate: AdjustableDeflate) -> bytes:
    alone = deflate.encode(Frame(frame.opcode, frame.data))
    return build_frame(frame.opcode, bytes(alone.data), compressed=alone.rsv1)
