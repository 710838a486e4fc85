r"""The bytes of a large JSON document, made fit for a streaming parser.

In: a file of any content. Out: its bytes piece by piece, as UTF-8, with texts above the limit cut.
Never: holds more than one piece; the parser holds one text at a time, and this bounds how long it can be.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import BinaryIO

from reznet_ws.audit.protocol import MAX_FRAME_BYTES
from reznet_ws.audit.source import CHUNK_BYTES

# A text of MAX_FRAME_BYTES takes more in the file: base64, or a backslash before each quote of JSON within JSON.
MAX_TEXT_BYTES = MAX_FRAME_BYTES * 3 // 2
_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
# Where a text may be cut: behind eight characters, counted with their escapes whole, so also behind a \uXXXX that the
# piece before began.
_CUT = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\[^u]|[^\\]){8}")
# A pair may stand across two pieces; then it is not noticed that one half is alone, but it is still read as "?".
_HIGH_ALONE = re.compile(r"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F]|.{0,5}\Z)", re.DOTALL)
_LOW_ALONE = re.compile(r"(?<!\A)(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)(?:\\\\)*\\u[dD][c-fC-F][0-9a-fA-F]{2}")


class JsonBytes:
    """A file as ijson reads it.

    `notes` says what was changed, each kind once, with its place. `was_cut` is true when the next text that the parser
    finds is one that was cut; whoever takes it sets it back. `begin` and `end` are where the piece being parsed stands.
    """

    def __init__(self, file: BinaryIO, on_bytes: Callable[[float], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._is_escaped = False
        self._text_bytes = 0
        self._is_cutting = False
        self.begin = 0
        self.end = 0
        self.was_cut = False
        self.notes: dict[str, str] = {}

    def read(self, size: int) -> bytes:
        """The next piece, empty only at the end."""
        if size == 0:
            return b""  # ijson asks for nothing, to see whether these are bytes
        while chunk := self._file.read(CHUNK_BYTES):
            self.begin, self.end = self.end, self.end + len(chunk)
            self._on_bytes(len(chunk))
            if fit := self._fit(self._decoder.decode(chunk)):
                return self._encoded(fit)
        return b""

    def _fit(self, text: str) -> str:
        """The piece, without what is in the middle of a text that is too long.

        What has no quote for so long could also be numbers or brackets; no HAR has so many, and cut they are an error.
        """
        view = "\\" + text if self._is_escaped else text
        skip = len(view) - len(text)
        self._is_escaped = (len(view) - len(view.rstrip("\\"))) % 2 == 1
        quote = _QUOTE.search(view)
        if quote is not None:
            self.was_cut, self._is_cutting = self.was_cut or self._is_cutting, False
            self._text_bytes = 0
            return view[quote.end() - 1 :] if self.was_cut else text
        self._text_bytes += len(text)
        if self._is_cutting:
            return ""
        if self._text_bytes <= MAX_TEXT_BYTES or (cut := _CUT.match(view)) is None:
            return text
        self._is_cutting = True
        return view[skip : cut.end()]

    def _encoded(self, text: str) -> bytes:
        if "\\ud" in text.lower() and (_HIGH_ALONE.search(text) or _LOW_ALONE.search(text)):
            self._note("halves of surrogate pairs are read as question marks")
        try:
            return text.encode()
        except UnicodeEncodeError:
            self._note("bytes that are no UTF-8 are read as question marks")
            return text.encode("utf-8", "replace")

    def _note(self, what: str) -> None:
        self.notes.setdefault(what, f"bytes {self.begin} to {self.end}")
