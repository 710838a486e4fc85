"""WebTransport for a Socket.IO server: HTTP/3 by aioquic, beside whatever serves the application's other requests.

In: an ASGI application. Out: sessions of WebTransport, each of which the application sees as a WebSocket connection.
Never imported by the rest of the package, which needs no aioquic.

One session for each QUIC connection, and one stream for each session, which the client opens, as Socket.IO's own
server has it. Source: W3C WebTransport; draft-ietf-webtrans-http3-02; aioquic 1.7.
"""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.asyncio.server import serve as serve_quic
from aioquic.buffer import encode_uint_var
from aioquic.h3 import events as h3
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.quic import events as quic
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from reznet_ws.adapters.certificate import Certificate, make_certificate
from reznet_ws.adapters.webtransport_session import RESTART, App, Session, serve_session

# engineio's own default for a message.
MAX_PACKET_BYTES = 1_000_000
# From the first packet of a connection to the first packet of its session.
_OPENING_S = 10.0
# Above engineio's pings, every 25 s.
_IDLE_S = 60.0
# A client opens five: a request, its session's stream, and three of HTTP/3's own.
_MOST_STREAMS = 16
# All that a client sends outside its session's stream: settings, a request, a goodbye. aioquic would hold any of it.
_MOST_OTHER_BYTES = 65_536
# What a client that was told goodbye has to say so in; and then, to close its connection.
_FAREWELL_S = 5.0
_LEAVING_S = 1.0
_CLOSE_CAPSULE = 0x2843
_MOST_REASON_BYTES = 1024
_DATAGRAM_BYTES = 65_536  # offered, as WebTransport asks for; none is read
_FORWARDED = (b"x-forwarded-proto", b"x-forwarded-host", b"connection", b"upgrade")


class Server:
    """Serves until it is closed."""

    def __init__(self, app: App, max_packet_bytes: int, certificate: Certificate | None) -> None:
        self.app, self.max_packet_bytes, self.certificate = app, max_packet_bytes, certificate
        self.port = 0
        # Session -> the task in which the application serves it.
        self.sessions: dict[Session, asyncio.Task[None]] = {}
        # Of each connection with a session: done when its client has ended that, too.
        self.ends: set[asyncio.Future[None]] = set()
        self.is_closing = False
        self._quic: QuicServer

    async def listen(self, host: str, port: int, configuration: QuicConfiguration) -> None:
        """Begin to serve."""
        # With `retry` an address that was made up costs no state.
        create = functools.partial(Connection, server=self)
        self._quic = await serve_quic(host, port, configuration=configuration, create_protocol=create, retry=True)
        assert self._quic._transport is not None
        self.port = self._quic._transport.get_extra_info("sockname")[1]

    def start(self, session: Session) -> None:
        """Serve a session by the application."""
        task = asyncio.get_running_loop().create_task(serve_session(self.app, session))
        self.sessions[session] = task
        task.add_done_callback(lambda _: self.sessions.pop(session))

    async def close(self) -> None:
        """Say goodbye to all, let the application hear of it, and stop."""
        self.is_closing = True
        ends = [*self.sessions.values(), *self.ends]
        for session in list(self.sessions):
            session.fail(RESTART, "the server stops")
        if ends:
            await asyncio.wait(ends, timeout=_FAREWELL_S)
        self._quic.close()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def serve(
    app: App,
    host: str,
    port: int,
    *,
    certfile: str | Path | None = None,
    keyfile: str | Path | None = None,
    max_packet_bytes: int = MAX_PACKET_BYTES,
) -> Server:
    """Serve an application's Socket.IO by WebTransport, on a UDP port.

    Without `certfile` a certificate is made for `host`, valid for 13 days, that clients take by its hash,
    `server.certificate.sha256`. `max_packet_bytes` bounds what a client sends at once.
    Raises: OSError, where the port cannot be had or the certificate not be read.
    """
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN,
        max_datagram_frame_size=_DATAGRAM_BYTES,
        idle_timeout=_IDLE_S,
    )
    made = None
    if certfile is None:
        made = make_certificate(host)
        configuration.certificate, configuration.private_key = made.certificate, made.key
    else:
        configuration.load_cert_chain(certfile, keyfile)
    server = Server(app, max_packet_bytes, made)
    await server.listen(host, port, configuration)
    return server


