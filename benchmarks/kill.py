"""One of two servers is killed: what becomes of its clients?

In: how many clients, and what is emitted. Out: lines of text: lost, doubled, overtaken, and how long it took.
Never: decides; it prints.

Clients wait as socket.io-client does before they connect again, 0.5 to 1.5 s; what comes on top of that is ours.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable

import socketio

from benchmarks.cluster import Cluster, cluster, text
from benchmarks.results_report import markdown_table
from benchmarks.visitors import Visitor
from reznet_ws.emitter import Emitter

_DEADLINE_S = 60.0


def kill(clients: int, rate_per_s: float, seconds: float, delay_s: float, told: Callable[[str], None]) -> str:
    """Run it; the report."""
    with cluster(2, rooms=1, recovery=True) as servers:
        return asyncio.run(_watch(servers, clients, rate_per_s, seconds, delay_s, told))


async def _watch(
    servers: Cluster, clients: int, rate_per_s: float, seconds: float, delay_s: float, told: Callable[[str], None]
) -> str:
    chance = random.Random(1)
    visitors = [Visitor(number, servers.port, chance, delay_s) for number in range(clients)]
    visiting = [asyncio.create_task(visitor.visit()) for visitor in visitors]
    await asyncio.wait_for(asyncio.gather(*(visitor.is_in.wait() for visitor in visitors)), _DEADLINE_S)
    told(f"{clients} clients joined")
    manager = socketio.AsyncRedisManager(servers.redis_url, channel=servers.channel, write_only=True)
    emitter = Emitter(manager, recovery=True)
    count = round(rate_per_s * seconds)

    async def emit() -> None:
        began_s = time.monotonic()
        for order in range(count):
            await emitter.broadcast("message_new", {"order": order, "content": text(chance)}, room="room-0")
            await asyncio.sleep(max(0.0, began_s + (order + 1) / rate_per_s - time.monotonic()))

    emitting = asyncio.create_task(emit())
    await asyncio.sleep(seconds / 3)
    servers.servers[0].kill()
    killed_s, cpu_ns = time.monotonic(), servers.servers[1].cpu_ns
    told("one server was killed")
    await emitting
    until_s = time.monotonic() + _DEADLINE_S
    while any(len(visitor.orders) < count for visitor in visitors) and time.monotonic() < until_s:  # noqa: ASYNC110 (many clients, one end)
        await asyncio.sleep(0.05)
    for task in visiting:
        task.cancel()
    await asyncio.gather(*visiting, return_exceptions=True)
    await emitter.close()
    return _report(visitors, count, killed_s, (servers.servers[1].cpu_ns - cpu_ns) / 1e9)


def _report(visitors: list[Visitor], count: int, killed_s: float, cpu_s: float) -> str:
    away = [visitor for visitor in visitors if visitor.joins > 1]
    took_s = sorted(visitor.joined_s - killed_s for visitor in away)
    beyond_s = sorted(visitor.joined_s - killed_s - visitor.waited_s for visitor in away)
    lost = sum(count - len(set(visitor.orders)) for visitor in visitors)
    doubled = sum(len(visitor.orders) - len(set(visitor.orders)) for visitor in visitors)
    overtaken = sum(
        later < earlier
        for visitor in visitors
        for earlier, later in zip(visitor.orders, visitor.orders[1:], strict=False)
    )
    rows = [
        ["", ""],
        ["clients", str(len(visitors))],
        ["of the server that was killed", str(len(away))],
        ["recovered at the other", str(sum(visitor.recovered > 0 for visitor in away))],
        ["messages to each", str(count)],
        ["lost", str(lost)],
        ["doubled", str(doubled)],
        ["overtaken", str(overtaken)],
        ["CPU of the server that is left, s", f"{cpu_s:.2f}"],
    ]
    for name, values in (("back after, s", took_s), ("of that beyond the client's own waiting, s", beyond_s)):
        if len(values) > 1:
            p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
            rows.append([f"{name} (p50, p95, most)", f"{statistics.median(values):.2f}, {p95:.2f}, {values[-1]:.2f}"])
    return "\n".join([*markdown_table(rows), ""])
