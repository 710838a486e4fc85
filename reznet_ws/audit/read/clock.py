"""What a moment in a capture means, told by its value: files say seconds, milliseconds, dates, or only the time of day.

In: numbers and texts. Out: ms, on one clock for each connection or log.
Never: changes its mind. The first moment decides what those after it mean; what had to be guessed is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

# In the year 33658. Sums and differences of what is below stay finite.
MAX_MOMENT_MS = 1e15
# What is within these is a date in seconds: 2015 to 2040. In milliseconds it would be 16 to 26 days.
_DATES_S = 1_420_070_400, 2_208_988_800
_UNITS_MS = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
_DAY_MS = 86_400_000
_HALF_DAY_MS = _DAY_MS // 2

_DATED = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[T _]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))? ?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_SYSLOG = re.compile(
    r"(?<![A-Za-z])(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}([0-9]{1,2}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME_OF_DAY = re.compile(
    r"(?<![0-9:.])([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?(?![0-9:]) ?([AaPp][Mm])?"
)
# `%(created)f` of Python's logging, and what `journalctl -o short-unix` writes.
_NUMBER = re.compile(r"(?<![0-9A-Za-z.,:_/-])([0-9]{10}(?:[.,][0-9]{1,9})?|[0-9]{13}|[0-9]{16}|[0-9]{19})(?![0-9.,:])")
# As the kernel writes it, and `journalctl -o short-monotonic`.
_SINCE_START = re.compile(r"\[ *([0-9]{1,9}\.[0-9]{3,9})\]")


def unit_of_date(value: float) -> str | None:
    """In which unit a number is a moment since 1970; None where it is no date of these decades."""
    low, high = _DATES_S
    for unit, ms in _UNITS_MS.items():
        if low <= value * ms / 1e3 <= high:
            return unit
    return None


def parse_date(text: str) -> float | None:
    """The first date with a time in a text, in ms since 1970; without a zone it counts as UTC."""
    found = _DATED.search(text)
    if found is None:
        return None
    year, month, day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone or ''}")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


class ValueClock:
    """The moments of one connection, as numbers or dates. `unit`: what its numbers are where they are no dates."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._decided: str | None = None

    @property
    def guess(self) -> str | None:
        """What the first number was taken for, if that is not what the file's format says."""
        if self._decided is None or self._decided == self._unit:
            return None
        return f"its moments are {self._decided} since 1970 by their size, not {self._unit}, and are read as that"

    def ms(self, value: Any) -> float | None:
        """The moment in ms, None for what is none."""
        if isinstance(value, str):
            return parse_date(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e20:
            return None
        if self._decided is None:
            self._decided = unit_of_date(value) or self._unit
        moment_ms = float(value) * _UNITS_MS[self._decided]
        return moment_ms if abs(moment_ms) <= MAX_MOMENT_MS else None


class LogClock:
    """The moments of one log, from what stands in front of a message or in the fields beside it.

    Of several ways that the first lines tell the time, the most exact is taken for all lines.
    """

    def __init__(self) -> None:
        self._kind: str | None = None
        self._has_zone = False
        self._before_ms = 0.0
        self._days = 0

    @property
    def guess(self) -> str | None:
        """What is not in the log and was supplied."""
        if self._kind is not None and self._kind.startswith("time of day"):
            return "its lines have no date: where the time of day goes back, a day has passed"
        if self._kind is not None and self._kind.startswith("since start"):
            return "its times are seconds since a start that is not known"
        return None

    def ms(self, prefix: str, beside: Iterable[Any] = ()) -> float | None:
        """The moment of a line: `prefix` is text, `beside` are values of fields that name a time."""
        if self._kind in ("date", "date, exact"):  # most logs; the other ways need not be looked for
            dates = list(_DATED.finditer(prefix))
            if not dates and self._has_zone:  # a collector's may stand in, if both say where they are
                dates = [date for text in beside if isinstance(text, str) for date in _DATED.finditer(text) if date[6]]
            return parse_date(dates[-1][0]) if dates else None
        moments = self._moments(prefix, beside)
        if self._kind is None and moments:
            self._kind = max(moments, key=_exactness)
            self._has_zone = any(date[6] for date in _DATED.finditer(prefix))
        at_ms = moments.get(self._kind) if self._kind else None
        if at_ms is None or self._kind is None:
            return None
        if self._kind.startswith(("time of day", "syslog")):
            at_ms = self._on_later_days(at_ms)
        return at_ms

    def _on_later_days(self, at_ms: float) -> float:
        """Without a date, or a year, what goes back by half a day is of another day."""
        at_ms += self._days * _DAY_MS
        if at_ms < self._before_ms - _HALF_DAY_MS:
            assert self._kind is not None
            days = 366 if self._kind.startswith("syslog") else 1
            self._days += days
            at_ms += days * _DAY_MS
        self._before_ms = at_ms
        return at_ms

    def _moments(self, prefix: str, beside: Iterable[Any]) -> dict[str, float]:
        found = _in_text("", prefix)
        for value in beside:
            if isinstance(value, str):
                found = {**_in_text(" beside", value), **found}
            elif isinstance(value, (int, float)) and not isinstance(value, bool) and (unit := unit_of_date(value)):
                found.setdefault("number beside, exact", value * _UNITS_MS[unit])
        return found


def _in_text(where: str, text: str) -> dict[str, float]:
    """Each way in which a text tells the time. The last date counts: it stands nearest to the message."""
    found: dict[str, float] = {}
    for dated in _DATED.finditer(text):
        if (at_ms := parse_date(dated[0])) is not None:
            found[f"date{where}{', exact' if dated[5] else ''}"] = at_ms
    for number in _NUMBER.finditer(text):
        value = float(number[1].replace(",", "."))
        if unit := unit_of_date(value):
            found[f"number{where}, exact"] = value * _UNITS_MS[unit]
    for syslog in _SYSLOG.finditer(text):
        day = datetime(1972, _MONTHS.index(syslog[1]) + 1, 1, tzinfo=UTC).timestamp() * 1000
        day += (int(syslog[2]) - 1) * _DAY_MS
        exact = ", exact" if syslog[6] else ""
        found[f"syslog{where}{exact}"] = day + _of_day_ms(syslog[3], syslog[4], syslog[5], syslog[6], None)
    for time in _TIME_OF_DAY.finditer(text):
        if int(time[1]) > 23 or int(time[2]) > 59 or int(time[3]) > 60:
            continue
        exact = ", exact" if time[4] else ""
        found[f"time of day{where}{exact}"] = _of_day_ms(*time.groups())
    for start in _SINCE_START.finditer(text):
        found[f"since start{where}, exact"] = float(start[1]) * 1000
    return found


def _of_day_ms(hours: str, minutes: str, seconds: str, fraction: str | None, half: str | None) -> float:
    hour = int(hours) % 12 + 12 * (half.lower() == "pm") if half else int(hours)
    return ((hour * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + float(f"0.{fraction or 0}") * 1000


def _exactness(kind: str) -> tuple[bool, int]:
    """With a fraction of a second before without; a date before none; the application's own before its keeper's."""
    order = ("since start", "time of day", "syslog", "number", "date")
    rank = next(at for at, name in enumerate(order) if kind.startswith(name))
    return "exact" in kind, 2 * rank - ("beside" in kind)