class Connection(QuicConnectionProtocol):
    """One QUIC connection, and the one session in it."""

    def __init__(self, connection: QuicConnection, stream_handler: Any = None, *, server: Server) -> None:
        super().__init__(connection, stream_handler)
        self._server = server
        self._http: H3Connection | None = None
        self._session: Session | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # Of the request for a session, and the stream in it.
        self._session_id = self._stream_id = -1
        self._other_bytes = 0
        self._address: Any = None
        self._deadline = self._loop.call_later(_OPENING_S, self._expire)

    # From the network

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """A datagram came."""
        self._address = addr
        super().datagram_received(data, addr)
        if self._session is not None:
            self._session.acknowledged()

    def quic_event_received(self, event: quic.QuicEvent) -> None:
        """Something happened to the connection."""
        match event:
            case quic.ProtocolNegotiated():
                self._http = H3Connection(self._quic, enable_webtransport=True)
            case quic.ConnectionTerminated():
                self._deadline.cancel()
                self._end()
                return
            case quic.StreamReset() | quic.StopSendingReceived():
                if event.stream_id in (self._session_id, self._stream_id):
                    self._end()
                    self._leave()
            case quic.StreamDataReceived():
                if not self._is_bounded(event):
                    self.close(ErrorCode.H3_EXCESSIVE_LOAD, "too much")
                    return
        if self._http is not None:
            for found in self._http.handle_event(event):
                self._take(found)

    def _is_bounded(self, event: quic.StreamDataReceived) -> bool:
        if event.stream_id != self._stream_id:
            self._other_bytes += len(event.data)
        return self._other_bytes <= _MOST_OTHER_BYTES and event.stream_id >> 2 < _MOST_STREAMS

    def _take(self, event: h3.H3Event) -> None:
        match event:
            case h3.HeadersReceived():
                self._request(event.stream_id, event.headers)
            case h3.WebTransportStreamDataReceived(session_id=session_id, stream_id=stream_id):
                # Bit 1 of its number says that a stream goes one way.
                if self._session is None or session_id != self._session_id or stream_id & 2:
                    return
                if self._stream_id < 0:
                    self._stream_id = stream_id
                if stream_id == self._stream_id:
                    self._session.feed(event.data)
                    if event.stream_ended:
                        self._end()
                        self._leave()
            case h3.DataReceived(stream_id=stream_id, stream_ended=True) if stream_id == self._session_id:
                self._end()
                self._leave()

    def _request(self, stream_id: int, headers: list[tuple[bytes, bytes]]) -> None:
        assert self._http is not None
        said = dict(headers)
        status = 0
        if said.get(b":method") != b"CONNECT" or said.get(b":protocol") != b"webtransport":
            status = 404
        elif self._session_id >= 0:
            status = 429
        elif self._server.is_closing:
            status = 503
        scope = None if status else self._scope(said, headers)
        if scope is None:
            self._http.send_headers(stream_id, [(b":status", str(status or 400).encode())], end_stream=True)
            return
        self._session_id = stream_id
        self._session = Session(self, scope, self._server.max_packet_bytes)
        self._server.ends.add(self._ended)
        self._server.start(self._session)

    def _scope(self, said: dict[bytes, bytes], headers: list[tuple[bytes, bytes]]) -> dict[str, Any] | None:
        """What ASGI tells of a WebSocket connection; None where the request is for something else."""
        raw_path, _, query = said.get(b":path", b"").partition(b"?")
        asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        # Socket.IO's client says here neither its transport nor its version of the protocol, and means these.
        if asked.get("transport", "webtransport") != "webtransport" or "sid" in asked:
            return None
        asked |= {"EIO": asked.get("EIO", "4"), "transport": "websocket"}
        authority = said.get(b":authority", b"")
        kept = [(name, value) for name, value in headers if name[:1] != b":" and name not in (*_FORWARDED, b"host")]
        # engineio takes a page of the same host and port for the same origin, and asks a proxy whether that is https.
        shown = [(b"host", authority), (b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "3",
            "scheme": "wss",
            "path": unquote(raw_path.decode("latin-1")),
            "raw_path": raw_path,
            "query_string": urlencode(asked).encode(),
            "root_path": "",
            "headers": [*shown, (b"x-forwarded-proto", b"https"), *kept],
            "client": tuple(self._address[:2]),
            "server": (authority.decode("latin-1"), self._server.port),
            "subprotocols": [],
            "state": {},
            "extensions": {"webtransport": {}},
        }

    def _expire(self) -> None:
        if self._session is None:
            self.close(ErrorCode.H3_NO_ERROR, "asked for no session in time")
        else:
            self._session.expire()

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
        if not self._ended.done():
            self._ended.set_result(None)
            self._server.ends.discard(self._ended)

    def _leave(self, within_s: float | None = None) -> None:
        self._loop.call_later(_LEAVING_S if within_s is None else within_s, self.close)

    # Of the session

    def respond(self, status: int, *, end: bool) -> None:
        """Answer the client's request for a session."""
        assert self._http is not None
        headers = [(b":status", str(status).encode()), (b"sec-webtransport-http3-draft", b"draft02")]
        self._http.send_headers(self._session_id, headers, end_stream=end)
        self.transmit()
        if end:
            self._leave(_FAREWELL_S)

    def write(self, data: bytes) -> None:
        """Send on the session's stream."""
        self._quic.send_stream_data(self._stream_id, data)
        self._transmit_soon()

    def waiting_bytes(self) -> int:
        """What is written and not yet acknowledged; aioquic tells by no public name."""
        stream = self._quic._streams.get(self._stream_id)
        return 0 if stream is None else len(stream.sender._buffer)

    def close_session(self, code: int, reason: str) -> None:
        """Say goodbye by a capsule, and close the connection soon if the client does not."""
        assert self._http is not None
        said = code.to_bytes(4) + reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore").encode()
        capsule = encode_uint_var(_CLOSE_CAPSULE) + encode_uint_var(len(said)) + said
        self._http.send_data(self._session_id, capsule, end_stream=True)
        self.transmit()
        self._leave(_FAREWELL_S)
