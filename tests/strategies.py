"""Hypothesis strategies for all tests: JSON values with awkward keys, near misses of timestamps, layers, schedules.

In: nothing. Out: strategies, and the two words the laws are written in: `ALL_LAYERS` and `exactly`.
Never: asserts.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hypothesis
from hypothesis import HealthCheck
from hypothesis import strategies as st

from reznet_ws.message.fields import FIELD_MAP
from reznet_ws.settings import Settings

# Time per example says nothing on a busy machine.
hypothesis.settings.register_profile(
    "reznet",
    hypothesis.settings.default,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.settings.load_profile("reznet")

# Every subset of the layers that change a payload; gzip at its most eager.
ALL_LAYERS = [
    Settings(abbreviate=abbreviate, utf8=utf8, gzip=gzip, gzip_threshold_bytes=0, gzip_max_ratio=1.0)
    for abbreviate, utf8, gzip in itertools.product((False, True), repeat=3)
]


def exactly(value: Any) -> str:
    """Equal only for the same JSON value: 1, 1.0 and True differ, and so does another order of keys."""
    return repr(value)


def _as_json_has_it(text: str) -> str:
    """Two halves of a surrogate pair become their character, as in any JSON parser; lone surrogates stay."""
    restored = json.loads(json.dumps(text))
    assert isinstance(restored, str)
    return restored


# All of Unicode, lone surrogates included.
texts = st.text(st.characters(exclude_categories=()), max_size=20).map(_as_json_has_it)

SPECIAL_KEYS = [
    *FIELD_MAP,
    *FIELD_MAP.values(),
    *(f"~{key}" for key in FIELD_MAP),
    *(f"~{short}" for short in FIELD_MAP.values()),
    *("_v", "~_v", "~~_v", "gz", "~gz", "~~mid", "~", "~~", "", "e", "d", "batch", "messages", "num", "__proto__"),
]
keys = st.sampled_from(SPECIAL_KEYS) | texts

_moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_000))


def _exact(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


exact_timestamps = _moments.map(_exact)

NEAR_MISSES = [
    "2025-10-25T12:00:00Z",  # no milliseconds
    "2025-10-25T12:00:00.0Z",
    "2025-10-25T12:00:00.00Z",
    "2025-10-25T12:00:00.0000Z",
    "2025-10-25T12:00:00.000000Z",
    "2025-10-25T12:00:00.123456Z",
    "2025-10-25T12:00:00,000Z",
    "2025-10-25T12:00:00.000",  # no zone
    "2025-10-25T12:00:00.000z",
    "2025-10-25T12:00:00.000+00:00",
    "2025-10-25T12:00:00.000-00:00",
    "2025-10-25T12:00:00.000+02:00",
    "2025-10-25T12:00:00.000ZZ",
    "2025-10-25 12:00:00.000Z",  # no T
    "2025-10-25t12:00:00.000Z",
    "2025-10-25T12:00Z",
    "2025-10-25",
    "20251025T120000.000Z",
    "2025-W43-6T12:00:00.000Z",
    "2025-10-25T12:00:00.000Z\n",
    " 2025-10-25T12:00:00.000Z",
    "2025-10-25T12:00:00.000Z\x00",
    "2025-10-25T24:00:00.000Z",  # no such moment
    "2025-10-25T23:59:60.000Z",
    "2025-10-25T12:60:00.000Z",
    "2025-02-29T12:00:00.000Z",
    "2025-13-01T12:00:00.000Z",
    "2025-00-01T12:00:00.000Z",
    "0000-01-01T00:00:00.000Z",
    "10000-01-01T00:00:00.000Z",
    "+002025-10-25T12:00:00.000Z",
    "-000001-01-01T00:00:00.000Z",
    "２０２５-10-25T12:00:00.000Z",  # digits, but not ASCII's
    "٢٠٢٥-10-25T12:00:00.000Z",
    "1761393600000",
    "",
]
near_misses = st.one_of(
    st.sampled_from(NEAR_MISSES),
    _moments.map(datetime.isoformat),
    _moments.map(lambda moment: moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds")),
    st.builds(
        lambda moment, hours: moment.replace(tzinfo=timezone(timedelta(hours=hours))).isoformat(),
        _moments,
        st.integers(-12, 14),
    ),
    st.builds(  # an exact one with one character changed
        lambda text, at, other: text[:at] + other + text[at + 1 :],
        exact_timestamps,
        st.integers(0, 23),
        st.sampled_from("0123456789TZ:-. ٣"),
    ),
)
timestamps = exact_timestamps | near_misses

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**300), 2**300),  # 91 digits: engineio's parser takes 100
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    timestamps,
)


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    times = timestamps | values
    return st.builds(
        lambda entries, stamped: entries | stamped,
        st.dictionaries(keys, values, max_size=6),
        st.fixed_dictionaries({}, optional={"created_at": times, "updated_at": times}),
    )


def _nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(scalars, lambda values: st.lists(values, max_size=4) | _objects(values), max_leaves=12)


json_values = _nested(_scalars)
json_objects = _objects(json_values)
# With what Socket.IO sends as attachments.
values_with_bytes = _nested(_scalars | st.binary(max_size=20))
objects_with_bytes = _objects(values_with_bytes)
# Long and repetitive, so that gzip is worth it.
bulky_values = st.builds(
    lambda value, times: {"tasks": [value] * times, "message_id": value}, json_objects, st.integers(8, 40)
)
payloads = json_objects | json_values | bulky_values
payloads_with_bytes = objects_with_bytes | values_with_bytes | bulky_values

event_names = st.sampled_from(["message_new", "agent_status", "message_batch", 'quo"te', "событие", ""]) | texts
namespaces = st.sampled_from(["/", "/chat", "/a-1", "/7", "/чат"])


def name_layers(settings: Settings) -> str:
    """The layers that are on: a set's `repr` differs from process to process, and tests are told apart by it."""
    switches = [item.name for item in dataclasses.fields(Settings) if item.type == "bool"]
    return ",".join(name for name in switches if getattr(settings, name)) or "none"
