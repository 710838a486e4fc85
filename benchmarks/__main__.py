"""The command line: what servers send and what it costs them, measured side by side.

`python -m benchmarks` compares servers by topology, `… latency` what batching does to delays, `… bytes`, `… rows` and
`… formats` compute bytes, `… stall` stalls a reader, `… kill` kills a server, `… scale` runs two, `… readme` writes
README's tables.

In: arguments. Out: tables on stdout, how far it is on stderr, and files in a folder.
Never: ends with another status because a target is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bytes_report import write_bytes_report
from benchmarks.contestants import BATCHING, CONTESTANTS
from benchmarks.emissions import TRAFFICS, RecordedEvent, TrafficError, read_traffic
from benchmarks.formats_bytes import write_formats_report
from benchmarks.kill import kill
from benchmarks.latency_report import write_latency_report
from benchmarks.measuring import MOST_CONVERSATIONS, able_servers, measure, tell, write_results
from benchmarks.plan import PHASES, Cell, Plan, everyday_cells, release_cells
from benchmarks.readme import renew
from benchmarks.reload import write_reload_report
from benchmarks.results_picture import draw, save_picture
from benchmarks.results_report import write_report
from benchmarks.rows_bytes import lab_mixes, write_browser_report, write_rows_report
from benchmarks.scale import scale
from benchmarks.stall import stall
from reznet_ws import Settings
from reznet_ws.demo.topologies import ONE_ROOM, TOPOLOGIES

RESULTS = Path(__file__).parent / "results"
# Of one source, at most: enough for windows to be full, and quick.
COMPUTED_MESSAGES = 2000
# Enough for tables to be full: a steady state.
ROWS_MESSAGES = 6000
# A long answer.
GROWING_TOKENS = 2000
# About three minutes: every topology, stock and ours, one round.
_QUICK: Mapping[str, Any] = {"rounds": 1, "seconds": 2.0, "churn_seconds": 2.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the status is 2 where the arguments are wrong, else 0."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_latency(commands)
    _add_bytes(commands)
    _add_rows(commands)
    _add_formats(commands)
    _add_stall(commands)
    _add_kill(commands)
    _add_scale(commands)
    _add_readme(commands)
    named = arguments and (arguments[0] in commands.choices or arguments[0] in ("-h", "--help"))
    args = parser.parse_args(arguments if named else ["run", *arguments])
    try:
        args.run(args)
    except (TrafficError, ValueError, OSError) as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    return 0


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run", help="servers side by side, by topology (the default)", description="Servers side by side, by topology."
    )
    run.add_argument("--quick", action="store_true", help="stock and ours, one round: about three minutes")
    run.add_argument("--servers", nargs="+", choices=CONTESTANTS, metavar="NAME", help=f"of {', '.join(CONTESTANTS)}")
    run.add_argument("--topologies", nargs="+", choices=TOPOLOGIES, metavar="NAME", help=f"of {', '.join(TOPOLOGIES)}")
    run.add_argument("--clients", nargs="+", type=int, metavar="N", help="in each topology")
    run.add_argument("--traffic", help=f"{', '.join(TRAFFICS)}, or a file with lines of JSON")
    run.add_argument("--phases", nargs="+", choices=PHASES)
    run.add_argument("--rounds", type=int, help="(default: 3)")
    run.add_argument("--seconds", type=float, help="of one phase (default: 3)")
    run.add_argument("--rate", dest="per_client_s", type=float, help="messages a second to each, at most (default: 20)")
    run.add_argument("--churn", dest="churn_share", type=float, help="share replaced every second (default: 0.01)")
    run.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    run.add_argument("--note", help="a line for the report, of a busy machine for instance")
    run.add_argument("--out", type=Path, metavar="FOLDER", help="for the report, results.json and a picture")
    run.set_defaults(run=_run)


def _add_latency(commands: Any) -> None:
    latency = commands.add_parser(
        "latency",
        help="batching and coalescing: what they do to p50 and p95",
        description="p50 and p95 of stock, and of ours with batching and coalescing in several ways.",
    )
    latency.add_argument("--clients", nargs="+", type=int, default=[100, 150, 300], help="(default: 100 150 300)")
    latency.add_argument("--topologies", nargs="+", choices=TOPOLOGIES, metavar="NAME", default=[ONE_ROOM.name])
    latency.add_argument("--servers", nargs="+", choices=CONTESTANTS, metavar="NAME", default=BATCHING)
    latency.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    latency.add_argument("--seconds", type=float, default=5.0, help="of one trial (default: %(default)s)")
    latency.add_argument("--rate", type=float, default=20.0, help="messages a second to each (default: %(default)s)")
    latency.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    latency.add_argument("--out", type=Path, metavar="FOLDER", help="for the report and latency.json")
    latency.set_defaults(run=_latency)


def _add_readme(commands: Any) -> None:
    renewed = commands.add_parser(
        "readme", help="README's tables from the results", description="Writes README's tables from the results."
    )
    renewed.set_defaults(run=lambda args: renew(RESULTS / "results.json", RESULTS.parents[1] / "README.md"))


def _add_bytes(commands: Any) -> None:
    computed = commands.add_parser(
        "bytes",
        help="wire bytes by topology, computed without sockets",
        description="Wire bytes by topology, computed without sockets.",
    )
    computed.add_argument("files", nargs="*", type=Path, help="lines of JSON; the lab's chat comes first")
    computed.add_argument(
        "--topology", action="append", choices=TOPOLOGIES, metavar="NAME", help="again and again (default: all)"
    )
    computed.add_argument("--clients", type=int, help="in each topology (default: as the topology says)")
    computed.add_argument("--messages", type=int, default=300, help="to each client (default: %(default)s)")
    computed.add_argument("--rate", type=float, default=20, help="to each client a second (default: %(default)s)")
    computed.add_argument(
        "--churn", type=float, default=0.01, help="share replaced every second (default: %(default)s)"
    )
    computed.add_argument("--kept", type=int, help="KB of compressors to keep, at most (default: as the settings)")
    computed.add_argument("--seed", type=int, default=1, help="of the lab's chat (default: %(default)s)")
    computed.set_defaults(run=_bytes)


def _add_rows(commands: Any) -> None:
    rows = commands.add_parser(
        "rows", help="format 3 against plain events, computed", description="Format 3 against plain events, computed."
    )
    rows.add_argument("files", nargs="*", type=Path, help="lines of JSON; the demo's mixes come last")
    rows.add_argument("--messages", type=int, default=ROWS_MESSAGES, help="of each, at most (default: %(default)s)")
    rows.add_argument("--chromium", action="store_true", help="also time the decoder in Chromium")
    rows.set_defaults(run=_rows)


def _add_formats(commands: Any) -> None:
    formats = commands.add_parser(
        "formats",
        help="MessagePack, known shapes and kept snapshots, computed and at the socket",
        description="MessagePack, known shapes and kept snapshots against plain events.",
    )
    formats.add_argument("files", nargs="*", type=Path, help="lines of JSON; the demo's mixes come last")
    formats.add_argument("--messages", type=int, default=ROWS_MESSAGES, help="of each, at most (default: %(default)s)")
    formats.set_defaults(run=_formats)


def _add_stall(commands: Any) -> None:
    stalled = commands.add_parser(
        "stall",
        help="a reader that stalls, and the server's memory",
        description="One reader stalls while others are served: the server's memory over time.",
    )
    stalled.add_argument("--minutes", type=float, default=10, help="(default: %(default)s)")
    stalled.add_argument("--rate", type=float, default=200, help="messages of 1 KB a second (default: %(default)s)")
    stalled.add_argument("--clients", type=int, default=10, help="that read (default: %(default)s)")
    stalled.add_argument("--skip", action="store_true", help="it misses messages instead of its connection")
    stalled.set_defaults(run=_stall)


def _add_kill(commands: Any) -> None:
    killed = commands.add_parser(
        "kill",
        help="a server that is killed, and its clients",
        description="One of two servers behind a Redis stream is killed: what becomes of its clients.",
    )
    killed.add_argument("--clients", type=int, default=200, help="(default: %(default)s)")
    killed.add_argument("--rate", type=float, default=20, help="messages a second (default: %(default)s)")
    killed.add_argument("--seconds", type=float, default=6, help="(default: %(default)s)")
    killed.add_argument("--delay", type=float, default=1, help="reconnectionDelay, s (default: socket.io-client's)")
    killed.set_defaults(run=_kill)


def _kill(args: argparse.Namespace) -> None:
    sys.stdout.write(kill(args.clients, args.rate, args.seconds, args.delay, tell))


def _add_scale(commands: Any) -> None:
    scaled = commands.add_parser(
        "scale",
        help="one server process and two, and 100,000 clients on paper",
        description="One server process and two behind Redis; and what follows for 100,000 clients.",
    )
    scaled.add_argument("--clients", type=int, default=200, help="(default: %(default)s)")
    scaled.add_argument("--per-room", type=int, nargs="+", default=[1, 20, 200], help="(default: 1 20 200)")
    scaled.add_argument("--rate", type=float, default=100, help="messages a second in all (default: %(default)s)")
    scaled.add_argument("--seconds", type=float, default=10, help="(default: %(default)s)")
    scaled.add_argument("--rounds", type=int, default=3, help="of which the quickest counts (default: %(default)s)")
    scaled.set_defaults(run=_scale)


def _scale(args: argparse.Namespace) -> None:
    sys.stdout.write(scale(args.clients, args.per_room, args.rate, args.seconds, args.rounds, tell))


def _run(args: argparse.Namespace) -> None:
    plan = _plan(args)
    out = args.out or (None if args.quick else RESULTS)
    _check(plan)
    trials, machine = measure(plan, args.seed, args.note)
    report = write_report(trials, plan, machine)
    if out is not None:
        write_results(out, "results", report, trials, plan, machine)
        reason = save_picture(draw(trials), out / "results.png")
        if reason:
            tell(f"no picture: {reason}")
    sys.stdout.write(report)


def _latency(args: argparse.Namespace) -> None:
    servers = able_servers(args.servers)
    sizes = dict.fromkeys(args.clients)
    cells = tuple(Cell(name, clients, servers, phases=("steady",)) for name in args.topologies for clients in sizes)
    plan = Plan(
        cells=cells,
        rounds=args.rounds,
        seconds=args.seconds,
        per_client_s=args.rate,
        most_deliveries_per_s=args.rate * max(args.clients),
    )
    _check(plan)
    trials, machine = measure(plan, args.seed, None)
    report = write_latency_report(trials, plan, machine)
    if args.out:
        write_results(args.out, "latency", report, trials, plan, machine)
    sys.stdout.write(report)


def _bytes(args: argparse.Namespace) -> None:
    if (
        args.messages < 1
        or args.rate <= 0
        or not 0 <= args.churn <= 1
        or (args.clients is not None and args.clients < 1)
    ):
        raise ValueError("--clients, --messages and --rate must be above 0, --churn from 0 to 1")
    chat = TRAFFICS["chat"]
    traffics: dict[str, Callable[[int], Sequence[Sequence[RecordedEvent]]]] = {
        "chat": lambda streams: chat(min(streams, MOST_CONVERSATIONS), args.seed)
    }
    for path in args.files:
        recorded = read_traffic(path, COMPUTED_MESSAGES)
        traffics[path.stem] = lambda streams, recorded=recorded: [recorded]  # type: ignore[misc]
    settings = Settings.recommended()
    if args.kept is not None:
        settings = settings.replace(deflate_kept_bytes=args.kept * 1000)
    topologies = [TOPOLOGIES[name] for name in dict.fromkeys(args.topology or TOPOLOGIES)]
    if args.clients is not None:
        topologies = [dataclasses.replace(one, clients=args.clients) for one in topologies]
    report = write_bytes_report(
        traffics,
        topologies,
        messages=args.messages,
        per_client_s=args.rate,
        churn_share=args.churn,
        seed=args.seed,
        settings=settings,
        told=tell,
    )
    sys.stdout.write(report)


def _sources(args: argparse.Namespace) -> dict[str, Sequence[RecordedEvent]]:
    if args.messages < 1:
        raise ValueError("--messages must be above 0")
    return {**{path.name: read_traffic(path, args.messages) for path in args.files}, **lab_mixes(args.messages)}


def _formats(args: argparse.Namespace) -> None:
    sources = _sources(args)
    sys.stdout.write(write_formats_report(sources, tell))
    sys.stdout.write("\n" + write_reload_report(sources))


def _rows(args: argparse.Namespace) -> None:
    sources = _sources(args)
    sys.stdout.write(write_rows_report(sources, min(args.messages, GROWING_TOKENS), tell))
    if args.chromium:
        sys.stdout.write(write_browser_report(sources["demo, chat"]))


def _stall(args: argparse.Namespace) -> None:
    if args.minutes <= 0 or args.rate <= 0 or args.clients < 1:
        raise ValueError("--minutes, --rate and --clients must be above 0")
    settings = Settings.recommended().replace(skip_slow_readers=args.skip)
    sys.stdout.write(stall(args.minutes, args.rate, args.clients, settings, tell))


def _plan(args: argparse.Namespace) -> Plan:
    cells = everyday_cells() if args.quick else release_cells()
    if args.topologies:
        cells = tuple(cell for cell in cells if cell.topology in args.topologies)
    if args.traffic:
        cells = tuple(dataclasses.replace(cell, traffic=args.traffic) for cell in cells)
    if args.clients:
        cells = tuple(dataclasses.replace(cell, clients=clients) for cell in cells for clients in args.clients)
    if args.phases:
        cells = tuple(dataclasses.replace(cell, phases=tuple(args.phases)) for cell in cells)
    able = able_servers(args.servers or [name for cell in cells for name in cell.servers])
    if args.servers:
        cells = tuple(dataclasses.replace(cell, servers=able) for cell in cells)
    else:
        there = [tuple(name for name in cell.servers if name in able) for cell in cells]
        cells = tuple(dataclasses.replace(cell, servers=names) for cell, names in zip(cells, there, strict=True))
    # What differed in what was replaced is the same now.
    cells = tuple({(cell.topology, cell.traffic, cell.clients): cell for cell in reversed(cells)}.values())[::-1]
    names = ("rounds", "seconds", "per_client_s", "churn_share")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    return Plan(**{**(_QUICK if args.quick else {}), **given, "cells": cells})


def _check(plan: Plan) -> None:
    """Raises: ValueError."""
    if min(cell.clients for cell in plan.cells) < 1 or min(plan.rounds, plan.seconds, plan.per_client_s) <= 0:
        raise ValueError("--clients, --rounds, --seconds and --rate must be above 0")
    if not 0 < plan.churn_share <= 1:
        raise ValueError("--churn must be above 0, and at most 1")


if __name__ == "__main__":
    sys.exit(main())
