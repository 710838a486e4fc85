"""The command line: `python -m benchmarks` compares servers, `… bytes` computes bytes, `… stall` stalls a reader.

In: arguments. Out: tables on stdout, how far it is on stderr, and files in a folder.
Never: ends with another status because a target is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bytes_report import write_bytes_report
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.emissions import RecordedEvent, TrafficError, lab_traffic, read_traffic
from benchmarks.machine import describe_machine, lacks
from benchmarks.results_picture import draw, save_picture
from benchmarks.results_report import write_report
from benchmarks.rounds import PHASES, Plan, interleave
from benchmarks.stall import stall
from benchmarks.window_bytes import Audience
from reznet_ws import Settings

RESULTS = Path(__file__).parent / "results"
# Of one source, at most: enough for windows to be full, and quick.
COMPUTED_MESSAGES = 2000
# About two minutes: the servers that the targets name, few clients, one round.
_QUICK_SERVERS = ("uvicorn-off", "uvicorn", "node-uws", "reznet-recommended", "floor")
_QUICK: Mapping[str, Any] = {"clients": (50, 100), "rounds": 1, "seconds": 2.0}
_LAB = "the lab's traffic"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the status is 2 where the arguments are wrong, else 0."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_bytes(commands)
    _add_stall(commands)
    named = arguments and (arguments[0] in commands.choices or arguments[0] in ("-h", "--help"))
    args = parser.parse_args(arguments if named else ["run", *arguments])
    try:
        args.run(args)
    except (TrafficError, ValueError, OSError) as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    return 0


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="servers side by side (the default)", description="Servers side by side.")
    run.add_argument("--quick", action="store_true", help="few servers, few clients, one round: a minute or two")
    run.add_argument("--servers", nargs="+", choices=CONTESTANTS, metavar="NAME", help=f"of {', '.join(CONTESTANTS)}")
    run.add_argument("--clients", nargs="+", type=int, metavar="N", help="(default: 100 300 1000)")
    run.add_argument("--rounds", type=int, help="(default: 3)")
    run.add_argument("--seconds", type=float, help="of one phase (default: 3)")
    run.add_argument("--rate", dest="rate_per_s", type=float, help="messages a second, at most (default: 20)")
    run.add_argument("--churn", dest="churn_share", type=float, help="share replaced every second (default: 0.01)")
    run.add_argument("--phases", nargs="+", choices=PHASES, help="(default: all)")
    run.add_argument("--seed", type=int, default=1, help="of the lab's traffic (default: %(default)s)")
    run.add_argument("--traffic", type=Path, metavar="FILE", help="lines of JSON instead of the lab's traffic")
    run.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="(default: benchmarks/results)")
    run.set_defaults(run=_run)


def _add_bytes(commands: Any) -> None:
    computed = commands.add_parser(
        "bytes", help="wire bytes, computed without sockets", description="Wire bytes, computed without sockets."
    )
    computed.add_argument("files", nargs="*", type=Path, help="lines of JSON; the lab's traffic comes first")
    computed.add_argument("--clients", type=int, default=100, help="(default: %(default)s)")
    computed.add_argument("--rate", type=float, default=20, help="messages a second (default: %(default)s)")
    computed.add_argument("--clock", action="store_true", help="messages are due when the capture's ts_ms says")
    computed.add_argument(
        "--churn", type=float, default=0.01, help="share replaced every second (default: %(default)s)"
    )
    computed.add_argument(
        "--messages", type=int, default=COMPUTED_MESSAGES, help="of each file, at most (default: %(default)s)"
    )
    computed.add_argument("--seed", type=int, default=1, help="of the lab's traffic (default: %(default)s)")
    computed.set_defaults(run=_bytes)


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


def _run(args: argparse.Namespace) -> None:
    plan, contestants = _plan(args), _contestants(args)
    emissions = read_traffic(args.traffic) if args.traffic else lab_traffic(args.seed)
    source = (
        f"{args.traffic.name}, {len(emissions)} messages" if args.traffic else f"The lab's traffic, seed {args.seed}"
    )
    machine = {**describe_machine(), "traffic": source}
    if not machine["is_pinned"]:
        _tell("server and load share their cores: nothing can be pinned here")
    runs = list(interleave(contestants, plan, emissions, _tell))
    report = write_report(runs, plan, machine)
    # A phase is short: what bytes come to over thousands of messages is computed.
    report += "\n" + write_bytes_report({source: emissions[:COMPUTED_MESSAGES]}, Audience(share=plan.churn_share))
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"machine": machine, "plan": dataclasses.asdict(plan), "runs": [dataclasses.asdict(run) for run in runs]}
    (args.out / "results.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (args.out / "results.md").write_text(report, encoding="utf-8")
    reason = save_picture(draw(runs, plan), args.out / "results.png")
    if reason:
        _tell(f"no picture: {reason}")
    sys.stdout.write(report)


def _bytes(args: argparse.Namespace) -> None:
    if args.clients < 1 or args.rate <= 0 or args.messages < 1 or not 0 <= args.churn <= 1:
        raise ValueError("--clients, --rate and --messages must be above 0, --churn from 0 to 1")
    sources: dict[str, Sequence[RecordedEvent]] = {_LAB: lab_traffic(args.seed, args.messages)}
    sources |= {path.name: read_traffic(path, args.messages) for path in args.files}
    audience = Audience(args.clients, args.rate, args.churn)
    sys.stdout.write(write_bytes_report(sources, audience, use_clock=args.clock, told=_tell))


def _stall(args: argparse.Namespace) -> None:
    if args.minutes <= 0 or args.rate <= 0 or args.clients < 1:
        raise ValueError("--minutes, --rate and --clients must be above 0")
    settings = Settings.recommended().replace(skip_slow_readers=args.skip)
    sys.stdout.write(stall(args.minutes, args.rate, args.clients, settings, _tell))


def _plan(args: argparse.Namespace) -> Plan:
    """Raises: ValueError."""
    names = [item.name for item in dataclasses.fields(Plan)]
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    for name in ("clients", "phases"):
        if name in given:
            given[name] = tuple(dict.fromkeys(given[name]))
    plan = Plan(**{**(_QUICK if args.quick else {}), **given})
    if min(plan.clients) < 1 or plan.rounds < 1 or plan.seconds <= 0 or plan.rate_per_s <= 0:
        raise ValueError("--clients, --rounds, --seconds and --rate must be above 0")
    # A client that came late and leaves early would be of unknown place in the sequence.
    if not 0 <= plan.churn_share * plan.seconds <= 0.5:
        raise ValueError("--churn times --seconds must be from 0 to 0.5: only who was there first is replaced")
    return plan


def _contestants(args: argparse.Namespace) -> list[Contestant]:
    names = args.servers or (_QUICK_SERVERS if args.quick else CONTESTANTS)
    chosen = [CONTESTANTS[name] for name in dict.fromkeys(names)]
    able = []
    for one in chosen:
        reason = lacks(one)
        if reason:
            _tell(f"{one.name} is left out: {reason}")
        else:
            able.append(one)
    if not able:
        raise ValueError("no server is left to measure")
    return able


def _tell(said: str) -> None:
    sys.stderr.write(said + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
