"""What a lab is put under: how many users there are and what they are like, how much is said, and to whom.

In: figures, also while the lab runs. Out: users and agents that follow them.
Never: starts or stops the lab.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.demo.topologies import Topology
from reznet_ws.lab.clients.fleet import Fleet, Progress
from reznet_ws.lab.clients.mixture import Shares, check_shares
from reznet_ws.lab.scenario import Scenario
from reznet_ws.lab.site import Site


class Load:
    """The part of a lab that decides what goes on in it; `Lab` has the rest."""

    site: Site
    users: int
    rate_per_s: float
    mix: str
    seed: int
    topology: Topology
    formats: Shares
    _fleet: Fleet | None
    _scenario: Scenario
    _elsewhere: str | None
    _plays: int

    if TYPE_CHECKING:

        @property
        def server(self) -> ServerThread: ...
        @property
        def fleet(self) -> Fleet: ...

    @property
    def scenario(self) -> Scenario:
        """What the users do; assigning another with other figures makes running ones follow those."""
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._scenario = scenario
        if self._fleet is not None:
            self._fleet.follow(scenario)

    def set_traffic(
        self, *, rate_per_s: float | None = None, mix: str | None = None, topology: Topology | None = None
    ) -> None:
        """Change what the demo's agents do and to whom, from the workload's beginning; a rate of 0 silences them."""
        self.rate_per_s = self.rate_per_s if rate_per_s is None else rate_per_s
        self.mix, self.topology = mix or self.mix, topology or self.topology
        simulation = self.site.simulation
        assert simulation is not None, "the agents talk in the demo only"
        if self.rate_per_s == 0:
            self.server.call(simulation.stop)
        else:
            # Another seed each time: what was played before is still in the deflate windows, and would cost nothing.
            seed, self._plays = self.seed + self._plays, self._plays + 1
            figures: dict[str, Any] = {"rate_per_s": self.rate_per_s, "mix": self.mix, "topology": self.topology}
            self.server.call(lambda: simulation.start(seed=seed, **figures))

    def set_users(
        self, users: int | None = None, progress: Progress | None = None, *, formats: Shares | None = None
    ) -> None:
        """Connect or disconnect users until there are as many; who is to speak another format connects anew.

        `formats`: shares by name, see `FORMATS`; what they leave is abbreviated. Raises: ValueError.
        """
        if formats is not None:
            self.formats = check_shares(formats)
        self.users = self.users if users is None else users
        if (fleet := self._fleet) is not None:
            fleet.resize(self.users, self.formats)
            fleet.wait(progress=progress)

    def set_churn(self, percent_per_s: float) -> None:
        """Let so many percent of the users go and come back every second."""
        self.scenario = dataclasses.replace(self.scenario, churn=self.users * percent_per_s / 100)

    def talk(self, acting: bool) -> None:
        """Let the users act and the demo's agents talk, or nobody."""
        self.fleet.act(acting)
        simulation = None if self._elsewhere is not None else self.site.simulation
        if simulation is not None:
            if acting:
                self.set_traffic()
            else:
                self.server.call(simulation.stop)
