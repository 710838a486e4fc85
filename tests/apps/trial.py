"""One application, once without the line and once with it, and what differs.

In: an application and its environment. Out: for each run what it said, sent and took; the differences, in words.
Never: takes a run's word for what it sent: bytes and frames are the wire's, packets the browser's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from apps import alike, websocket
from apps.applications import Application
from apps.browser import Visit, visiting
from apps.packets import Message, read_packets
from apps.program import PROGRAMS, Program, running
from apps.tap import tapping


@dataclass(frozen=True)
class Run:
    """What one run came to."""

    packets: list[list[str]]
    wire_bytes: int
    frames: int
    cpu_s: float
    complaints: list[str]
    own_lines: list[str]
    # Whether the connections were taken over, as the line says.
    is_taken_over: bool
    # Whether it ended when it was told to, with a client connected.
    stops: bool


async def run(application: Application, where: Path, browser: Browser, *, has_line: bool) -> Run:
    """Start it, go through its session, stop it. Raises: AssertionError with the log, if it fails."""
    command = [part.replace("{bin}", str(where)) for part in application.command]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "app"
        shutil.copytree(PROGRAMS / application.folder, folder)
        async with running(command, folder, has_line=has_line) as program, tapping(program.url) as tap:
            before = await program.ask()
            try:
                async with visiting(browser, tap) as visit:
                    await application.session(visit, program)
                    after = await program.ask()
                    stops = await program.stop()
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{error}\nThe server's log:\n{program.log[-4000:]}") from error
            return _summarize(visit, program, before, after, stops=stops)


def _summarize(visit: Visit, program: Program, before: dict[str, Any], after: dict[str, Any], *, stops: bool) -> Run:
    sockets = [each for each in visit.tap.connections if websocket.is_websocket(each.from_client)]
    frames = [list(websocket.read_frames(websocket.split_head(each.from_server)[1])) for each in sockets]
    _check_wire(visit, [list(websocket.read_messages(each)) for each in frames])
    wire = (after["stats"] or {}).get("wire", {})
    return Run(
        packets=[alike.read(read_packets(messages)) for messages in visit.received.sessions],
        wire_bytes=sum(len(each.from_server) for each in sockets) + visit.received.polled_bytes,
        frames=sum(map(len, frames)),
        cpu_s=after["cpu_s"] - before["cpu_s"],
        complaints=visit.received.complaints + program.complaints,
        own_lines=[line for line in program.log.splitlines() if "reznet" in line],
        is_taken_over=bool(wire.get("sent_bytes")) and not wire.get("uncounted_connections"),
        stops=stops,
    )


def _check_wire(visit: Visit, on_wire: list[list[Message]]) -> None:
    """What zlib makes of the wire is what Chromium gave the page; a page that goes may miss the last of it."""
    for messages, given in zip(on_wire, visit.received.framed, strict=True):
        assert messages[: len(given)] == given, "Chromium and zlib read the wire differently"


def differences(without: Run, with_line: Run) -> list[str]:
    """What an application's user or operator could notice, but for bytes and CPU."""
    found = []
    if len(without.packets) != len(with_line.packets):
        found.append(f"{len(without.packets)} sessions without the line, {len(with_line.packets)} with it")
    for number, (one, other) in enumerate(zip(without.packets, with_line.packets, strict=False)):
        difference = alike.first_difference(one, other)
        if difference:
            found.append(f"session {number}: {difference}")
    new = Counter(map(alike.hide_random, with_line.complaints)) - Counter(map(alike.hide_random, without.complaints))
    found += [f"only with the line: {line}" for line in new]
    if without.stops and not with_line.stops:
        found.append("with the line it has to be killed")
    if len(with_line.own_lines) > 1:
        found.append(f"{len(with_line.own_lines)} lines of ours in the log: {with_line.own_lines[1]}")
    return found
