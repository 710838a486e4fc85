"""Files as browsers, proxies and log rotation leave them: compressed, or several in one archive.

In: a path. Out: plain files to read, each with the name to tell it by, in a folder that goes away.
Never: writes outside of that folder, whatever names an archive has in it; unpacks more than `MAX_UNPACKED_BYTES`.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from reznet_ws.audit.read.source import CHUNK_BYTES

# Of one file; a log of a gigabyte is audited in minutes, a bomb would take the disk.
MAX_UNPACKED_BYTES = 2**31
_MOST_MEMBERS = 10_000
# How compressed files begin. Source: RFC 1952, PKWARE's APPNOTE, RFC 8878, xz's file format, bzip2.
_KINDS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
}
# What is in an archive of Playwright's beside the HAR: attached bodies, and traces.
_AUDITED = (".har", ".log", ".jsonl", ".ndjson", ".json", ".txt", ".pcap", ".pcapng", ".cap")


_FAULTS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


class CannotUnpack(Exception):
    """Why a file cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file that can be read as it is. `beside`: the files of its archive, by their names there."""

    path: Path
    name: str
    beside: Mapping[str, Path] | None = None
    is_cut: bool = False


@dataclass(slots=True)
class _Folder:
    path: Path
    left_bytes: int = MAX_UNPACKED_BYTES
    files: int = 0
    cut: set[Path] = field(default_factory=set)

    def write(self, stream: IO[bytes]) -> Path:
        """A stream's content, as much as there is room for. Raises: CannotUnpack where nothing can be had."""
        path = self.path / str(self.files)
        self.files += 1
        with path.open("wb") as target:
            try:
                while chunk := stream.read(CHUNK_BYTES):
                    if len(chunk) > self.left_bytes:
                        self.cut.add(path)
                        break
                    self.left_bytes -= len(chunk)
                    target.write(chunk)
            except (
                OSError,
                EOFError,
                ValueError,
                zlib.error,
                lzma.LZMAError,
                zipfile.BadZipFile,
                RuntimeError,
            ) as error:
                if not target.tell():
                    raise CannotUnpack(f"it cannot be unpacked: {error}") from error
                self.cut.add(path)  # what was there before the fault is read
        return path


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[list[PlainFile]]:
    """The plain files in one, itself if it is plain. Raises: CannotUnpack, OSError."""
    kind = _kind_of(path)
    if kind is None:
        yield [PlainFile(path, str(path))]
        return
    with tempfile.TemporaryDirectory(prefix="reznet-audit-") as name:
        folder = _Folder(Path(name))
        yield _members(path, folder) if kind == "zip" else [_single(path, kind, folder)]


def _kind_of(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(10)
    for begin, kind in _KINDS.items():
        if head.startswith(begin):
            return kind
    if head.startswith(b"BZh") and head[4:] == b"1AY&SY":
        return "bzip2"
    # zlib's, which mitmproxy calls .zhar: deflate, and a checksum of the two bytes. Source: RFC 1950 section 2.2.
    is_zlib = (
        len(head) >= 2 and head[0] in (0x78, 0x68, 0x58) and int.from_bytes(head[:2]) % 31 == 0 and not head[1] & 0x20
    )
    return "zlib" if is_zlib and not head[:2].isalnum() else None


def _single(path: Path, kind: str, folder: _Folder) -> PlainFile:
    opened: dict[str, Callable[[Path], Any]] = {
        "gzip": _InflatedFile,
        "xz": lzma.open,
        "bzip2": bz2.open,
        "zlib": _InflatedFile,
        "zstd": _zstd,
    }
    with opened[kind](path) as stream:
        unpacked_path = folder.write(stream)
    return PlainFile(unpacked_path, str(path), None, unpacked_path in folder.cut)


def _members(path: Path, folder: _Folder) -> list[PlainFile]:
    """A zip's files; those that are audited, with all others beside them."""
    beside: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()][:_MOST_MEMBERS]
            for info in infos:
                with archive.open(info) as stream:
                    beside[info.filename] = folder.write(stream)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        if not beside:
            raise CannotUnpack(f"it cannot be unpacked: {error}") from error
    hars = [name for name in beside if name.endswith(".har")]
    # Beside a HAR everything else is what its entries refer to.
    chosen = hars or [name for name in beside if name.endswith(_AUDITED)] or list(beside)
    return [PlainFile(beside[name], f"{path}/{name}", beside, beside[name] in folder.cut) for name in chosen]


def _zstd(path: Path) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        try:
            from backports import zstd
        except ImportError as error:
            raise CannotUnpack("it is compressed (zstd), and the library backports.zstd is missing") from error
    return zstd.open(path)


class _InflatedFile:
    """A gzip or zlib stream as a file, to the last byte that can be had of one that is cut off."""

    _ANY_HEADER = zlib.MAX_WBITS + 32

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inflater = zlib.decompressobj(self._ANY_HEADER)
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """At most so many bytes, empty only at the end."""
        while True:
            piece = self._waiting or self._file.read(CHUNK_BYTES)
            if self._inflater.eof:
                if not piece.strip(b"\x00"):
                    return b""
                self._inflater = zlib.decompressobj(self._ANY_HEADER)  # gzip allows for several, one after the other
            elif not piece:
                raise EOFError("it ends in the middle")
            chunk = self._inflater.decompress(piece, size)
            self._waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
            if chunk:
                return chunk

    def __enter__(self) -> _InflatedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
