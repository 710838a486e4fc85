"""One server process and two, and what a hundred thousand clients would take on paper.

In: clients in rooms, and a rate. Out: tables: what was measured, and what follows from it.
Never: passes what was worked out off for measured.

The paper's model: a delivery costs what it costs in one process. With several, each process also reads every message
that any of them emits, to any room, and that does not become less by adding processes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cluster import Cluster, cluster
from benchmarks.results_report import markdown_table
from benchmarks.visitors import Visitor

_DEADLINE_S = 60.0
# Of a processor, at most: what is left over is for joins, peaks and garbage.
_BUSY = 0.6
_GB = 1_000_000_000
# Through Redis for each message, where messages go there at all; to ask for its figures takes some too.
_LEAST_BYTES = 100


@dataclass(frozen=True)
class Scale:
    """What one number of processes took. Units: seconds of processors, bytes."""

    processes: int
    clients: int
    emissions: int
    deliveries: int
    cpu_s: float
    redis_cpu_s: float
    redis_bytes: float
    connection_bytes: float

    @property
    def delivery_us(self) -> float:
        """Of server processes' time, for each delivery."""
        return self.cpu_s / self.deliveries * 1e6


def scale(
    clients: int, sizes: Sequence[int], rate_per_s: float, seconds: float, rounds: int, told: Callable[[str], None]
) -> str:
    """Run it, in rooms of each size; the report."""
    lines: list[str] = []
    for per_room in sizes:
        rooms = 0 if per_room == 1 else max(1, clients // per_room)
        found: dict[int, list[Scale]] = {1: [], 2: []}
        for number in range(rounds):
            for processes, runs in found.items():
                with cluster(processes, rooms=rooms, recovery=False) as servers:
                    runs.append(asyncio.run(_measure(servers, clients, rooms, rate_per_s, seconds)))
                done = f"rooms of {per_room}, round {number + 1}, {processes} of 2"
                told(f"{done}: {runs[-1].delivery_us:.1f} µs a delivery")
        one, two = (min(runs, key=lambda run: run.cpu_s) for runs in found.values())
        title = f"Rooms of {per_room}:" if rooms else "A stream for each client, emitted by the server that has it:"
        lines += [title, "", *_measured(one, two), "", *_paper(one, two, per_room), ""]
    return "\n".join(lines)


def _due(clients: int, rooms: int, count: int) -> int:
    """The deliveries of so many messages, to one room after the other."""
    members = [len(range(room, clients, rooms)) for room in range(rooms)]
    return sum(members[number % rooms] for number in range(count))


def _deliveries(visitors: Sequence[Visitor]) -> int:
    return sum(len(visitor.orders) for visitor in visitors)


async def _measure(servers: Cluster, clients: int, rooms: int, rate_per_s: float, seconds: float) -> Scale:
    before_bytes = sum(server.resident_bytes for server in servers.servers)
    chance = random.Random(1)
    visitors = [Visitor(number, servers.port, chance, 1.0) for number in range(clients)]
    visiting = [asyncio.create_task(visitor.visit()) for visitor in visitors]
    try:
        await asyncio.wait_for(asyncio.gather(*(visitor.is_in.wait() for visitor in visitors)), _DEADLINE_S)
        await asyncio.sleep(1)  # a server listens to the others once its first client has come
        connection_bytes = (sum(server.resident_bytes for server in servers.servers) - before_bytes) / clients
        redis_before, cpu_before = servers.redis_figures(), [server.cpu_ns for server in servers.servers]
        count = round(rate_per_s * seconds / len(servers.servers))
        for server in servers.servers:
            server.emit(rate_per_s / len(servers.servers), count)
        for server in servers.servers:
            await asyncio.to_thread(server.emitted)
        emissions = count * len(servers.servers)
        due = emissions if not rooms else _due(clients, rooms, count) * len(servers.servers)
        until_s = time.monotonic() + _DEADLINE_S
        while (got := _deliveries(visitors)) < due and time.monotonic() < until_s:  # noqa: ASYNC110 (many, one end)
            await asyncio.sleep(0.05)
        cpu_ns = sum(server.cpu_ns - before for server, before in zip(servers.servers, cpu_before, strict=True))
        redis_after = servers.redis_figures()
    finally:
        for task in visiting:
            task.cancel()
        await asyncio.gather(*visiting, return_exceptions=True)
    if got != due:
        raise ValueError(f"{due} deliveries were due, and {got} came")
    return Scale(
        len(servers.servers),
        clients,
        emissions,
        got,
        cpu_ns / 1e9,
        redis_after["cpu_s"] - redis_before["cpu_s"],
        redis_after["bytes"] - redis_before["bytes"],
        connection_bytes,
    )


def _measured(one: Scale, two: Scale) -> list[str]:
    names = ["", "1 process", "2 processes"]
    rows = [
        ["clients", *(f"{run.clients:,}" for run in (one, two))],
        ["messages emitted", *(f"{run.emissions:,}" for run in (one, two))],
        ["deliveries", *(f"{run.deliveries:,}" for run in (one, two))],
        ["CPU of the servers, s", *(f"{run.cpu_s:.2f}" for run in (one, two))],
        ["CPU a delivery, µs", *(f"{run.delivery_us:.1f}" for run in (one, two))],
        ["CPU of Redis a message, µs", "", f"{two.redis_cpu_s / two.emissions * 1e6:.1f}"],
        ["bytes through Redis a message", "", f"{two.redis_bytes / two.emissions:,.0f}"],
        ["memory a connection, KB", *(f"{run.connection_bytes / 1000:.0f}" for run in (one, two))],
        [
            "deliveries that the processors could make, against one",
            "1.00",
            f"{2 * one.delivery_us / two.delivery_us:.2f}",
        ],
    ]
    return markdown_table([names, *rows])


def _paper(one: Scale, two: Scale, per_room: int) -> list[str]:
    """100,000 clients, each of which is due so many messages a second."""
    clients = 100_000
    delivery_s = one.cpu_s / one.deliveries
    # A stream for one client goes to no other process; what two took more or less is what they take anyway.
    is_published = two.redis_bytes > _LEAST_BYTES * two.emissions
    message_s = max(0.0, two.cpu_s - one.cpu_s) / two.emissions if is_published else 0.0
    redis_s, redis_bytes = (
        (two.redis_cpu_s / two.emissions, two.redis_bytes / two.emissions) if is_published else (0, 0)
    )
    names = [
        "each client is due",
        "messages a second",
        "processes",
        "memory, GB",
        "through Redis, MB/s",
        "CPU of Redis",
    ]
    rows = []
    for each_s in (0.1, 0.5, 1.0, 2.0, 5.0):
        messages_s = clients * each_s / per_room
        # processes × busy = deliveries × delivery + processes × messages × message
        left = _BUSY - messages_s * message_s
        processes = clients * each_s * delivery_s / left if left > 0 else float("inf")
        processes = max(1.0, processes)
        whole = f"{-(-processes // 1):,.0f}" if processes < 10_000 else "no number is enough"
        # Redis sends each message to each process; measured with two.
        fan_out = (1 + processes) / 3
        rows.append(
            [
                f"{each_s:g} a second",
                f"{messages_s:,.0f}",
                whole,
                f"{clients * one.connection_bytes / _GB:.1f}",
                f"{messages_s * redis_bytes * fan_out / 1e6:,.1f}" if processes < 10_000 else "",
                f"{messages_s * redis_s * fan_out:.2f}" if processes < 10_000 else "",
            ]
        )
    end = (
        f"A message costs every process {message_s * 1e6:.0f} µs more where there are several. So it ends at "
        f"{_BUSY / message_s:,.0f} messages a second in all, whatever the number of processes."
        if message_s
        else "No message goes to another process, so there is no such end."
    )
    title = (
        f"100,000 clients in rooms of {per_room}" if per_room > 1 else "100,000 clients, each with a stream of its own"
    )
    busy = f"a process is busy for {_BUSY:.0%} of the time at most"
    return [f"{title}, on paper; {busy}:", "", *markdown_table([names, *rows]), "", end]
