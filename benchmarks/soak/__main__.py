"""`./run soak --minutes 10`: many clients of every kind that come, break off, come back and change rooms.

In: arguments. Out: how it stands on stderr every few seconds, and a table on stdout; status 1 where anything is wrong.
Never: looks into the server by other ways than a client's and an operator's.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from statistics import median

from benchmarks.processor import resident_bytes
from benchmarks.results_report import markdown_table
from benchmarks.soak.client import KINDS, Member, Tally
from benchmarks.soak.judge import Judge, Verdict
from benchmarks.soak.server import Told, serve

_SHOW_EVERY_S = 5.0
_SETTLE_S = 30.0
# Memory is compared from here on, since pools, caches and what is kept for those who are away fill first.
_WARM_SHARE, _SHORTEST_WARM_S = 0.4, 60.0
_MOST_GROWTH = 0.05


class Soak:
    """One run."""

    def __init__(self, args: argparse.Namespace, pipe: Connection, pid: int) -> None:
        self._clients, self._seconds, self._reconnects = args.clients, args.minutes * 60, args.reconnects
        self._pipe, self._pid, seed = pipe, pid, args.seed
        self._chance = random.Random(seed)
        self._judge = Judge()
        self.tallies = {kind.name: Tally() for kind in KINDS}
        self.errors = 0
        self.samples: list[tuple[float, int]] = []
        self._stats: dict[str, object] = {}
        self.verdict = Verdict()

    async def run(self) -> None:
        """From the first client to the verdict."""
        port = await asyncio.to_thread(self._pipe.recv)
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)
        members = [
            Member(f"http://127.0.0.1:{port}", kind, self._judge, self.tallies[kind.name], self._chance)
            for kind in (KINDS[number % len(KINDS)] for number in range(self._clients))
        ]
        living = [asyncio.create_task(member.live()) for member in members]
        await _until(lambda: all(member.is_connected for member in members))
        began = shown = time.monotonic()
        while (now := time.monotonic()) - began < self._seconds:
            await asyncio.sleep(0.5)
            self.samples.append((now - began, resident_bytes(self._pid)))
            for member in members:
                if member.is_connected and self._chance.random() < self._reconnects / 2:
                    member.shake()
            if now - shown >= _SHOW_EVERY_S:
                shown = now
                self._show(now - began)
            for task in living:
                if task.done():
                    task.result()
        await _until(lambda: all(member.is_connected for member in members))
        self._pipe.send("stop")
        known = -1
        while known != self._judge.known or self._judge.outstanding:
            known = self._judge.known
            if not await _until(lambda: not self._judge.outstanding):
                break
            await asyncio.sleep(1.0)
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        self.verdict = self._judge.close()

    def _hear(self) -> None:
        while self._pipe.poll():
            told: Told = self._pipe.recv()
            for number, sessions in told.emitted:
                self._judge.emitted(number, sessions)
            for sid in told.over:
                self._judge.over(sid)
            self._judge.told()
            self.errors, self._stats = told.errors, told.stats

    def _show(self, seconds: float) -> None:
        verdict, back = self._judge.verdict, sum(tally.recovered + tally.anew for tally in self.tallies.values())
        sys.stderr.write(
            f"{seconds / 60:5.1f} min: {verdict.deliveries:,} deliveries, {self._judge.outstanding} under way, "
            f"{verdict.doubled} doubled, {verdict.overtaken} overtaken, {verdict.misdelivered} misdelivered, "
            f"{back:,} connects, {self.samples[-1][1] / 1e6:.1f} MB\n"
        )
        sys.stderr.flush()

    @property
    def growth(self) -> float | None:
        """By how much the server's memory grew once it was warm; None for a run too short to tell."""
        warm_s = max(_SHORTEST_WARM_S, _WARM_SHARE * self._seconds)
        warm = [taken for at, taken in self.samples if at >= warm_s]
        part = len(warm) // 4
        return None if part < 20 else median(warm[-part:]) / median(warm[:part]) - 1

    @property
    def faults(self) -> list[str]:
        """What is wrong."""
        faults = [] if self.verdict.is_right else ["deliveries"]
        total = _sum(self.tallies)
        faults += [name for name in ("unanswered", "unrecovered", "failed") if getattr(total, name)]
        if self.errors:
            faults.append("errors in the server's log")
        if (self.growth or 0) > _MOST_GROWTH:
            faults.append("memory")
        return faults


def report(soak: Soak) -> str:
    """The tables."""
    verdict, growth = soak.verdict, soak.growth
    rows = [["deliveries", "lost", "doubled", "overtaken", "misdelivered", "errors", "memory, MB", "growth when warm"]]
    first, last = soak.samples[0][1], soak.samples[-1][1]
    counts = (verdict.deliveries, verdict.lost, verdict.doubled, verdict.overtaken, verdict.misdelivered, soak.errors)
    shown = "too short to tell" if growth is None else f"{growth:+.1%}"
    rows.append([*map(str, counts), f"{first / 1e6:.1f} to {last / 1e6:.1f}", shown])
    by_kind = [["clients", "events", "asked", "unanswered", "came", "recovered", "not recovered", "failed"]]
    for name, tally in [*soak.tallies.items(), ("all", _sum(soak.tallies))]:
        figures = (tally.events, tally.asked, tally.unanswered, tally.anew)
        by_kind.append([name, *map(str, (*figures, tally.recovered, tally.unrecovered, tally.failed))])
    return "\n".join([*markdown_table(rows), "", *markdown_table(by_kind), ""])


def _sum(tallies: dict[str, Tally]) -> Tally:
    counts: collections.Counter[str] = collections.Counter()
    for tally in tallies.values():
        counts.update({name: getattr(tally, name) for name in Tally.__slots__})
    return Tally(**counts)


async def _until(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + _SETTLE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def soak(args: argparse.Namespace) -> Soak:
    """Run it against a server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, args.rate, args.seed), daemon=True)
    server.start()
    try:
        run = Soak(args, ours, server.pid or 0)
        asyncio.run(run.run())
        return run
    finally:
        server.kill()
        server.join()


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=30, help="emissions a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reconnects", type=float, default=0.01, help="of all clients, in a second")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and say by the status whether all was right."""
    run = soak(arguments(argv))
    sys.stdout.write(report(run) + "\n")
    if run.faults:
        sys.stderr.write(f"soak: wrong: {', '.join(run.faults)}\n")
    return bool(run.faults)


if __name__ == "__main__":
    sys.exit(main())
