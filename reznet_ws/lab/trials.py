"""What is asked of a running lab: watch it for a while, try other settings, compare, hold it to a claim.

In: a lab. Out: measurements, comparisons, verdicts.
Never: leaves other settings behind than it found.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab import claims
from reznet_ws.lab.clients.fleet import Fleet
from reznet_ws.lab.clients.simulated import REPORT_INTERVAL_S
from reznet_ws.lab.measurement import Measurement
from reznet_ws.lab.meter import Meter
from reznet_ws.settings import Settings

if TYPE_CHECKING:
    from reznet_ws.lab.compared import Compared

# How long a delivery may be on its way before it counts as lost.
SETTLE_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.05
# The first messages find cold caches at both ends.
WARM_UP_S = 0.5


class Trials:
    """The part of a lab that is asked; `Lab` has the rest."""

    settings: Settings
    users: int

    if TYPE_CHECKING:

        @property
        def meter(self) -> Meter: ...
        @property
        def fleet(self) -> Fleet: ...
        @property
        def server(self) -> ServerThread: ...
        def talk(self, acting: bool) -> None: ...
        def reset(self) -> None: ...
        def measure(self) -> Measurement: ...
        def set_users(self, users: int | None = None) -> None: ...

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> None:
        """Wait for what was emitted until now; what has not arrived in time is lost.

        Of an application elsewhere: for what its users had got by now.
        """
        if not self.meter.sees_emissions:
            time.sleep(2 * REPORT_INTERVAL_S)
            return
        before_s = time.monotonic()
        while self.meter.on_their_way(before_s):
            if time.monotonic() > before_s + timeout_s:
                self.meter.give_up(before_s)
                return
            time.sleep(_LOOK_EVERY_S)

    def silence(self) -> None:
        """Stop the traffic and wait until all has arrived."""
        self.talk(False)
        self.settle()

    def observe(self, seconds: float = 2.0) -> Measurement:
        """Let everything go on for a while; what happened in it."""
        self.reset()
        time.sleep(seconds)
        self.settle()
        return self.measure()

    @contextlib.contextmanager
    def variant(self, **changes: Any) -> Iterator[Settings]:
        """Other settings for a while, as `lab.variant(deflate=False)`; counting starts anew. Raises: SettingsError."""
        before = self.settings
        self.settings = before.replace(**changes)
        try:
            self.settle()
            self.reset()
            yield self.settings
        finally:
            self.settings = before

    def compare(
        self, variants: Mapping[str, Settings | str | Mapping[str, Any]], *, rounds: int = 3, seconds: float = 1.0
    ) -> Compared:
        """Each variant under the same scenario, once a round, every round beginning with another.

        A variant is `Settings`, the name of a preset, or changes to the settings in force; the first is what the others
        are compared with. All users connect anew before each run, so that nobody's window holds another's messages.
        Raises: SettingsError, ValueError for less than one round, RuntimeError where the application runs elsewhere,
        AssertionError where nothing was delivered.
        """
        from reznet_ws.lab.compared import Compared
        from reznet_ws.lab.comparison import LoadRun, in_turn

        assert self.server  # or raises
        before = self.settings
        meant = {name: _settings(variant, before) for name, variant in variants.items()}
        runs = []
        try:
            for name in in_turn(list(meant), rounds):
                self._begin_anew(meant[name])
                time.sleep(WARM_UP_S)
                measured = self.observe(seconds)
                claims.check_delivered(measured)
                runs.append(LoadRun(name, measured))
        finally:
            self._begin_anew(before)
        return Compared(tuple(meant), tuple(runs))

    def _begin_anew(self, settings: Settings) -> None:
        users = self.users
        self.silence()
        self.set_users(0)
        self.settings = settings
        self.set_users(users)
        self.talk(True)

    def assert_lossless(self) -> Measurement:
        """Each message since the last reset arrived once, in order and as emitted; no drops, no call left unanswered.

        Raises: AssertionError that says what was measured, RuntimeError where the application runs elsewhere.
        """
        if not self.meter.sees_emissions:
            raise RuntimeError("the application runs elsewhere: what it emits is not known, so nor is what was lost")
        self.settle()
        measured = self.measure()
        claims.check_lossless(measured, self.meter.failures)
        return measured

    def assert_fewer_bytes(self, percent: float) -> Measurement:
        """At least so many percent fewer bytes than no layer at all would have sent for the same deliveries.

        Raises: AssertionError that says what was measured.
        """
        measured = self.measure()
        claims.check_fewer_bytes(measured, percent)
        return measured

    def assert_latency(
        self, *, p50_ms: float | None = None, p95_ms: float | None = None, p99_ms: float | None = None
    ) -> Measurement:
        """Percentiles from emit to handler are below their bounds; of an application elsewhere, of the users' calls.

        Raises: AssertionError that says what was measured, ValueError without a bound.
        """
        self.settle()
        measured = self.measure()
        claims.check_latency(measured, p50_ms=p50_ms, p95_ms=p95_ms, p99_ms=p99_ms)
        return measured

    def dashboard(self) -> Any:
        """The dashboard of this lab, which starts it if it does not run."""
        from reznet_ws.lab.dashboard.dashboard import Dashboard

        return Dashboard(self, start=True)  # type: ignore[arg-type]

    def theatre(self, lanes: int = 6, bytes_per_px: int = 1) -> Any:
        """The frames on their way to some clients of this lab, each a box of its true length; a click takes one apart.

        Raises: ValueError for more lanes than a stage has, or a scale that it has not.
        """
        from reznet_ws.lab.theatre.theatre import Theatre

        return Theatre(self, lanes, bytes_per_px)  # type: ignore[arg-type]


def _settings(variant: Settings | str | Mapping[str, Any], before: Settings) -> Settings:
    if isinstance(variant, Settings):
        return variant
    if isinstance(variant, str):
        if variant not in Settings.presets():
            raise ValueError(f"{variant!r} is no preset; there are {', '.join(Settings.presets())}")
        return Settings.presets()[variant]
    return before.replace(**variant)
