"""One message to many connections, compressed once for all whose inflaters hold the same.

In: a message, the lines that it is for, the settings in force. Out: whole frames, and which lines get which.
Never: lets a frame refer to what one of its receivers was not sent, or writes anything.

Two facts carry it (RFC 7692 sections 7.2.1 and 7.2.3). A frame with RSV1 clear never enters the receiver's window. A
compressor may refer to less of the window than it could.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from reznet_ws.deflate.alone import LEAST_BITS, HasInflater, Ways, without_histories
from reznet_ws.deflate.compressor import Compressor
from reznet_ws.deflate.frame import Frame, Made, build_frame
from reznet_ws.deflate.history import History
from reznet_ws.deflate.history_figures import HistoryFigures
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.deflate.kept import KeptCompressors
from reznet_ws.deflate.sharing import STOCK_BITS, Group, Readers, divide, effort, text_bits
from reznet_ws.settings import Settings

# A budget for few connections: three for rooms, or five for one alone. More, and it comes to this for each connection.
_KEPT_BYTES, _KEPT_BYTES_EACH = 524_288, 8192
# Among more connections than this, a compressor for one alone is made anew: keeping some of sixty changed nothing about
# the time of the server, and took 8 KB for each connection.
_FEW_CONNECTIONS = 16


# How often compressors that nobody needs any more are looked for.
_TRIM_EVERY_MESSAGES = 64

# Of one message, for those who are sent it one by one; if they hold more than this, they share little in any case.
_MOST_MADE = 8

L = TypeVar("L", bound=HasInflater)
_history_of = attrgetter("inflater.history")


class Histories:
    """Those of one server's clients."""

    def __init__(self) -> None:
        self._histories: set[History] = set()
        self._kept = KeptCompressors()
        # The settings when it was last looked after, and at which message that is due again.
        self._trimmed_for: Settings | None = None
        self._trim_at = 0
        self._connections = self._messages = self._compressions = 0

    def frames(self, frame: Frame, lines: Sequence[L], settings: Settings) -> Ways[L]:
        """Whole frames and the lines that each is for, which are then taken to have been sent it."""
        if not lines:
            return []
        if frame.is_secret or not settings.deflate:
            return [(frame.clear, lines)]
        try:
            histories = set(map(_history_of, lines))
        except AttributeError:
            clear = [line for line in lines if line.inflater is None]
            deflated = [line for line in lines if line.inflater is not None]
            return [(frame.clear, clear), *self.frames(frame, deflated, settings)]
        self._messages += 1
        if settings is not self._trimmed_for or self._messages >= self._trim_at:
            self._trim(settings)
        if not (settings.deflate_shared and settings.deflate_takeover):
            return self._alone(frame, lines, settings)
        if len(histories) == 1:
            history = histories.pop()
            if history is not None:
                return [(self._compress_one(frame, history, lines, settings), lines)]
        return self._compress_all(frame, lines, settings)

    def frame_for_one(self, frame: Frame, line: L, settings: Settings) -> bytes:
        """The whole frame for a line that is sent it by itself; who held the same before is sent the same."""
        inflater = line.inflater
        is_shared = settings.deflate and settings.deflate_shared and settings.deflate_takeover
        if inflater is None or not (is_shared and inflater.takeover):
            return self.frames(frame, [line], settings)[0][0]
        history = inflater.history
        bits, messages = (inflater.max_bits, []) if history is None else (history.bits, history.messages)
        for number, made in enumerate(frame.made):
            if made.bits == bits and made.messages == messages:
                frame.made[number] = self._follow(made, frame, inflater, line, settings)
                return made.wire
        before = messages.copy()
        ((wire, _),) = self.frames(frame, [line], settings)
        if inflater.history is not None and wire is not frame.clear and len(frame.made) < _MOST_MADE:
            frame.made.append(Made(bits, before, wire, inflater.history, inflater.history.used))
        return wire

    def _follow(self, made: Made, frame: Frame, inflater: Inflater, line: L, settings: Settings) -> Made:
        """Let a line be at one with who was sent the same; where they have moved on, it moves on by itself."""
        history, after = inflater.history, made.history
        if after.used == made.used and after.members:
            if history is None:
                self._join(after, [line])
            else:
                self._move(history, after, [line])
            return made
        history = self._join(History(made.bits), [line]) if history is None else self._settle(history, [line])
        self._kept.drop(history)
        self._messages += 1
        held_bits = effort(history, 1, settings.deflate_window_bits)[1]
        history.append(frame.text, 1 << held_bits, len(made.wire), self._messages)
        return made._replace(history=history, used=self._messages)

    def _trim(self, settings: Settings) -> None:
        budget_bytes = max(_KEPT_BYTES, _KEPT_BYTES_EACH * self._connections)
        self._kept.trim(self._messages, min(settings.deflate_kept_bytes, budget_bytes))
        self._trimmed_for, self._trim_at = settings, self._messages + _TRIM_EVERY_MESSAGES

    def leave(self, inflater: Inflater) -> None:
        """The connection is gone; should something come for it still, it travels clear."""
        self._forget(inflater)
        inflater.max_bits = 0

    def figures(self) -> HistoryFigures:
        """A look at it, which takes a moment: it goes through all that is held."""
        counts = [history.members for history in self._histories]
        texts = {id(message): len(message) for history in self._histories for message in history.messages}
        return HistoryFigures(
            connections=sum(counts),
            histories=len(counts),
            largest_share=max(counts, default=0),
            text_bytes=sum(texts.values()),
            kept_compressors=len(self._kept),
            kept_bytes=self._kept.memory_bytes,
            messages=self._messages,
            compressions=self._compressions,
        )

    def _compress_all(self, frame: Frame, lines: Sequence[L], settings: Settings) -> Ways[L]:
        """For lines at several histories, or at none yet."""
        readers, cannot = self._divide_lines(lines)
        ways: Ways[L] = self._alone(frame, cannot, settings) if cannot else []
        if len(readers) > 1:
            readers = self._merge(readers)
        if len(readers) == 1:
            history, several = readers[0]
            return [*ways, (self._compress_one(frame, history, several, settings), several)]
        for group in divide(readers, len(frame.data), settings.deflate_window_bits):
            if len(group.readers) == 1:
                history, several = group.readers[0]
                ways.append((self._compress_one(frame, history, several, settings), several))
            else:
                together = [line for _, several in group.readers for line in several]
                ways.append((self._compress_group(frame, group, len(together), settings), together))
        return ways

    def _divide_lines(self, lines: Sequence[L]) -> tuple[list[Readers[L]], list[L]]:
        """Lines by their history, which who has none begins; and those who can have none."""
        at: dict[History, list[L]] = {}
        none: list[L] = []
        # Who joined at about the same time stands together, and mostly is at one.
        for history, several in groupby(lines, key=_history_of):
            (none if history is None else at.setdefault(history, [])).extend(several)
        begin: dict[int, list[L]] = {}
        cannot: list[L] = []
        for line in none:
            inflater = line.inflater
            assert inflater is not None
            if inflater.takeover and inflater.max_bits >= LEAST_BITS:
                begin.setdefault(inflater.max_bits, []).append(line)
            else:
                cannot.append(line)
        readers: list[Readers[L]] = [*at.items()]
        for bits, begun in begin.items():
            readers.append((self._join(History(bits), begun), begun))
        return readers, cannot

    def _merge(self, readers: Sequence[Readers[L]]) -> list[Readers[L]]:
        """Those whose histories have come to hold the same messages are at one from now on."""
        by_last: dict[tuple[int, int, int], list[Readers[L]]] = {}
        for history, lines in readers:
            last = id(history.messages[-1]) if history.messages else 0
            by_last.setdefault((last, history.text_bytes, history.bits), []).append((history, lines))
        merged: list[Readers[L]] = []
        for several in by_last.values():
            by_text: dict[tuple[bytes, ...], list[Readers[L]]] = {}
            for history, lines in several if len(several) > 1 else ():
                by_text.setdefault(tuple(history.messages), []).append((history, lines))
            for same in by_text.values() if by_text else (several,):
                if len(same) > 1:
                    same.sort(key=lambda reader: -reader[0].members)
                    main = self._settle(*same[0])
                    if main.compressor is not None and main.text_bytes < 1 << main.compressor.bits:
                        self._kept.drop(main)  # it may refer to what is forgotten, which the others were not sent
                    together = list(same[0][1])
                    for history, lines in same[1:]:
                        self._move(history, main, lines)
                        together += lines
                    merged.append((main, together))
                else:
                    merged.append(same[0])
        return merged

    def _compress_group(self, frame: Frame, group: Group[L], count: int, settings: Settings) -> bytes:
        """One frame for several histories, from what they have in common at their end."""
        histories = [self._settle(history, lines) for history, lines in group.readers]
        first = histories[0]
        most_bits, held_bits, level = effort(first, count, settings.deflate_window_bits)
        text = b"".join(first.tail(1 << group.bits))
        payload = _anew(frame.data, text, group.bits, most_bits, level, settings).payload(frame.data)
        for history in histories:
            self._kept.drop(history)
            history.append(frame.text, 1 << held_bits, len(payload), self._messages)
        self._compressions += 1
        return build_frame(frame.opcode, payload, compressed=True)

    def _compress_one(self, frame: Frame, history: History, lines: Sequence[L], settings: Settings) -> bytes:
        """With the compressor that is kept, or one made from the text; all of it, where that one will be kept."""
        data, count, mem_level = frame.data, len(lines), settings.deflate_mem_level
        if history.members != count:
            history = self._settle(history, lines)
        most_bits, held_bits, level = effort(history, count, settings.deflate_window_bits)
        # What all of the text and the message need.
        bits = min(most_bits, max(STOCK_BITS, (history.text_bytes + len(data) - 1).bit_length()))
        kept = history.compressor
        if kept is not None and bits <= kept.bits <= most_bits and kept.level >= level and kept.mem_level == mem_level:
            compressor = kept
        else:
            self._kept.drop(history)
            text = b"".join(history.messages)
            is_wanted = count > 1 or self._connections <= _FEW_CONNECTIONS
            if is_wanted and self._kept.admits(history, Compressor.size(bits, mem_level)):
                compressor = Compressor(bits, level, mem_level, text)
                self._kept.keep(history, compressor)
            else:
                bits = text_bits(history, count, len(data), most_bits)
                compressor = _anew(data, text, bits, most_bits, level, settings)
        payload = compressor.payload(data)
        history.append(frame.text, 1 << held_bits, len(payload), self._messages)
        self._compressions += 1
        return build_frame(frame.opcode, payload, compressed=True)

    def _settle(self, history: History, lines: Sequence[L]) -> History:
        """A history that has exactly these members, all of whom are at this one."""
        if history.members == len(lines):
            return history
        fork = history.fork()
        if 2 * len(lines) > history.members:
            self._kept.hand_over(history, fork)
        self._move(history, fork, lines)
        return fork

    def _move(self, history: History, other: History, lines: Sequence[L]) -> None:
        history.members -= len(lines)
        if not history.members:
            self._kept.drop(history)
            self._histories.discard(history)
        self._join(other, lines)

    def _join(self, history: History, lines: Sequence[L]) -> History:
        self._histories.add(history)
        history.members += len(lines)
        for line in lines:
            inflater = line.inflater
            assert inflater is not None
            if inflater.history is None:
                self._connections += 1
            inflater.history, inflater.alone = history, None
        return history

    def _forget(self, inflater: Inflater) -> None:
        history, inflater.history, inflater.alone = inflater.history, None, None
        if history is not None:
            self._connections -= 1
            history.members -= 1
            if not history.members:
                self._kept.drop(history)
                self._histories.discard(history)

    def _alone(self, frame: Frame, lines: Sequence[L], settings: Settings) -> Ways[L]:
        """Without histories, which begin anew once there are any again."""
        for line in lines:
            if line.inflater is not None and line.inflater.history is not None:
                self._forget(line.inflater)
        ways, compressions = without_histories(frame, lines, settings)
        self._compressions += compressions
        return ways


def _anew(data: bytes, text: bytes, bits: int, most_bits: int, level: int, settings: Settings) -> Compressor:
    """A compressor that may refer to the last `1 << bits` bytes of the text, and to all of a long message itself."""
    bits = max(bits, min(most_bits, (len(data) - 1).bit_length()))
    return Compressor(bits, level, settings.deflate_mem_level, text[-1 << bits :])
