"""What a replay found, in records: a row for each choice of settings, what was chosen, and what else there is.

In: nothing. Out: frozen records of numbers, texts and tuples.
Never: holds what a message said, as `findings.py` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One choice of settings, replayed.

    `layers`: those that are on, of abbreviate, utf8, gzip, batch, deflate. `format`: the format the clients have to
    understand; 1 is any stock client. `changes`: the fields of `Settings` that differ from its defaults.
    Units: CPU in us for each message and each connection that gets it, the median of some rounds (`cpu_us` with a
    window of its own for each connection, `shared_cpu_us` with one for all of them; encoding is once for all in both);
    `cpu_spread` is by how much the rounds differed, as a share of the median; memory in bytes for each connection, by
    zlib's formula; added delay in ms, None without a clock or without batching. `is_shared`: these settings have one
    window for all who are sent the same; a stock server has not.
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
    is_shared: bool = False

    @property
    def taken_us(self) -> float:
        """CPU for each message and receiver, as these settings have their windows."""
        return self.shared_cpu_us if self.is_shared else self.cpu_us

    @property
    def held_bytes(self) -> float:
        """Memory for each connection, as these settings have their windows."""
        return self.shared_memory_bytes if self.is_shared else self.memory_bytes


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
class FormatRow:
    """Everything that the server sent in one format, message by message, each connection with a window of its own.

    `way`: text, rows, rows with far references, MessagePack; `format`: what a client asks for (`?reznet=`). Units: wire
    bytes without compression, and behind permessage-deflate as our settings begin with it.
    """

    way: str
    format: str
    bare_bytes: int
    deflated_bytes: int


@dataclass(frozen=True, slots=True)
class Superseded:
    """How many messages of an event another one follows on the same connection within `window_ms`.

    `latest=` would drop as many at most: a key may tell apart what they are about, and some do not wait.
    """

    event: str
    messages: int
    superseded: int
    window_ms: float


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
    for each delivery with the shared one; `memory_bytes`: the most that was held for each connection, messages that
    histories refer to and compressors that are kept.
    """

    connections: int
    deliveries: int
    broadcasts: int
    own_bytes: int
    shared_bytes: int
    deflate_us: float
    memory_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Today:
    """What the captured server sends now, by what its handshakes granted: `grant` in words.

    `handshakes`: how many connections have theirs in the capture; the others are taken to have got the same.
    `wire_bytes`: the captured frames through that grant; `measured_bytes`: what was on the wire, where the capture has
    it.
    """

    grant: str
    handshakes: int
    connections: int
    is_deflated: bool
    wire_bytes: int
    measured_bytes: int | None = None


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

    `rule` is how it was chosen. `gains`: whether the best saves as much of stock's bytes as counts; else stock's own
    are to be kept.
    """

    rule: str
    best: Choice
    stock_clients: Choice
    saving: Saving
    gains: bool = True
