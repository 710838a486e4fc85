"""What the receivers of one history hold of format 3: shapes, rows, templates, and how much of each there may be.

In: the packets of a seed. Out: records that the encoder makes anew and never changes. Never: encodes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reznet_ws.message.rows_far import FarHistory
from reznet_ws.message.rows_text import LINE_END, SIGNS, TEMPLATE_SIGNS, take_apart

# What every receiver can hold. A row has a sign to be named by; four interleaved streams of text need as many rows as
# come between two messages of one of them, and 8 rows were too few.
MAX_SHAPES, MAX_TEMPLATES, MAX_ROWS = len(SIGNS), len(TEMPLATE_SIGNS), 32
MAX_LEAVES = 512
MAX_PACKET_CHARS = 256 * 1024
MAX_KEPT_CHARS = 4 * 1024 * 1024
NO_STEPS: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one history may take on the server, each at most what its receivers can hold.

    Units: characters of text, of which Python takes 1 to 4 bytes each. Beyond `packet_chars` or `leaves` a message
    travels plain; beyond `kept_chars` of rows, and one piece of the wire in `far_chars`, older text is forgotten.
    """

    rows: int = MAX_ROWS
    shapes: int = MAX_SHAPES
    leaves: int = MAX_LEAVES
    packet_chars: int = MAX_PACKET_CHARS
    kept_chars: int = MAX_KEPT_CHARS
    far_chars: int = 0


DEFAULT = Bounds()


class Row(NamedTuple):
    """The leaves of one message, and by how much its counters had grown."""

    leaves: tuple[str, ...]
    steps: Mapping[int, int]
    chars: int


class Shape(NamedTuple):
    """Messages that differ in nothing but their leaves, the newest first."""

    sign: str
    rows: tuple[Row, ...]


ShapeKey = tuple[str, tuple[str, ...]]


class Seed:
    """Shapes that both sides know before the first message: of each packet one, with that packet as its first row.

    `name`: what a line says that names them; who has other packets has another name. Raises: ValueError for a packet
    that is no shape, two of one shape, or more than there are signs.
    """

    __slots__ = ("name", "packets", "shapes")

    def __init__(self, packets: Sequence[str]) -> None:
        self.packets = tuple(packets)
        digest = hashlib.sha256(LINE_END.join(packets).encode()).digest()
        self.name = base64.urlsafe_b64encode(digest[:6]).decode()
        shapes: dict[ShapeKey, Shape] = {}
        for packet in self.packets:
            parts = take_apart(packet)
            if parts is None or LINE_END in packet or (parts.head, parts.pieces) in shapes or len(shapes) == MAX_SHAPES:
                raise ValueError(f"no shape, or one too many: {packet}")
            # It counts for nobody: all who know it share it.
            row = Row(parts.leaves, NO_STEPS, 0)
            shapes[parts.head, parts.pieces] = Shape(SIGNS[len(shapes)], (row,))
        if sum(map(len, self.packets)) > MAX_PACKET_CHARS:
            raise ValueError(f"more than {MAX_PACKET_CHARS} characters")
        self.shapes: Mapping[ShapeKey, Shape] = shapes


TemplateKey = tuple[str, bool, str]


@dataclass(slots=True, eq=False)
class RowsState:
    """What the receivers of one history hold. Shapes and templates: the least lately used first."""

    shapes: Mapping[ShapeKey, Shape] = field(default_factory=dict)
    templates: Mapping[TemplateKey, str] = field(default_factory=dict)
    kept_chars: int = 0
    far: FarHistory | None = None
    is_new: bool = True
    # What its receivers knew before the first message, if they did.
    seed: Seed | None = None
