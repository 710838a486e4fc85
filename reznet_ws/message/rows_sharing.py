"""Who shares a state of rows, and what each receiver of a message is sent.

In: packets, and the receivers they are for. Out: the lines of each packet, with the receivers that get just these.
Never: lets a line refer to what one of its receivers was not sent; reads a clock, or sends.

Receivers who were sent the same are a group, and one encoding serves them. What is for all of a group moves its state
on; what is for some of it is sent aside and leaves it as it was, until that has cost more than to let them part. Where
a message is for several groups, the large ones are each sent their own, and the small ones the packet as it is; once
that has cost them more than it would to begin anew, all of them do, and are one group. So a newcomer, a reader that
missed something and an audience that came together again are treated alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from reznet_ws.message.rows import begin, encode, encode_aside
from reznet_ws.message.rows_state import DEFAULT, Bounds, RowsState, Seed
from reznet_ws.message.rows_text import LINE_END
from reznet_ws.settings import Settings

# A group is sent rows of its own if it is so large a part of an audience; the largest one, if it is half that.
_LARGE_PART, _LARGEST_PART = 4, 8
# What a group of fewer members than it is sent messages for may cost before they part. Units: characters.
_MOST_ASIDE_CHARS = 4096
# What a row saves of a packet is about a third, of what is left behind deflate. Who begins anew at once, parts again as
# soon: measured over eight topologies of the demo's chat, 8 is the least at which none of them costs more than plain.
_SAVED_SHARE, _PATIENCE = 3, 8
# What was saved long ago is no reason to stay apart. Units: characters.
_MOST_OWN_CHARS = 16_384
# Text of all groups takes about three bytes a character. Where there are many groups, each gets a part of the whole:
# with 8,192 characters rows still cost nobody more than plain, and save less; where even that is too much, newcomers go
# without.
MAX_ALL_CHARS, _LEAST_CHARS = 33_554_432, 8_192
# An encoding more for a group that could share takes time; what it takes, in characters that could be saved.
_ENCODING_SHARE = 4


def bounds_of(settings: Settings) -> Bounds:
    """What one history may take by these settings."""
    return Bounds(
        rows=settings.rows_per_shape,
        shapes=settings.rows_shapes,
        kept_chars=settings.rows_kept_chars,
        far_chars=settings.far_chars if settings.far_references else 0,
    )


def may_be_row(event: str, parts: Sequence[str | bytes], settings: Settings) -> bool:
    """Whether a packet has no attachments, no secret, and no text that the lines of a frame cannot hold."""
    text = parts[0]
    return (
        settings.rows
        and len(parts) == 1
        and isinstance(text, str)
        and LINE_END not in text
        and event not in settings.never_compress
    )


class RowsGroup:
    """Receivers who hold the same. Units: characters of packets, for each member.

    `own_chars`: what its own state has saved where it was the largest group, less what it was sent because it was not;
    `aside_chars`: what some of its members were sent aside, less what all have saved since.
    """

    __slots__ = ("aside_chars", "members", "own_chars", "state")

    def __init__(self, state: RowsState, members: int) -> None:
        self.state = state
        self.members = members
        self.own_chars = self.aside_chars = 0


class HasRows(Protocol):
    """A receiver; `rows` is None while nothing is known of what it holds. `has_seed`: whether it knows the server's."""

    rows: RowsGroup | None
    has_seed: bool


R = TypeVar("R", bound=HasRows)
# The lines of one frame, or packets as they came, and who gets them.
Way = tuple[list[str], Sequence[R]]
_Part = tuple[RowsGroup, Sequence[R]]


