"""What an audit found, in records that the reports draw, print and write as JSON.

In: nothing. Out: frozen records of numbers, texts and tuples; `dataclasses.asdict` of any is ready for `json.dumps`.
Never: holds what a message said: only names of events and keys (`names.py` says which), addresses, files and figures.

Bytes are on the wire (frame headers counted) unless a name says otherwise: `payload_bytes` are those of the frames'
payloads as they were recorded. A percentage is computed where it is shown; here are the numbers that it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

from reznet_ws.audit.examine.replayed import (
    Advice,
    Alternative,
    EventCost,
    FieldMap,
    Floor,
    FormatRow,
    LayerShare,
    ReplayRow,
    SentRow,
    SharedWindow,
    Superseded,
    Sweep,
    Today,
)


@dataclass(frozen=True, slots=True)
class KindCount:
    """How much there was of one kind, one way, over one transport; the names are `capture.py`'s values."""

    direction: str
    kind: str
    transport: str
    messages: int
    frames: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class EventCount:
    """How often one event came one way, and its frames' payloads."""

    direction: str
    event: str
    messages: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class ConnectionCount:
    """One connection. `duration_ms` is None where the capture has no clock."""

    connection: int
    url: str
    file: str
    engineio: int | None
    duration_ms: float | None
    kinds: tuple[KindCount, ...]
    events: tuple[EventCount, ...]


@dataclass(frozen=True, slots=True)
class ProblemNote:
    """What could not be read, and where."""

    file: str
    position: str
    reason: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole capture.

    `replayed_*` is what the server sent over WebSocket, the messages that the replay is about: events, and beside them
    acks, pings and plain frames, which only deflate can change. `as_captured` are events that JSON of our server could
    not carry (nested too deep); they are replayed as the frames that they came in. `received_*` is all that the server
    sent over WebSocket by Socket.IO, of which a large capture is replayed in part: the leading part of each connection.
    `foreign_*` is what came over WebSockets that are no Socket.IO, where there are others; it is not replayed.
    """

    files: int
    connections: int
    messages: int
    # From the first to the last message, each connection by itself, summed; None without a clock.
    connected_ms: float | None
    kinds: tuple[KindCount, ...]
    replayed_messages: int
    replayed_payload_bytes: int
    as_captured: int
    received_messages: int = 0
    received_payload_bytes: int = 0
    foreign_connections: int = 0
    foreign_payload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was searched for the best figures; what is shown of the best itself is of everything.

    The leading part of each connection (of every `stride`-th, where there are very many).
    """

    connections: int
    messages: int
    payload_bytes: int
    is_everything: bool


@dataclass(frozen=True, slots=True)
class ReachShape:
    """How many messages went to all connections, to all but one, to some, or to one, and their copies."""

    shape: str
    broadcasts: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How many connections one message goes to, which is what compressing once for all of them is worth.

    `source`: "capture" (counted: the same payload to several connections within `near_ms`), "order" (the same, without
    a clock: copies that stand next to each other); where there is one connection only, or nothing tells what was sent
    at once, "users" (given) or "one" (nothing given). `shapes` are what the copies show of rooms.
    """

    per_message: float
    source: str
    deliveries: int
    broadcasts: int
    near_ms: float
    shapes: tuple[ReachShape, ...] = ()

    @property
    def is_counted(self) -> bool:
        """Whether the capture tells it."""
        return self.source in ("capture", "order")


@dataclass(frozen=True, slots=True)
class KeyRepeat:
    """A key's name: how often it came, and the bytes of all its copies with quotes and colon."""

    key: str
    count: int
    json_bytes: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """What comes again: `repeated_*` counts every copy after the first.

    `messages`: how many were looked at, since what is counted is bounded; each is one of `payloads`. `value_*` is about
    strings and numbers of four characters and more; `*_bytes` are of their JSON. `binary_bytes` are of binary data, of
    which `binary_json_bytes` hold JSON and were looked into like text.
    """

    messages: int
    json_bytes: int
    keys: tuple[KeyRepeat, ...]
    key_bytes: int
    values: int
    value_bytes: int
    repeated_values: int
    repeated_value_bytes: int
    payloads: int
    repeated_payloads: int
    repeated_payload_bytes: int
    is_everything: bool
    binary_bytes: int = 0
    binary_json_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything an audit found.

    `whole`: the presets (labels "off", "stock", "seed", "recommended") and the choices ("best", "stock clients",
    "fewest bytes"), on everything. `subsets`, `sweeps`, `front`, `shares` and `field_map` are of the sample; `front`
    holds the rows of subsets and sweeps that no other beats in bytes and (beyond noise) in CPU, fewest bytes first.
    `shared`: only where the capture shows broadcasts to several connections, and not above 500 of them.
    `obstacle`: why none of our settings can be set for this traffic, a whole sentence; then `whole` is of what there is
    ("off", "stock"), and nothing was searched. `today`: only where the capture has a handshake.
    What needs messages from the server over WebSocket is empty or None where there are none, and so is the verdict.
    """

    totals: Totals
    connections: tuple[ConnectionCount, ...]
    problems: tuple[ProblemNote, ...]
    is_anonymous: bool
    sample: Sample
    audience: Reach
    whole: tuple[ReplayRow, ...]
    subsets: tuple[ReplayRow, ...]
    sweeps: tuple[Sweep, ...]
    front: tuple[ReplayRow, ...]
    shares: tuple[LayerShare, ...]
    events: tuple[EventCost, ...]
    sent: tuple[SentRow, ...]
    repeats: Repeats
    floor: Floor | None
    field_map: FieldMap | None
    alternatives: tuple[Alternative, ...]
    verdict: Advice | None
    cpu_s: float
    shared: SharedWindow | None = None
    # What the captures do not say and was supplied.
    assumptions: tuple[ProblemNote, ...] = ()
    obstacle: str | None = None
    today: Today | None = None
    # Nothing where nothing of ours can be set.
    formats: tuple[FormatRow, ...] = ()
    superseded: tuple[Superseded, ...] = ()
