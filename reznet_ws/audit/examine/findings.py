"""What an audit found, in records that the reports draw, print and write as JSON.

In: nothing. Out: frozen records of numbers, texts and tuples; `dataclasses.asdict` of any is ready for `json.dumps`.
Never: holds what a message said: only names of events and keys (`names.py` says which), addresses, files and figures.

Bytes are on the wire (frame headers counted) unless a name says otherwise: `payload_bytes` are those of the frames'
payloads as they were recorded. A percentage is computed where it is shown; here are the numbers that it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    not carry (nested too deep); they are replayed as the frames that they came in.
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
class Reach:
    """How many connections one message goes to, which is what compressing once for all of them is worth.

    `source`: "capture" (counted: the same payload to several connections within `near_ms`); where there is one
    connection only, or no clock that tells what was sent at once, "users" (given) or "one" (nothing given).
    """

    per_message: float
    source: str
    deliveries: int
    broadcasts: int
    near_ms: float


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One choice of settings, replayed.

    `layers`: those that are on, of abbreviate, utf8, gzip, batch, deflate. `format`: the format the clients have to
    understand; 1 is any stock client. `changes`: the fields of `Settings` that differ from its defaults.
    Units: CPU in us for each message and each connection that gets it, the median of some rounds (`cpu_us` with a
    window of its own for each connection, `shared_cpu_us` with one for all of them; encoding is once for all in both);
    `cpu_spread` is by how much the rounds differed, as a share of the median; memory in bytes for each connection, by
    zlib's formula; added delay in ms, None without a clock or without batching.
    """

    label: str
    format: int
    layers: tuple[str, ...]
    changes: dict[str, Any]
    messages: int
    frames: int
    frame_bytes: int
    wire_bytes: int
    encode_us: float
    deflate_us: float
    cpu_us: float
    shared_cpu_us: float
    memory_bytes: int
    shared_memory_bytes: float
    delay_p50_ms: float | None = None
    delay_p95_ms: float | None = None
    cpu_spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """One figure of the settings at several values, all else as in the best of the sample.

    `field` is the name in `Settings`; `rows[i]` has `values[i]`.
    """

    field: str
    label: str
    unit: str
    values: tuple[float, ...]
    rows: tuple[ReplayRow, ...]


@dataclass(frozen=True, slots=True)
class LayerShare:
    """A layer's fair share (Shapley) of what all of them save on the sample; all shares add up to it."""

    layer: str
    saved_bytes: float


@dataclass(frozen=True, slots=True)
class EventCost:
    """What one event takes on the wire: with no layer, on a stock server, and as recommended.

    For what clients send, the three are: as it is, and twice with permessage-deflate offered by the client.
    """

    direction: str
    event: str
    messages: int
    off_bytes: int
    stock_bytes: int
    best_bytes: int


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
    strings and numbers of four characters and more; `*_bytes` are of their JSON.
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


@dataclass(frozen=True, slots=True)
class Floor:
    """What the strongest general compressors make of everything that the server sent, as one stream.

    No server can do it, since it would have to wait for the end; it tells how much is left to gain.
    `zstd_bytes` is None where the library is missing. `best_bytes` is the recommended settings' wire bytes.
    """

    payload_bytes: int
    xz_bytes: int
    zstd_bytes: int | None
    best_bytes: int


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """A short name for a key. `saved_bytes` counts the JSON of the sample, before any compression."""

    key: str
    short: str
    count: int
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Abbreviations that would pay on this traffic, as they would be sent (with `_v`, where shorter).

    Wire bytes of the sample: without abbreviation, with the built-in map, with this one; without compression and behind
    a 15-bit window. `pays_deflated` is the verdict that counts: whether it still takes off `worth_percent` there.
    """

    entries: tuple[Abbreviation, ...]
    plain_bytes: int
    plain_builtin_bytes: int
    plain_proposed_bytes: int
    deflated_bytes: int
    deflated_builtin_bytes: int
    deflated_proposed_bytes: int
    pays_plain: bool
    pays_deflated: bool
    worth_percent: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """What another server's own settings would send: the captured frames, as they are, through its deflate.

    `setting` is the text to paste; `source` says where the meaning of the option is written. `is_default`: what the
    server does by itself. `is_best`: of this server's, the one with the least memory within 2 % of the fewest bytes.
    """

    server: str
    setting: str
    note: str
    wire_bytes: int
    memory_bytes: int
    source: str
    is_default: bool
    is_best: bool


@dataclass(frozen=True, slots=True)
class SentRow:
    """What clients send, by their own permessage-deflate: the frames as captured, masked."""

    label: str
    messages: int
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class SharedWindow:
    """The recommended settings with one window for all connections, simulated on everything; rows are of one for each.

    `own_bytes` with a window for each, `shared_bytes` with one for those who are sent the same. `deflate_us`: CPU in us
    for each delivery with the shared one.
    """

    connections: int
    deliveries: int
    broadcasts: int
    own_bytes: int
    shared_bytes: int
    deflate_us: float


@dataclass(frozen=True, slots=True)
class Saving:
    """What the recommendation saves against the stock server, at the capture's rate.

    `*_per_day` are None without a clock. `price` is in whatever currency `price_per_gb` (10^9 bytes) was given in, for
    all `users`, each with one connection like the mean of these.
    """

    stock_bytes: int
    best_bytes: int
    stock_bytes_per_connection_day: float | None
    best_bytes_per_connection_day: float | None
    users: int | None
    price_per_gb: float | None
    saved_price_per_day: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Settings to paste: `source` evaluates to them (`eval(source, {"Settings": Settings})`).

    `row` is on everything. `wire_bytes` are the row's, or with one window for all who are sent the same, where that was
    simulated and is recommended. `reasons` are whole sentences.
    """

    source: str
    row: ReplayRow
    wire_bytes: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """`best` with our helper at the clients, `stock_clients` without: the same if format 2 is not worth it.

    `rule` is how it was chosen.
    """

    rule: str
    best: Choice
    stock_clients: Choice
    saving: Saving


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything an audit found.

    `whole`: the presets (labels "off", "stock", "seed", "recommended") and the choices ("best", "stock clients",
    "fewest bytes"), on everything. `subsets`, `sweeps`, `front`, `shares` and `field_map` are of the sample; `front`
    holds the rows of subsets and sweeps that no other beats in bytes and (beyond noise) in CPU, fewest bytes first.
    `shared`: only where the capture shows broadcasts to several connections, and not above 500 of them.
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
