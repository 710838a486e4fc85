"""Old and new clients in one room: real ones, each counted by itself, and a page that decodes what it was sent.

In: who is there, events. Out: what each one's handlers got, and the bytes that it cost at the server's sockets.
Never: tells the server who is who but by what a client asks for when it connects.

Two things keep the bytes the same every time. Greetings hold random ids: they go uncompressed, and stay out of the
deflate window. And a burst of events begins only when no window is open and every long poll waits.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

import socketio

from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.client import decoder
from reznet_ws.lab.clients.listener import Tap
from reznet_ws.lab.explain.journey import Event
from reznet_ws.lab.running import Running
from reznet_ws.message.fields import VERSION_KEY, abbreviate, iso_from_ms
from reznet_ws.message.formats import GRANT_EVENT
from reznet_ws.message.payload import FORMAT
from reznet_ws.settings import Settings

PAGE = "page"
_TIMEOUT_S = 30.0
_WINDOW_MS = 100.0
_BURST = 6

_running = Running()
stop_room = _running.stop


@dataclass
class Member:
    """A python-socketio client. `asks` is what its query string says, `decodes` whether our helper is attached."""

    name: str
    asks: str = ""
    transport: str = "websocket"
    deflate: bool = False
    decodes: bool = False
    events: list[Event] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)

    async def join(self, url: str) -> None:
        """Connect, and wait for the answer where something was asked."""
        # A client of long-polling gives up on more than 16 packets at once; bursts are smaller.
        options = {"compress": 15} if self.deflate else {}
        self.sio = socketio.AsyncClient(handle_sigint=False, reconnection=False, websocket_extra_options=options)
        if self.decodes:
            decoder.attach(self.sio)

        async def arrive(event: str, data: Any) -> None:
            if event == GRANT_EVENT:
                self.grants.append(data)
            else:
                self.events.append((event, data))

        self.sio.on("*", arrive)
        await self.sio.connect(f"{url}?name={self.name}&{self.asks}", transports=[self.transport])

    async def leave(self) -> None:
        """Hang up at once: python-engineio would leave the poll of one that says goodbye unanswered for 45 s."""
        await self.sio.eio.disconnect(abort=True)


def everybody() -> list[Member]:
    """Who a server meets in the years after it has learnt format 2."""
    return [
        Member("stock"),
        Member("stock-deflate", deflate=True),
        Member("new", "reznet=2", deflate=True, decodes=True),
        Member("polling", transport="polling"),
        Member("new-polling", "reznet=2", transport="polling", decodes=True),
        Member("asks-for-9", "reznet=9", deflate=True, decodes=True),
    ]


class Room:
    """One server, some members, and a page that keeps what its WebSocket got; another stops the first."""

    def __init__(self, members: Sequence[Member]) -> None:
        stop_room()
        self.members = list(members)
        self._sio = socketio.AsyncServer(async_mode="asgi", ping_interval=1000)
        self._manager = attach(self._sio, Settings().replace(deflate=False, deflate_adjustable=True))
        self._app = socketio.ASGIApp(self._sio)
        self._names: dict[str, str] = {}
        self._sio.on("connect", self._welcome)
        self._server = ServerThread(self._app, stopping=self._stopping)
        _running.begin(self)
        try:
            for member in self.members:
                self._server.submit(member.join(self._server.url)).result(_TIMEOUT_S)
            self.page = Tap(self._server.url)
            self._server.submit(self._quiet(0)).result(_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        """Whether the server lives."""
        return self._server.is_running

    def play(self, events: Sequence[Event], settings: Settings) -> dict[str, int]:
        """Emit events to everybody, in bursts; name -> bytes at the server's socket, HTTP headers included."""
        return self._server.submit(self._play(events, settings)).result(_TIMEOUT_S)

    def page_messages(self, wire_bytes: int) -> list[str | bytes]:
        """What the page's WebSocket handed over for so many bytes at the socket. Raises: TimeoutError."""
        have = len(self.page.messages)
        while wire_bytes > 0:
            wire_bytes -= len(self.page.read(1)[0])
        return self.page.messages[have:]

    def stop(self) -> None:
        """Stop members, page and server; doing it twice does nothing."""
        if _running.end(self):
            if hasattr(self, "page"):
                self.page.close()
            self._server.stop()

    async def _play(self, events: Sequence[Event], settings: Settings) -> dict[str, int]:
        self._manager.settings = settings.replace(deflate_adjustable=True, batch_window_ms=_WINDOW_MS)
        before, received = self._costs(), len(self.members[0].events)
        for start in range(0, len(events), _BURST):
            burst = events[start : start + _BURST]
            for event, data in burst:
                await self._manager.broadcast(event, data)  # never gives the loop a turn
            received += len(burst)
            await self._quiet(received)
        return {name: cost - before.get(name, 0) for name, cost in self._costs().items()}

    async def _quiet(self, received: int) -> None:
        """Wait until everybody has everything, no window is open and every poll waits."""

        def is_quiet() -> bool:
            waits = all(
                self._sio.eio.sockets[member.sio.eio.sid].queue._getters  # a poll that waits, or a WebSocket's writer
                for member in self.members
            )
            complete = all(len(member.events) >= received for member in self.members)
            granted = all(member.grants or not member.asks for member in self.members)
            return granted and complete and waits and not self._manager.road.is_holding

        async with asyncio.timeout(_TIMEOUT_S):
            while not is_quiet():  # noqa: ASYNC110 (the libraries have no event for it)
                await asyncio.sleep(0.005)

    def _costs(self) -> dict[str, int]:
        return {self._names[sid]: known.sent_bytes for sid, known in self._manager.road.connections.items()}

    async def _welcome(self, sid: str, environ: dict[str, Any]) -> None:
        """Who a connection is, by the name in its query string."""
        (name,) = parse_qs(environ["QUERY_STRING"]).get("name", [PAGE])
        self._names[self._sio.manager.eio_sid_from_sid(sid, "/")] = name

    async def _stopping(self) -> None:
        self._manager.close()
        for member in self.members:
            if hasattr(member, "sio"):
                await member.leave()
        for socket in list(self._sio.eio.sockets.values()):
            await socket.close(wait=False)
        await self._sio.shutdown()


