"""A cell's output that decodes, in the reader's own browser, what a page's WebSocket got.

In: messages as a WebSocket handed them over. Out: HTML with one script.
Never: loads anything from anywhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from reznet_ws.replay.trace import Event


def decoder_source(function: str = "decodePayload") -> str:
    """One exported function of the page's decoder, as it is delivered."""
    source = _read("reznet_ws.client.js", "reznet.js")
    start = source.index(f"export function {function}")
    return source[start : source.index("\n}\n", start) + 2]


class Page:
    """A cell's output that decodes, in the reader's browser, what a page's WebSocket got.

    Where no script runs (GitHub, a notebook that is not trusted) it says so; the text form says what is shown.
    """

    def __init__(self, messages: Sequence[str | bytes], emitted: Sequence[Event]) -> None:
        self.messages, self.emitted = list(messages), list(emitted)

    def __repr__(self) -> str:
        return (
            f"{len(self.messages)} messages of a WebSocket, {len(self.emitted)} events: decoded by the reader's browser"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": repr(self)}

    def to_html(self) -> str:
        """One element and one script; nothing is loaded from anywhere."""
        messages = [
            message if isinstance(message, str) else {"base64": base64.b64encode(message).decode()}
            for message in self.messages
        ]
        module = base64.b64encode(_read("reznet_ws.client.js", "reznet.js").encode()).decode()
        filled = {"MODULE": json.dumps(module), "MESSAGES": _script(messages), "EMITTED": _script(self.emitted)}
        page = _read("reznet_ws.lab.explain", "page.html").rstrip()
        return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], page)


def _script(value: Any) -> str:
    """JSON that no HTML parser takes for the end of the script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
