"""Debug logs of engine.io and socket.io, of a server or a client, in Python or JavaScript.

In: a file with lines of `python_log.py` and `node_log.py`, whatever a logger, a runtime, a collector or a terminal puts
around them. Out: records, as the client sees it, and what was assumed.
Never: ends at a line that it does not know.

What such logs lack: binary data (python-engineio writes `<binary>`, Node's its bytes as if they were text), and when a
packet left: they say when it was queued. Python's say whose a packet is (a server's, by session); Node's do not, so all
clients in a log of Node's server count as one connection. A client in JavaScript logs neither its pongs nor its probes.
Times are the logger's. Without, those that `debug` puts at the end ("+3ms") are added up: each namespace has its own,
rounded above a second, so they drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from reznet_ws.audit.read.capture import Item
from reznet_ws.audit.read.clock import LogClock
from reznet_ws.audit.read.doubled_lines import Doubles, PacketLine, find_doubles, form_of
from reznet_ws.audit.read.log_connections import LogConnections
from reznet_ws.audit.read.log_lines import BadLine, LogLine, log_lines, unwrap
from reznet_ws.audit.read.node_log import NAMESPACE, NAMESPACES, REQUEST, NodeLog
from reznet_ws.audit.read.packet_end import CutOff
from reznet_ws.audit.read.python_log import ATTEMPT, PACKET, UPGRADED, PythonLog
from reznet_ws.audit.read.source import Source, TooManyConnections

# What stands in front of a message is not longer than this.
_PREFIX_CHARACTERS = 400
_SURVEYED_LINES = 20_000
# A packet that is cut is not looked for in more lines.
_MOST_PARTS = 64
# Lines of libraries beside engine.io: a log that has only these has no payloads.
_PYTHON_ONLY = re.compile(
    r"emitting event \"|received event \"|(?:socketio|engineio)\.(?:server|client)|Server initialized for "
)
_ACCESS = re.compile(r"[?&]EIO=[34]&transport=(?:polling|websocket)")
_NO_PAYLOADS_PYTHON = (
    "this log has no payloads: python-socketio says what was emitted, not what was sent. Set engineio_logger=True "
    "(beside logger=True), at level INFO, and log again"
)
_NO_PAYLOADS_NODE = (
    "this log has no payloads: it lacks the debug scope that writes them. Set DEBUG=engine*,socket.io-parser at a "
    "server, or localStorage.debug = 'engine.io-client:*,socket.io-parser' in a browser, and log again"
)
_NO_PAYLOADS_ACCESS = (
    "this log has no payloads: it lists requests. For python-socketio set engineio_logger=True, for Node DEBUG=engine*"
)


def read_engineio_log(source: Source) -> Iterator[Item]:
    """The packets in a log, as far as it has them."""
    yield from _EngineioLog(source).read()


def is_log_line(content: bytes) -> bool:
    """Whether a line is one that such logs have, with or without what is around it."""
    return _is_log_text(unwrap(0, content.decode("utf-8", "replace")).text)


def hint_for(content: bytes) -> str | None:
    """What to switch on, where a line is of these libraries but tells nothing of what was sent."""
    text = unwrap(0, content.decode("utf-8", "replace")).text
    if _PYTHON_ONLY.search(text):
        return _NO_PAYLOADS_PYTHON
    if (said := NAMESPACE.search(text[:_PREFIX_CHARACTERS])) and ":" in said[1]:
        return _NO_PAYLOADS_NODE
    return _NO_PAYLOADS_ACCESS if _ACCESS.search(text) else None


def _is_log_text(text: str) -> bool:
    text = text[: _PREFIX_CHARACTERS + 4096]
    said = NAMESPACE.search(text[:_PREFIX_CHARACTERS])
    is_nodes = said is not None and (said[1] in NAMESPACES or REQUEST.match(text, said.end()) is not None)
    return is_nodes or bool(PACKET.search(text) or ATTEMPT.search(text))


@dataclass(slots=True)
class _Cut:
    """A line whose packet goes on, perhaps."""

    line: LogLine
    parts: int = 1


class _EngineioLog:
    """One log being read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._connections = LogConnections(source)
        self._clock = LogClock()
        self._doubles, upgrading = self._survey()
        self._python = PythonLog(self._connections, upgrading)
        self._node = NodeLog(self._connections)
        self._cut: _Cut | None = None
        self._put_together = self._left_out = 0
        self._whole, self._copy = "", 0
        self._hint: str | None = None

    def read(self) -> Iterator[Item]:
        """The file from its beginning."""
        for line in log_lines(self._source):
            if isinstance(line, BadLine):
                yield self._source.problem(f"line {line.number}", line.reason)
                continue
            try:
                yield from self._take(line)
            except TooManyConnections as error:
                yield self._connections.problem(str(error))
                break
        yield from self._give_up()
        yield from self._connections.close()
        yield from self._close()

    def _close(self) -> Iterator[Item]:
        if count := self._node.mixed_clients:
            reason = f"{count} clients count as one connection: Node's log does not tell them apart"
            yield self._source.problem("the whole file", reason)
        if not self._connections.records and self._hint:
            yield self._source.problem("the whole file", self._hint)
        said = []
        if self._left_out:
            said.append(f"{self._left_out} lines repeat what another handler wrote, and are left out")
        if self._put_together:
            said.append(f"{self._put_together} packets were cut in two, and are put together")
        if self._connections.records and self._clock.guess:
            said.append(self._clock.guess)
        for reason in said:
            yield self._source.assumed("the whole file", reason)

    def _survey(self) -> tuple[Doubles, frozenset[str]]:
        """What the beginning of the file tells of all of it: doubled lines, and which sessions become WebSockets."""
        upgrading: set[str] = set()
        found: list[PacketLine] = []
        for line in islice(log_lines(replace(self._source, on_bytes=lambda _: None)), _SURVEYED_LINES):
            if isinstance(line, BadLine):
                continue
            if said := PACKET.search(line.text):
                prefix = line.text[: said.start()]
                has_clock = LogClock().ms(f"{line.before}{prefix}") is not None
                form = form_of(line.wrapping, f"{line.before}{prefix}")
                found.append(PacketLine(form, line.text[said.start() :], has_clock, line.text))
            elif upgraded := UPGRADED.search(line.text):
                upgrading.add(upgraded[1])
        return find_doubles(found), frozenset(upgrading)

    def _take(self, line: LogLine) -> Iterator[Item]:
        if self._cut is not None:
            if not _is_log_text(line.text):
                yield from self._go_on(self._cut, line)
                return
            yield from self._give_up()
        self._connections.line = line.number
        said = PACKET.search(line.text) if " packet " in line.text else None
        if said is not None and self._is_double(line, said):
            self._left_out += 1
            return
        try:
            yield from self._said(line, said)
        except CutOff:
            self._cut = _Cut(line)

    def _is_double(self, line: LogLine, said: re.Match[str]) -> bool:
        if self._doubles.forms:
            prefix = f"{line.before}{line.text[: said.start()]}"
            if form_of(line.wrapping, prefix) in self._doubles.forms:
                return True
        if self._doubles.copies > 1:
            self._copy = self._copy + 1 if line.text == self._whole else 0
            self._whole = line.text
            return self._copy % self._doubles.copies != 0
        return False

    def _said(self, line: LogLine, said: re.Match[str] | None) -> Iterator[Item]:
        text = line.text
        if said is not None:
            yield from self._python.packet(said, self._ms(line, said.start()))
            return
        namespace = NAMESPACE.search(text[:_PREFIX_CHARACTERS])
        if namespace is not None:
            at_ms = self._ms(line, namespace.start())
            yield from self._node.line(namespace[1], text[namespace.end() :], at_ms)
        elif "pgrade" in text or "onnection" in text:
            yield from self._python.other(text, self._ms(line, len(text)))
        if self._hint is None and not self._connections.records:
            self._hint = hint_for(text.encode("utf-8", "replace"))

    def _ms(self, line: LogLine, until: int) -> float | None:
        return self._clock.ms(line.before + line.text[max(0, until - _PREFIX_CHARACTERS) : until], line.beside)

    def _go_on(self, cut: _Cut, line: LogLine) -> Iterator[Item]:
        """Try whether a line is the rest of a packet."""
        whole = replace(cut.line, text=cut.line.text + _without_prefix(line.text, cut.line.text))
        self._cut = None
        said = PACKET.search(whole.text)
        try:
            yield from self._said(whole, said)
            self._put_together += 1
        except CutOff:
            self._cut = _Cut(whole, cut.parts + 1)
            if self._cut.parts >= _MOST_PARTS:
                yield from self._give_up()

    def _give_up(self) -> Iterator[Item]:
        if self._cut is not None:
            self._cut = None
            yield self._connections.problem("the line ends in the middle of a packet; left out")


def _without_prefix(text: str, first: str) -> str:
    """The rest of a packet without what a collector puts in front of every line, if it is like the first's."""
    said = PACKET.search(first) or NAMESPACE.search(first)
    if said is None or said.start() == 0:
        return text
    length = said.start()
    same = form_of("", text[:length]) == form_of("", first[:length])
    return text[length:] if same else text
