"""The command line: `python -m reznet_ws serve`, `load`, `audit` and `new-notebook`.

In: arguments. Out: a running server whose address is printed and which Ctrl-C ends with status 0; or a load test's
table, with status 1 where a requirement is not met; or what an audit of captured traffic found.
Never: listens on anything but loopback unless told to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from reznet_ws.adapters.serving import listen
from reznet_ws.demo.chat import Application
from reznet_ws.demo.workload import MIXES
from reznet_ws.settings import Settings, SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the status is 0, or 2 where the arguments are wrong or the address is taken."""
    parser = argparse.ArgumentParser(prog="reznet_ws", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_load(commands)
    _add_audit(commands)
    _add_new_notebook(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except (SettingsError, ValueError, OSError) as error:
        print(f"reznet_ws: {error}", file=sys.stderr)
        return 2


# A run in which fewer messages are sent compares nothing.
_LEAST_SENT = 5


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the agent-chat application",
        description="Run the agent-chat application; Ctrl-C ends it.",
    )
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)"
    )
    serve.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    serve.add_argument("--preset", choices=Settings.presets(), default="recommended", help="(default: %(default)s)")
    serve.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one setting of the preset; may come again",
    )
    serve.add_argument(
        "--origin",
        action="append",
        default=[],
        help="an origin that browsers may connect from, besides the server's own; may come again",
    )
    serve.add_argument("--token", help="what clients must send as auth.token, and as a bearer token for the figures")
    serve.add_argument("--seed", type=int, default=1, help="of the simulated agents (default: %(default)s)")
    serve.add_argument(
        "--rate",
        type=float,
        default=20,
        metavar="MESSAGES_PER_S",
        help="of the simulated agents; 0 keeps them silent (default: %(default)s)",
    )
    serve.add_argument("--mix", choices=MIXES, default="chat", help="what the agents do (default: %(default)s)")
    serve.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    settings = Settings.presets()[args.preset].replace(**dict(map(_setting, args.set)))
    app = Application(
        settings,
        token=args.token,
        origins=args.origin,
        simulate=args.rate != 0,
        seed=args.seed,
        rate_per_s=args.rate or 1,
        mix=args.mix,
    )
    bound = listen(args.host, args.port)
    server = _Server(app)
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"reznet_ws serves {args.preset} on http://{host}:{bound.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once it has shut down
        asyncio.run(server.serve(sockets=[bound]))
    return 0


# uvicorn's own, and the same for the line that names each large payload.
_LOG_CONFIG: dict[str, Any] = {
    **LOGGING_CONFIG,
    "loggers": {**LOGGING_CONFIG["loggers"], "reznet_ws": {"handlers": ["default"], "level": "INFO"}},
}


class _Server(uvicorn.Server):
    """Closes the clients' connections before uvicorn waits for their requests: a long poll lasts 45 s."""

    def __init__(self, app: Application) -> None:
        super().__init__(uvicorn.Config(app, log_config=_LOG_CONFIG, access_log=False))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.chat.close()
        await super().shutdown(sockets)


def _add_load(commands: Any) -> None:
    load = commands.add_parser(
        "load",
        help="compare presets under load (needs the extra `lab`)",
        description="Connect simulated clients to each preset in turn, several times over, and compare. "
        "Status 1 where the last preset named misses a requirement.",
    )
    load.add_argument("--users", type=int, default=100, help="simulated clients (default: %(default)s)")
    load.add_argument("--duration", type=float, default=20, metavar="SECONDS", help="of one run (default: %(default)s)")
    load.add_argument("--rounds", type=int, default=3, help="runs of each preset (default: %(default)s)")
    load.add_argument("--presets", nargs="+", choices=Settings.presets(), default=list(Settings.presets()))
    load.add_argument("--rate", type=float, default=20, metavar="MESSAGES_PER_S", help="(default: %(default)s)")
    load.add_argument("--mix", choices=MIXES, default="chat", help="(default: %(default)s)")
    load.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    load.set_defaults(run=_load)


def _load(args: argparse.Namespace) -> int:
    # Imported here, since a server needs no lab.
    with _extra_lab():
        from reznet_ws.lab.comparison import LoadPlan, interleave
        from reznet_ws.lab.comparison_report import is_met, load_report

    _check_load(args)
    load = LoadPlan(users=args.users, duration_s=args.duration, rate_per_s=args.rate, mix=args.mix, seed=args.seed)
    presets = {name: Settings.presets()[name] for name in args.presets}
    runs = []
    for run in interleave(presets, load, args.rounds, time.sleep):
        runs.append(run)
        done, of = len(runs), args.rounds * len(presets)
        print(f"{done}/{of} {run.preset}: {run.bytes_per_delivery:.1f} bytes a delivery", file=sys.stderr, flush=True)
    print(load_report(runs, load))
    return 0 if is_met(runs, args.presets[-1]) else 1


