r"""The bytes of a large JSON document, made fit for a streaming parser.

In: a file of any content. Out: its bytes piece by piece, as UTF-8 without lone surrogates, texts above a limit cut.
Never: holds more than one piece; the parser holds one text at a time, and this bounds how long it can be.

The parser (yajl, in ijson) ends at bytes that are no UTF-8 and makes such bytes of a lone `\ude00`; both are replaced.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import BinaryIO

from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES
from reznet_ws.audit.read.source import CHUNK_BYTES

# A text of MAX_FRAME_BYTES takes more in the file: base64, or a backslash before each quote of JSON within JSON.
MAX_TEXT_BYTES = MAX_FRAME_BYTES * 3 // 2
_MAX_PIECE_BYTES = 2**24
# A quote behind one of these is not escaped; nearly every piece has one.
_SURE_QUOTES = ('{"', ',"', ':"', ' "')
_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*+"')
# A pair of surrogates, or one alone.
_SURROGATES = re.compile(
    r"((?<!\\)(?:\\\\)*+)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
# What an escape that goes on in the next piece can consist of.
_WITHIN_ESCAPE = "\\u0123456789abcdefABCDEF"
# As many characters and escapes as are whole; the first half of a pair is whole if it is clear that no other follows.
_WHOLE = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F]))"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\[^u]|[^\\])*+",
    re.DOTALL,
)


class JsonBytes:
    """A file as ijson reads it.

    `notes` says what was changed, each kind once, with its place. `was_cut` is true when the next text that the parser
    finds is one that was cut; whoever takes it sets it back. `begin` and `end` are where the piece being parsed stands.
    """

    def __init__(self, file: BinaryIO, on_bytes: Callable[[float], None], max_text_bytes: int = MAX_TEXT_BYTES) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._max_text_bytes = max_text_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._kept_back = ""
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
        # The parser scans a text that is not complete again with each piece, so pieces grow with it.
        while chunk := self._file.read(max(CHUNK_BYTES, min(self._text_bytes // 2, _MAX_PIECE_BYTES))):
            self.begin, self.end = self.end, self.end + len(chunk)
            self._on_bytes(len(chunk))
            text = self._kept_back + self._decoder.decode(chunk)
            piece, self._kept_back = _whole_escapes(text)
            if fit := self._fit(piece, len(chunk)):
                return self._encoded(fit)
        rest, self._kept_back = self._kept_back + self._decoder.decode(b"", final=True), ""
        return self._encoded(self._fit(rest, 0))

    def _fit(self, text: str, file_bytes: int) -> str:
        """The piece, without what is behind the limit of a text; pieces begin with no half of an escape.

        What has no quote for so long could also be numbers or brackets; no HAR has so many, and cut they are an error.
        """
        if _has_quote(text):
            self._text_bytes = 0
            if not self._is_cutting:
                return text
            self._is_cutting, self.was_cut = False, True
            quote = _QUOTE.search(text)
            assert quote is not None
            return text[quote.end() - 1 :]
        self._text_bytes += file_bytes
        self._is_cutting = self._is_cutting or self._text_bytes > self._max_text_bytes
        return "" if self._is_cutting else text

    def _encoded(self, text: str) -> bytes:
        if "\\ud" in text or "\\uD" in text:
            text = _SURROGATES.sub(self._whole, text)
        try:
            return text.encode()
        except UnicodeEncodeError:
            self._note("bytes that are no UTF-8 are read as question marks")
            return text.encode("utf-8", "replace")

    def _whole(self, found: re.Match[str]) -> str:
        if found[2]:
            return found[0]
        self._note("halves of surrogate pairs are read as U+FFFD")
        return found[1] + "\\ufffd"

    def _note(self, what: str) -> None:
        self.notes.setdefault(what, f"bytes {self.begin} to {self.end}")


def _whole_escapes(text: str) -> tuple[str, str]:
    """The text up to where it may be divided, and the rest: within no escape, and no pair of surrogates."""
    end = len(text.rstrip(_WITHIN_ESCAPE))
    if end == 0:
        whole = _WHOLE.match(text)
        end = whole.end() if whole else 0
        if end == 0 and len(text) > 12:
            end = len(text)  # no JSON
    return text[:end], text[end:]


def _has_quote(text: str) -> bool:
    """Whether there is a quote that is not escaped."""
    if any(quote in text for quote in _SURE_QUOTES):
        return True
    return '"' in text.replace("\\\\", "").replace('\\"', "")