# The seed document's own decoder, and what an old handler does


def seed_decode(data: Any) -> Any:
    """The document's `decodePayload`, line by line; what is undefined in JavaScript is left out.

    In its favour, dates count as equal to the strings that they came from.
    """
    if not isinstance(data, dict) or data.get("_v") != 2:
        return data
    metadata: dict[str, Any] = data.get("m") or {}
    decoded = {
        "message_id": data.get("mid"),
        "channel_id": data.get("cid"),
        "author_type": data.get("at"),
        "author_name": data.get("an"),
        "content": data.get("c"),
        "created_at": _iso(data.get("ts")),
        "metadata": _defined({"model": metadata.get("mdl"), "provider": metadata.get("prv"), **metadata}),
    }
    return _defined(decoded)


def _defined(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def mark(data: dict[str, Any]) -> dict[str, Any]:
    """What the document sends to everybody: short keys, and the flag beside them."""
    return {**abbreviate(data), VERSION_KEY: FORMAT}


def _iso(ms: Any) -> str | None:
    return iso_from_ms(ms) if isinstance(ms, int) else None


# The page


def decoder_source(function: str = "decodePayload") -> str:
    """One exported function of the page's decoder, as it is delivered."""
    source = _read_module()
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
        module = base64.b64encode(_read_module().encode()).decode()
        filled = {"MODULE": json.dumps(module), "MESSAGES": _script(messages), "EMITTED": _script(self.emitted)}
        return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], _PAGE)


def _script(value: Any) -> str:
    """JSON that no HTML parser takes for the end of the script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _read_module() -> str:
    return resources.files("reznet_ws.client.js").joinpath("reznet.js").read_text(encoding="utf-8")


_PAGE = """<pre class="reznet-page" style="font-family: monospace; line-height: 1.4">No script ran here. Run this cell
in JupyterLab, and this place shows what your own browser makes of the messages.</pre>
<script>
(async () => {
  const say = text => document.querySelectorAll(".reznet-page").forEach(place => { place.textContent = text; });
  try {
    const { attach } = await import("data:text/javascript;base64," + @MODULE@);
    const messages = @MESSAGES@, emitted = @EMITTED@, got = [];
    // What socket.io-client's Socket has that our attach() uses.
    const done = packet => { got.push(packet.data); };
    const socket = { id: "page", io: { engine: {} }, onevent: done, onack: done, emitEvent: data => got.push(data) };
    attach(socket, { onError: error => say("failed: " + error) });
    socket.onevent({ data: ["connection_established", { format: 2 }] });
    got.length = 0;
    const fill = (value, parts) => value && value._placeholder ? parts[value.num] : Array.isArray(value)
      ? value.map(item => fill(item, parts)) : value && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, parts)])) : value;
    for (let at = 0; at < messages.length; at++) {
      const [, count, text] = /^4[25](?:(\\d+)-)?([^]*)$/.exec(messages[at]);
      const parts = messages.slice(at + 1, at + 1 + Number(count ?? 0))
        .map(part => Uint8Array.from(atob(part.base64), letter => letter.charCodeAt(0)).buffer);
      at += parts.length;
      socket.onevent({ data: fill(JSON.parse(text), parts) });
    }
    for (let turn = 0; turn < 200 && got.length < emitted.length; turn++) {
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    const equal = got.filter((data, at) => JSON.stringify(data) === JSON.stringify(emitted[at])).length;
    const lines = got.slice(0, 5).map(([event, data]) => event + "  " + JSON.stringify(data).slice(0, 84) + " …");
    say(`Your browser decoded ${messages.length} messages of a WebSocket into ${got.length} events;\\n`
      + `${equal} of ${emitted.length} equal what the server emitted, in order. The first of them:\\n\\n`
      + lines.join("\\n"));
  } catch (error) {
    say("This browser could not run the decoder: " + error);
  }
})();
</script>"""