def _check_load(args: argparse.Namespace) -> None:
    """Raises: ValueError for a run in which nothing would be sent, or nothing compared."""
    if args.users < 1:
        raise ValueError(f"--users {args.users}: it takes at least 1 to be sent anything")
    if args.rounds < 1:
        raise ValueError(f"--rounds {args.rounds}: it takes at least 1")
    if not 0 < args.rate < float("inf"):
        raise ValueError(f"--rate {args.rate:g}: it must be above 0, or nothing is sent")
    if not 0 < args.duration < float("inf"):
        raise ValueError(f"--duration {args.duration:g}: it must be above 0")
    if args.duration * args.rate < _LEAST_SENT:
        raise ValueError(
            f"--duration {args.duration:g} at --rate {args.rate:g} is {args.duration * args.rate:g} messages; "
            f"it takes at least {_LEAST_SENT}"
        )
    if len(set(args.presets)) < len(args.presets):
        raise ValueError(f"--presets {' '.join(args.presets)}: each can be named once")


def _add_audit(commands: Any) -> None:
    audit = commands.add_parser(
        "audit",
        help="say what the layers would save for captured traffic (needs the extra `lab`)",
        description="Read captured Socket.IO traffic, replay it through every layer, and say what to set. "
        "Status 2 where nothing could be read.",
    )
    audit.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a HAR file (browser: Network, Export HAR), a debug log of engine.io or socket.io in any form, a pcap or "
        'pcapng, or JSON Lines of {"event", "data", "ts_ms", "dir": "in" or "out"}, also packed (gz, zip, zst, xz); '
        "several are one capture",
    )
    audit.add_argument(
        "--demo", type=int, metavar="COUNT", help="audit so many messages of the demo's seeded chat in place of files"
    )
    audit.add_argument("--out", type=Path, metavar="DIR", help="write report.html, report.png and report.json there")
    audit.add_argument("--anonymous", action="store_true", help="show names, addresses and files as hashes")
    audit.add_argument("--users", type=int, metavar="N", help="how many connections get what one of these gets")
    audit.add_argument("--price-per-gb", type=float, metavar="P", help="of traffic, in any currency")
    audit.add_argument("--summary", action="store_true", help="audit each file by itself, and print a row for each")
    audit.set_defaults(run=_audit)


def _audit(args: argparse.Namespace) -> int:
    with _extra_lab():
        from reznet_ws.audit.show.command import report_on, summarise

    if args.summary and args.out is not None:
        raise ValueError("--summary writes no report; leave out --out")
    if bool(args.files) == (args.demo is not None):
        raise ValueError("name one FILE or more, or --demo COUNT")
    if args.demo is not None and (args.demo < 1 or args.summary):
        raise ValueError(f"--demo {args.demo}: it takes at least 1 message, and no --summary")
    options = {"users": args.users, "price_per_gb": args.price_per_gb, "anonymous": args.anonymous}
    try:
        if args.summary:
            answer = summarise(args.files, sys.stderr, **options)
        else:
            answer = report_on(args.files, args.out, sys.stderr, demo_messages=args.demo, **options)
    except KeyboardInterrupt:
        return 130  # as a shell has it
    for text, stream in ((answer.out, sys.stdout), (answer.err, sys.stderr)):
        if text:
            # Names may have characters that the terminal's encoding lacks.
            encoding = stream.encoding or "utf-8"
            print(text.encode(encoding, "replace").decode(encoding), file=stream)
    return answer.status


def _add_new_notebook(commands: Any) -> None:
    new = commands.add_parser(
        "new-notebook",
        help="write a notebook that tests your own application (needs the extra `lab`)",
        description="Write a notebook that launches an application, switches the layers, draws and asserts.",
    )
    new.add_argument("file", type=Path, metavar="FILE.ipynb")
    new.add_argument("--app", required=True, metavar="MODULE:APP", help="as uvicorn takes it")
    new.add_argument("--event", help="what users send (default: the first event that the application listens to)")
    new.add_argument(
        "--data", default="{}", metavar="JSON", help="with it; a list holds several (default: %(default)s)"
    )
    new.set_defaults(run=_new_notebook)


def _new_notebook(args: argparse.Namespace) -> int:
    with _extra_lab():
        from reznet_ws.lab.new_notebook import write_notebook

    try:
        data = json.loads(args.data)
    except ValueError as error:
        raise ValueError(f"--data {args.data}: {error}") from error
    sys.path.insert(0, "")  # as uvicorn does
    try:
        event = write_notebook(args.file, args.app, args.event, data if isinstance(data, list) else [data])
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--app {args.app}: {error}") from error
    print(f"wrote {args.file}, whose users send {event!r}: say in its second cell of code what yours do")
    print(f"then run it, or test it: python -m pytest --nbval --nbval-sanitize-with reznet_ws {args.file}")
    return 0


@contextlib.contextmanager
def _extra_lab() -> Iterator[None]:
    """Says what to install where a library is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}; this needs the extra: pip install 'reznet-ws[lab]'") from error


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    kinds = {item.name: item.type for item in dataclasses.fields(Settings)}
    if not equals:
        raise SettingsError(f"{text!r} is not NAME=VALUE")
    try:
        return name, _READERS[str(kinds.get(name, "str"))](value)
    except (KeyError, ValueError):
        raise SettingsError(f"{name}: {value!r} is not of type {kinds[name]}") from None


_READERS: dict[str, Any] = {
    "bool": {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False}.__getitem__,
    "int": int,
    "float": float,
    "frozenset[str]": lambda text: frozenset(filter(None, text.split(","))),
    "str": str,
}

if __name__ == "__main__":
    sys.exit(main())
