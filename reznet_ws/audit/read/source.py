"""One file of a capture, and what the files of one capture share.

In: paths. Out: their lines, connection numbers, moments since the capture's first, problems with the file's name.
Never: holds more of a file than one line or one frame may take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reznet_ws.audit.read.capture import Assumption, Opened, Problem
from reznet_ws.audit.read.clock import MAX_MOMENT_MS
from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES, ProtocolDecoder

# What is remembered of each takes about 1 KB.
MAX_CONNECTIONS = 100_000
CHUNK_BYTES = 2**16
_MAX_URL_CHARACTERS = 2_048
# A user's name and password before the host. Source: RFC 3986 section 3.2.1.
# How Playwright calls what it attaches, also in a trace's folder.
_PLAIN_NAME = re.compile(r"(?:resources/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_USER_INFO = re.compile(r"^([^/]*//)[^/]*@")


def address_of(url: str) -> str:
    """A URL without query string, fragment, user's name and password; of a bounded length."""
    return _USER_INFO.sub(r"\1", url.partition("?")[0].partition("#")[0])[:_MAX_URL_CHARACTERS]


class TooManyConnections(Exception):
    """A capture has more connections than are told apart."""


class Capture:
    """Numbers connections and tells the time, across all files of one capture."""

    def __init__(self) -> None:
        self._connections = 0
        self._first_ms: float | None = None

    def number(self) -> int:
        """The next connection's number, from 1. Raises: TooManyConnections."""
        if self._connections >= MAX_CONNECTIONS:
            raise TooManyConnections(f"more than {MAX_CONNECTIONS} connections; the rest is left out")
        self._connections += 1
        return self._connections

    def since_first(self, at_ms: float | None) -> float | None:
        """The moment in ms since the first that was asked for; later files may go back before it.

        None for what is no moment: above `MAX_MOMENT_MS` either way, or not a number.
        """
        if at_ms is None or not abs(at_ms) <= MAX_MOMENT_MS:
            return None
        if self._first_ms is None:
            self._first_ms = at_ms
        return round(at_ms - self._first_ms, 3)


class NumberedLine(NamedTuple):
    """A line without its end, None if it is longer than a frame may be; `number` counts from 1."""

    number: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Source:
    """One file, with the capture that it is part of. `on_bytes` is told how many bytes were read.

    `name`: how it is told of, where it was unpacked from another; `beside`: the files of its archive by their names,
    None where its folder has them.
    """

    path: Path
    capture: Capture
    on_bytes: Callable[[float], None] = lambda count: None
    name: str = ""
    beside: Mapping[str, Path] | None = None

    @property
    def shown(self) -> str:
        """What it is called."""
        return self.name or str(self.path)

    def attached(self, name: str) -> Path | None:
        """The file that an entry refers to, if it is there; a name cannot lead out of the folder."""
        if self.beside is not None:
            return self.beside.get(name)
        path = self.path.parent / name
        return path if _PLAIN_NAME.fullmatch(name) and path.is_file() and not path.is_symlink() else None

    def problem(self, position: str, reason: str) -> Problem:
        """What could not be read, with the file's name."""
        return Problem(self.shown, position, reason)

    def connect(self, engineio: int | None = None, *, holds_binary: bool = True) -> tuple[int, ProtocolDecoder]:
        """The next connection's number and decoder. Raises: TooManyConnections."""
        number = self.capture.number()
        return number, ProtocolDecoder(number, engineio, holds_binary=holds_binary)

    def assumed(self, position: str, reason: str) -> Assumption:
        """What was supplied, with the file's name."""
        return Assumption(self.shown, position, reason)

    def opened(self, number: int, url: str, engineio: int | None, extensions: str | None = None) -> Opened:
        """That a connection was opened; its address without what is certainly secret."""
        return Opened(number, address_of(url), self.shown, engineio, extensions)

    def lines(self) -> Iterator[NumberedLine]:
        """The file line by line, without line ends. A byte order mark is left out."""
        # An event's name, its time and the like stand beside the frame.
        limit = MAX_FRAME_BYTES + 4096
        with self.path.open("rb") as file:
            number = 0
            while line := file.readline(limit):
                number += 1
                self.on_bytes(len(line))
                if len(line) == limit and not line.endswith(b"\n"):
                    self._skip_line(file)
                    yield NumberedLine(number, None)
                else:
                    content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                    yield NumberedLine(number, content.rstrip(b"\r\n"))

    def _skip_line(self, file: BinaryIO) -> None:
        while rest := file.readline(CHUNK_BYTES):
            self.on_bytes(len(rest))
            if rest.endswith(b"\n"):
                return
