"""Every toggle and figure of the layers, in one frozen record.

In: keyword arguments. Out: a checked, immutable `Settings`, swapped whole by whoever holds it.
Never: reads files or the environment, applies anything.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self


class SettingsError(ValueError):
    """A value that a field of `Settings` does not take; names the field, the value and the bounds."""


def _switch(default: bool, label: str) -> Any:
    return field(default=default, metadata={"label": label})


def _figure(default: float, low: float, high: float, label: str, unit: str = "") -> Any:
    return field(default=default, metadata={"label": label, "low": low, "high": high, "unit": unit})


def _limit(default: float, low: float, high: float, label: str, unit: str = "") -> Any:
    """A figure that protects a server; the lab, whose clients behave, does not show it."""
    return field(default=default, metadata={"label": label, "low": low, "high": high, "unit": unit, "is_limit": True})


def _names(default: frozenset[str], label: str) -> Any:
    return field(default=default, metadata={"label": label})


def _rules(label: str) -> Any:
    return field(default=(), metadata={"label": label})


@dataclass(frozen=True, slots=True)
class Latest:
    """An event of which only the newest counts, for each value of some fields of its data.

    `key`: their names, one or several, or none where the event can be about one thing only: `Latest("price",
    "symbol")`, `Latest("presence", ("room", "user"))`, `Latest("viewers")`.
    """

    event: str
    key: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.key,) if isinstance(self.key, str) else self.key
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in (self.event, *names)):
            raise SettingsError(f"{self!r}: not the name of an event, and a name or a tuple of names")


@dataclass(frozen=True, slots=True)
class Join:
    """An event that carries a piece of a text: pieces that travel in one batch are joined to one event.

    `text`: the field with the piece. All other fields must be equal, but for those in `newest`, which are as they were
    last: `Join("message_stream", "chunk", newest=("seq", "is_final"))`.
    """

    event: str
    text: str
    newest: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.newest,) if isinstance(self.newest, str) else self.newest
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in (self.event, self.text, *names)):
            raise SettingsError(f"{self!r}: not the names of an event and of fields")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What each layer does; the defaults are what measured best.

    Units: as the field's suffix says; `field.metadata` holds the label, the unit and the bounds, from which the
    dashboard builds its widgets. Raises: SettingsError.
    """

    # Layer 1, and the JSON codec that all formats share.
    abbreviate: bool = _switch(True, "abbreviate keys and timestamps")
    utf8: bool = _switch(True, r"send UTF-8 where JSON would escape it as \uXXXX")

    # Layer 2. As in Node's ws, the threshold counts only without takeover (websockets/ws, lib/sender.js).
    deflate: bool = _switch(True, "permessage-deflate")
    deflate_window_bits: int = _figure(15, 9, 15, "window", "bits")
    # A compressor takes 2 ** (window + 2) + 2 ** (memory level + 9) bytes (zlib's zconf.h), one for each connection: at
    # 15 bits the levels 6 to 9 differ by 224 KB and hardly in what they send.
    deflate_mem_level: int = _figure(6, 1, 9, "memory level")
    deflate_takeover: bool = _switch(True, "context takeover")
    deflate_threshold_bytes: int = _figure(1024, 0, 1_048_576, "threshold without takeover", "bytes")
    # Off: the handshake grants exactly the figures above. On: it grants the most a client offers, so that every figure
    # can change while clients are connected.
    deflate_adjustable: bool = _switch(False, "figures may change for running connections")

    # Layer 5: who is sent the same shares one compressor, instead of one for each connection.
    deflate_shared: bool = _switch(True, "one window for all who are sent the same")
    # A compressor takes 48 to 160 KB and is made anew in 8 to 40 us; the busiest are kept, 8 KB for each connection and
    # so much for all at most. 60 in use take 21 us a message where one made anew takes 36; 300, 29 MB, take 39: the
    # processor's caches hold them no longer.
    deflate_kept_bytes: int = _figure(8_388_608, 0, 1_073_741_824, "compressors kept, at most", "bytes")
    # Tokens and other secrets: compressed together with text that somebody else can choose, their size would tell. The
    # answers to a client's events of these names neither.
    never_compress: frozenset[str] = _names(frozenset(), "events that are never compressed")

    # Format 3, for clients that ask for it. What those who were sent the same hold is kept once; each has these bounds,
    # which are at most what a client holds, and beyond which messages travel plain or all begin anew.
    rows: bool = _switch(True, "rows: only what changed since a message like it")
    # A sign of 80 names a shape. 32 rows, since 8 lose streams that are interleaved.
    rows_shapes: int = _figure(80, 1, 80, "shapes of messages", "shapes")
    rows_per_shape: int = _figure(32, 1, 32, "rows of each shape", "rows")
    # At 262,144 a busy chat begins anew so often that it costs 1.5 % of its bytes; all of it takes about 2.5 MB here.
    rows_kept_chars: int = _figure(1_048_576, 65_536, 4_194_304, "text of all rows, at most", "characters")
    # 100 MB. Where there are many audiences, each has a part of it, and those that nobody is sent anything begin anew.
    rows_all_chars: int = _limit(
        33_554_432, 1_048_576, 4_294_967_296, "text of the rows of all audiences, at most", "characters"
    )
    # Repeats from beyond deflate's window, as of documents; off, since it takes its figure and 1 MB for each audience.
    far_references: bool = _switch(False, "references to what was sent long ago")
    far_chars: int = _figure(4_194_304, 65_536, 4_194_304, "text that can be referred to, at most", "characters")

    # Format m, for clients that ask for it; they should be those without permessage-deflate, behind which it saves 2 %.
    message_pack: bool = _switch(True, "MessagePack for clients that ask for it")

    # Off: what `schemas=` was given is not looked at; its marks of what is never compressed stay.
    schemas: bool = _switch(True, "events are held to their schemas")

    # `send_snapshot`, to clients that say what they hold; nothing else is ever kept.
    snapshots: bool = _switch(True, "snapshots that a client holds are named, and not sent again")

    # Layer 3. gzip in front of permessage-deflate costs bytes: deflate cannot find what repeats between messages.
    gzip: bool = _switch(False, "gzip large payloads")
    gzip_threshold_bytes: int = _figure(10_240, 0, 1_048_576, "threshold", "bytes")
    gzip_level: int = _figure(6, 1, 9, "level")
    gzip_max_ratio: float = _figure(0.9, 0.05, 1.0, "kept only below this share of the size")

    # Layer 4.
    # Off: batching makes small messages wait, 25 ms on average at 50, and behind a window that is carried over it saves
    # little that somebody would wait for. With it alone 150 users had p50 and p95 of 26 and 57 ms, 1.6 and 1.4 times
    # stock's 16 and 39 (three interleaved rounds on a quiet machine); on a busy one its p95 was 112 ms, where at most
    # 100 is asked for. `python -m benchmarks latency` measures it anew.
    batch: bool = _switch(False, "batch small messages")
    batch_window_ms: float = _figure(50, 1, 1000, "window", "ms")
    batch_max_messages: int = _figure(10, 1, 1000, "messages per batch")
    batch_max_bytes: int = _figure(2048, 0, 1_048_576, "largest message that waits", "bytes")
    batch_events: frozenset[str] = _names(
        frozenset({"agent_status", "message_stream", "user_typing"}), "events that may wait"
    )

    # Presence, prices, counters: of those that wait in a batch or for a slow reader the older is dropped.
    latest: tuple[Latest, ...] = _rules("events of which only the newest counts")

    # Tokens that stream: pieces in one batch as one, of which the handler gets one event.
    join: tuple[Join, ...] = _rules("events whose texts may be joined within a batch")

    # What is due to one connection within these ms leaves in one write, while the server is busy; else at once.
    coalesce_ms: float = _figure(5, 0, 100, "writes wait for one another, at most", "ms")

    # A reader slower than what it is sent: its queue may take so much memory, then its connection is closed with 1013,
    # so that the client connects again; or, where newer messages make up for older ones, it misses some.
    max_queued_bytes: int = _limit(67_108_864, 65_536, 1_073_741_824, "queued for one connection, at most", "bytes")
    # And all queues of the server together; who holds most is closed first. What several wait for is held once.
    max_held_bytes: int = _limit(134_217_728, 1_048_576, 1 << 40, "held by all queues, at most", "bytes")
    skip_slow_readers: bool = _switch(False, "a slow reader misses messages instead of its connection")

    # What a client may ask for; 0 is off. A connection takes about 50 KB. Behind a proxy that does not say whose a
    # request is (uvicorn's --forwarded-allow-ips), all clients have one address. Who is too fast is closed with 1008.
    max_connections: int = _limit(65_536, 0, 10_000_000, "connections, at most")
    max_connections_per_address: int = _limit(0, 0, 10_000_000, "connections from one address, at most")
    max_joins_per_s: int = _limit(100, 0, 1_000_000, "namespaces that a client joins in a second, at most")
    max_events_per_s: int = _limit(0, 0, 1_000_000, "events from a client in a second, at most")
    # Node's Socket.IO gives 45 s (connectTimeout).
    join_timeout_s: float = _limit(25, 0, 3600, "a client joins a namespace within", "s")
    # As nginx (client_header_timeout) and Node (headersTimeout) have it; uvicorn waits for ever.
    header_timeout_s: float = _limit(60, 0, 3600, "a request's headers come within", "s")

    # A server that stops says 1012 to a client once all that it is due is written; a slow reader may take so long.
    # Docker kills after 10 s, Kubernetes after 30. Clients come back at once, and would do so together where they are
    # told together: the goodbyes may be spread.
    stop_deadline_s: float = _limit(5, 0, 600, "when the server stops, a reader may take", "s")
    stop_drain_s: float = _limit(0, 0, 3600, "when the server stops, goodbyes are spread over", "s")

    # Errors that name the path to what JSON lacks, in place of what the codec itself raises or writes.
    strict_json: bool = _switch(False, "refuse NaN, keys that are no strings, and deep nesting, naming the path")

    # A client's binary event with more attachments closes its connection: each is held until the last has come.
    max_attachments: int = _limit(1000, 1, 1_000_000, "attachments of one event from a client, at most")

    log_threshold_bytes: int = _figure(1024, 0, 1_073_741_824, "payloads logged above", "bytes")

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            _check(item, getattr(self, item.name))

    def replace(self, **changes: Any) -> Self:
        """The same record with some fields changed. Raises: SettingsError, also for a name that is no field."""
        known = {item.name for item in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise SettingsError(f"{name}: no such setting; there are {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)

    @classmethod
    def off(cls) -> Self:
        """No layer at all: the baseline of the requirement's 40 %."""
        return cls(
            abbreviate=False,
            utf8=False,
            deflate=False,
            deflate_shared=False,
            gzip=False,
            batch=False,
            rows=False,
            message_pack=False,
            snapshots=False,
            schemas=False,
        )

    @classmethod
    def stock(cls) -> Self:
        """python-socketio on uvicorn as they come: the one to beat.

        Source: uvicorn 0.54, protocols/websockets/websockets_sansio_impl.py (12-bit window, memory level 5, takeover).
        """
        return cls.off().replace(deflate=True, deflate_window_bits=12, deflate_mem_level=5)

    @classmethod
    def seed(cls) -> Self:
        """What is usually advised, taken literally: all four layers, deflate only above 1 KB, without takeover.

        Source: docs/usual-advice.md says where each figure comes from.
        """
        return cls(
            utf8=False,
            deflate_takeover=False,
            gzip=True,
            batch=True,
            batch_events=frozenset({"agent_status", "user_typing"}),
            rows=False,
            message_pack=False,
            snapshots=False,
            schemas=False,
        )

    @classmethod
    def recommended(cls) -> Self:
        """What measured best; the same as `Settings()`."""
        return cls()

    @classmethod
    def presets(cls) -> dict[str, Self]:
        """Name -> preset, in the order in which the notebooks compare them."""
        return {
            "off": cls.off(),
            "stock": cls.stock(),
            "seed": cls.seed(),
            "recommended": cls.recommended(),
        }


def _check(item: dataclasses.Field[Any], value: Any) -> None:
    name, meta = item.name, item.metadata
    if item.type == "frozenset[str]":
        if not isinstance(value, frozenset) or not all(isinstance(event, str) for event in value):
            raise SettingsError(f"{name}: {value!r} is not a frozenset of event names")
    elif item.type.startswith("tuple["):
        kind = {"latest": Latest, "join": Join}[name]
        if not isinstance(value, tuple) or not all(isinstance(rule, kind) for rule in value):
            raise SettingsError(f"{name}: {value!r} is not a tuple of {kind.__name__}")
        if len({rule.event for rule in value}) < len(value):
            raise SettingsError(f"{name}: {value!r} names an event twice")
    elif "low" not in meta:
        if not isinstance(value, bool):
            raise SettingsError(f"{name}: {value!r} is not True or False")
    else:
        whole = item.type == "int"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise SettingsError(f"{name}: {value!r} is not a {'whole ' if whole else ''}number")
        if not meta["low"] <= value <= meta["high"]:
            raise SettingsError(
                f"{name}: {value!r} is not within {meta['low']} to {meta['high']} {meta['unit']}".rstrip()
            )
