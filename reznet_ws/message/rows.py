"""Format 3: an event as what changed since an earlier one like it, against what its receivers already hold.

In: a state, and the text of a Socket.IO packet. Out: the line that travels and the state after it.
Never: keeps anything but in the states it is given and gives back; refers to what a receiver was not sent.

A state belongs to a history: whoever was sent the same has the same state, the same object, and one encoding serves all
of them. A state never changes, so two audiences that part go on from the same one. Whoever's state is another one, or
unknown, is sent a line from `begin()`, which makes its receivers forget what they held. docs/formats.md has the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from operator import ne
from typing import NamedTuple

from reznet_ws.message.rows_changes import APPENDED, COUNTER, STEP, change, write_mask
from reznet_ws.message.rows_far import MIN_TEXT_CHARS, FarHistory
from reznet_ws.message.rows_state import (
    DEFAULT,
    MAX_TEMPLATES,
    NO_STEPS,
    Bounds,
    Row,
    RowsState,
    Seed,
    Shape,
    TemplateKey,
)
from reznet_ws.message.rows_text import (
    ASIDE,
    FAR,
    FORGET,
    LINE_END,
    LONG,
    NEWEST_TEMPLATE,
    ROW_TEMPLATE,
    SHAPE,
    SIGNS,
    TEMPLATE_SIGNS,
    VALUE_END,
    Pieces,
    take_apart,
)


class Encoded(NamedTuple):
    """What travels; `state` is None where it is the packet as it came, which changes nothing at the receiver."""

    text: str
    state: RowsState | None


class _Change(NamedTuple):
    mask: str
    values: Sequence[str]
    leaves: list[str]
    steps: Mapping[int, int]
    grows: bool


def begin(bounds: Bounds = DEFAULT, seed: Seed | None = None) -> RowsState:
    """The state of receivers who were sent nothing yet, or are to forget what they were; but for a `seed`."""
    far = FarHistory(bounds.far_chars) if bounds.far_chars else None
    if seed is None or len(seed.packets) > bounds.shapes:
        return RowsState(far=far)
    return RowsState(seed.shapes, far=far, seed=seed)


def encode(state: RowsState, packet: str, bounds: Bounds = DEFAULT) -> Encoded:
    """One packet for all whose state this is.

    Shape: `2["event",{...}]` -> a line, perhaps two, for a frame that `join` makes. The receiver gets the very text.
    """
    parts = take_apart(packet) if len(packet) <= bounds.packet_chars else None
    if parts is None or len(parts.leaves) > bounds.leaves:
        return _encode_long(state, packet)
    shape = state.shapes.get((parts.head, parts.pieces))
    line, after = _define(state, packet, parts, bounds) if shape is None else _follow(state, parts, shape, bounds)
    if after.kept_chars > bounds.kept_chars and not state.is_new:
        return encode(begin(bounds, state.seed), packet, bounds)
    return _finish(state, line, after)


def encode_aside(state: RowsState, packet: str, bounds: Bounds = DEFAULT) -> str:
    """One packet for some of those whose state this is, and stays; the packet as it came, where nothing is shorter."""
    parts = take_apart(packet) if len(packet) <= bounds.packet_chars else None
    shape = state.shapes.get((parts.head, parts.pieces)) if parts is not None else None
    if parts is not None and shape is not None:
        back = _nearest(shape.rows, parts.leaves)
        mask, values, *_ = _changes(shape.rows[back], parts.leaves)
        sign = state.templates.get((shape.sign, back > 0, mask))
        if sign is not None:
            line = ASIDE + _by_template(sign, back, values)
        else:
            base = f"{ROW_TEMPLATE}{shape.sign}{SIGNS[back]}" if back else f"{NEWEST_TEMPLATE}{shape.sign}"
            line = ASIDE + base + VALUE_END.join((mask, *values))
    elif _may_refer(state, packet):
        line = ASIDE + LONG + packet
    else:
        return packet
    if state.far is not None and len(line) >= MIN_TEXT_CHARS:
        line = state.far.refer(line)
    return line if len(line) < len(packet) else packet


def join(lines: Sequence[str]) -> str:
    """One frame of several lines, in order."""
    text = LINE_END.join(lines)
    # A frame that begins with a digit is one packet as it is.
    return LINE_END + text if len(lines) > 1 and text[0].isdigit() else text


def _finish(state: RowsState, line: str, after: RowsState) -> Encoded:
    if state.far is not None and len(line) >= MIN_TEXT_CHARS:
        line, after.far = state.far.shorten(line)
    if state.is_new:
        line = f"{FORGET}{'' if state.seed is None else state.seed.name}{LINE_END}{line}"
    return Encoded(line, after)


def _encode_long(state: RowsState, packet: str) -> Encoded:
    """What is no row may still repeat what was sent long ago."""
    if not _may_refer(state, packet):
        return Encoded(packet, None)
    after = RowsState(state.shapes, state.templates, state.kept_chars, state.far, False, state.seed)
    return _finish(state, LONG + packet, after)


def _may_refer(state: RowsState, packet: str) -> bool:
    if state.far is None or len(packet) < MIN_TEXT_CHARS or not packet.startswith("2"):
        return False
    return LINE_END not in packet and FAR not in packet


def _define(state: RowsState, packet: str, parts: Pieces, bounds: Bounds) -> tuple[str, RowsState]:
    shapes, kept_chars, templates = dict(state.shapes), state.kept_chars, state.templates
    if len(shapes) < bounds.shapes:
        sign = SIGNS[len(shapes)]
    else:
        replaced = shapes.pop(next(iter(shapes)))
        sign = replaced.sign
        kept_chars -= sum(row.chars for row in replaced.rows)
        templates = {key: template for key, template in templates.items() if key[0] != sign}
    row = Row(parts.leaves, NO_STEPS, len(packet))
    shapes[parts.head, parts.pieces] = Shape(sign, (row,))
    after = RowsState(shapes, templates, kept_chars + row.chars, state.far, False, state.seed)
    return SHAPE + sign + packet, after


def _follow(state: RowsState, parts: Pieces, shape: Shape, bounds: Bounds) -> tuple[str, RowsState]:
    back = _nearest(shape.rows, parts.leaves)
    base = shape.rows[back]
    mask, values, leaves, steps, grows = _changes(base, parts.leaves)
    template: TemplateKey = (shape.sign, back > 0, mask)
    templates = dict(state.templates)
    sign = templates.pop(template, None)
    if sign is not None:
        line = _by_template(sign, back, values)
    else:
        sign = _free_sign(templates)
        line = f"{ROW_TEMPLATE}{sign}{shape.sign}{SIGNS[back]}" if back else f"{NEWEST_TEMPLATE}{sign}{shape.sign}"
        line += VALUE_END.join((mask, *values))
    templates[template] = sign

    row = Row(tuple(leaves), steps, sum(map(len, leaves)))
    rows = (row, *shape.rows)
    kept_chars = state.kept_chars + row.chars
    if grows:  # nobody goes on from a text that was gone on from
        rows = (*rows[: back + 1], *rows[back + 2 :])
        kept_chars -= base.chars
    if len(rows) > bounds.rows:
        kept_chars -= rows[-1].chars
        rows = rows[:-1]
    shapes = dict(state.shapes)
    key = parts.head, parts.pieces
    del shapes[key]
    shapes[key] = Shape(shape.sign, rows)
    return line, RowsState(shapes, templates, kept_chars, state.far, False, state.seed)


def _by_template(sign: str, back: int, values: Sequence[str]) -> str:
    return f"{sign}{SIGNS[back] if back else ''}{VALUE_END.join(values)}"


# A string that is sent again costs about that much behind deflate, and what is new of it a quarter.
_STRING_COST, _LONG_CHARS = 6, 64


def _nearest(rows: Sequence[Row], leaves: tuple[str, ...]) -> int:
    """Which row takes least to make these leaves of."""
    if len(rows) == 1:
        return 0
    costs = [len(leaf) if len(leaf) < 9 else _STRING_COST + len(leaf) // 4 for leaf in leaves]
    growing = [number for number, leaf in enumerate(leaves) if len(leaf) > _LONG_CHARS]
    nearest, least = 0, sum(costs) + 1
    for back, row in enumerate(rows):
        cost = sum(compress(costs, map(ne, row.leaves, leaves)))
        for number in growing:
            old = row.leaves[number]
            if len(old) > 2 and cost >= costs[number] and leaves[number].startswith(old[:-1]):
                cost -= costs[number] - 1
        if cost < least:
            nearest, least = back, cost
    return nearest


def _changes(base: Row, leaves: tuple[str, ...]) -> _Change:
    old_leaves, old_steps = base.leaves, base.steps
    operations, values, steps, grows = [], [], {}, False
    # What stays as it was is the same object in both rows, so that rows take little memory.
    made = list(old_leaves)
    for number in compress(range(len(leaves)), map(ne, old_leaves, leaves)):
        made[number] = leaves[number]
        operation, text = change(old_leaves[number], leaves[number], old_steps.get(number))
        operations.append((number, operation))
        if operation == COUNTER:
            steps[number] = old_steps[number]
            continue
        values.append(text)
        if operation == STEP:
            steps[number] = int(text)
        elif operation == APPENDED:
            grows = True
    return _Change(write_mask(operations), values, made, steps, grows)


def _free_sign(templates: dict[TemplateKey, str]) -> str:
    """A sign for one template more; the least lately used makes room."""
    if len(templates) == MAX_TEMPLATES:
        return templates.pop(next(iter(templates)))
    used = set(templates.values())
    return next(sign for sign in TEMPLATE_SIGNS if sign not in used)