class RowsSharing(Generic[R]):
    """The groups of one server's receivers."""

    def __init__(self, bounds: Bounds = DEFAULT, all_chars: int = MAX_ALL_CHARS) -> None:
        """`all_chars`: what all groups hold together, at most."""
        # What receivers may know before their first message.
        self.seed: Seed | None = None
        # The least lately used first.
        self._groups: OrderedDict[RowsGroup, None] = OrderedDict()
        self._kept_chars = 0
        self.use(bounds, all_chars)

    def use(self, bounds: Bounds, all_chars: int = MAX_ALL_CHARS) -> None:
        """Go by other bounds from the next message on."""
        self.most, self.all_chars = bounds, all_chars
        self._doublings = -1
        self._divide_bounds()

    def ways(self, packets: Sequence[str], receivers: Sequence[R]) -> list[Way[R]]:
        """One line for each packet, and the receivers that they are for, who are taken to get them all, in order."""
        parts = self._divide(receivers)
        if len(parts) == 1 and len(parts[0][1]) == len(receivers):
            return [self._send(parts[0], packets)]
        parts.sort(key=lambda part: -len(part[1]))
        together = self._reunite(parts) if parts else None
        if together is not None:
            parts = [together, *(part for part in parts if part[1][0].rows is not together[0])]
        chars = sum(map(len, packets))
        ways: list[Way[R]] = []
        plain = [receiver for receiver in receivers if receiver.rows is None]
        for number, (group, part) in enumerate(parts):
            if len(part) * (_LARGE_PART if number else _LARGEST_PART) >= len(receivers):
                ways.append(self._send((group, part), packets, is_largest=not number))
            else:
                plain += part
                group.own_chars -= chars // _SAVED_SHARE
        return [*ways, (list(packets), plain)] if plain else ways

    def forget(self, receiver: R) -> None:
        """The receiver is gone, or has missed something."""
        group, receiver.rows = receiver.rows, None
        if group is not None:
            self._leave(group)

    def _divide(self, receivers: Sequence[R]) -> list[_Part[R]]:
        """Receivers by their group; those who have none begin one."""
        only = receivers[0].rows if receivers else None
        # As in a room: 2 us for 100 receivers, which sorting them into groups takes 10 for.
        if only is not None and all(receiver.rows is only for receiver in receivers):
            return [(only, receivers)]
        at: dict[RowsGroup | None, list[R]] = {}
        for receiver in receivers:
            at.setdefault(receiver.rows, []).append(receiver)
        new = at.pop(None, None)
        parts: list[_Part[R]] = [(group, part) for group, part in at.items() if group is not None]
        for has_seed in (False, True) if new is not None else ():
            some = [receiver for receiver in new or () if receiver.has_seed == has_seed]
            if some and not self._is_full:
                parts.append((self._group(self._begin(some), some), some))
        return parts

    def _begin(self, receivers: Sequence[R]) -> RowsState:
        """The state of receivers who begin together."""
        seed = self.seed if self.seed is not None and all(receiver.has_seed for receiver in receivers) else None
        return begin(self.bounds, seed)

    @property
    def _is_full(self) -> bool:
        """Whether one group more would leave each too little."""
        return len(self._groups) >= self.all_chars // _LEAST_CHARS

    def _divide_bounds(self) -> None:
        """What each group may hold of what all may: half as much whenever there are twice as many."""
        doublings = max(0, len(self._groups) - 1).bit_length()
        if doublings != self._doublings:
            self._doublings = doublings
            chars, most = self.all_chars >> doublings, self.most
            self.bounds = replace(
                most,
                kept_chars=min(most.kept_chars, chars),
                packet_chars=min(most.packet_chars, chars),
                far_chars=min(most.far_chars, chars),
            )

    def _group(self, state: RowsState, receivers: Sequence[R]) -> RowsGroup:
        """A group of its own for receivers, who leave theirs."""
        group = RowsGroup(state, len(receivers))
        self._groups[group] = None
        self._kept_chars += state.kept_chars
        for receiver in receivers:
            if receiver.rows is not None:
                self._leave(receiver.rows)
            receiver.rows = group
        self._divide_bounds()
        return group

    def _leave(self, group: RowsGroup) -> None:
        group.members -= 1
        if not group.members:
            del self._groups[group]
            self._kept_chars -= group.state.kept_chars
            self._divide_bounds()

    def _make_room(self, group: RowsGroup) -> None:
        """The least lately used begin anew, while all hold more than they may."""
        self._groups.move_to_end(group)
        while self._kept_chars > self.all_chars:
            other = next(iter(self._groups))
            if other is group:
                break
            self._kept_chars -= other.state.kept_chars
            other.state = begin(self.bounds, other.state.seed)
            self._groups.move_to_end(other)
            self._groups.move_to_end(group)

    def _send(self, part: _Part[R], packets: Sequence[str], *, is_largest: bool = True) -> Way[R]:
        group, receivers = part
        chars = sum(map(len, packets))
        if len(receivers) < group.members:
            if group.aside_chars <= _MOST_ASIDE_CHARS:
                lines = [encode_aside(group.state, packet, self.bounds) for packet in packets]
                group.aside_chars += sum(map(len, lines))
                return lines, receivers
            if self._is_full:
                return list(packets), receivers
            group = self._group(group.state, receivers)
        lines = []
        kept_chars = group.state.kept_chars
        for packet in packets:
            line, after = encode(group.state, packet, self.bounds)
            group.state = after or group.state
            lines.append(line)
        self._kept_chars += group.state.kept_chars - kept_chars
        self._make_room(group)
        saved_chars = chars - sum(map(len, lines))
        group.aside_chars = max(0, group.aside_chars - max(0, saved_chars))
        group.own_chars += saved_chars if is_largest else -chars // _ENCODING_SHARE
        group.own_chars = min(group.own_chars, _MOST_OWN_CHARS)
        return lines, receivers

    def _reunite(self, parts: Sequence[_Part[R]]) -> _Part[R] | None:
        """One group of the largest and of all that miss more than they save, once that has cost what it would take."""
        owed = 0
        joining: list[_Part[R]] = []
        for group, part in parts:
            if group.own_chars < 0 or group.state.is_new:
                joining.append((group, part))
                owed += max(0, -group.own_chars) * len(part)
        if not owed:
            return None
        if parts[0] not in joining and len(parts[0][1]) * _LARGEST_PART >= sum(len(part) for _, part in parts):
            joining.append(parts[0])
        chars_to_begin = sum(_chars_to_begin(group.state) * len(part) for group, part in joining)
        if owed <= _PATIENCE * chars_to_begin:
            return None
        receivers = [receiver for _, part in joining for receiver in part]
        return self._group(self._begin(receivers), receivers), receivers


def _chars_to_begin(state: RowsState) -> int:
    """About what it takes to send again the shapes that have come more than once."""
    known = {sign for sign, _, _ in state.templates}
    return sum(
        sum(map(len, pieces)) + shape.rows[0].chars
        for (_, pieces), shape in state.shapes.items()
        if shape.sign in known
    )
