"""WebTransport, experimental: `server = await serve(app, "127.0.0.1", 4433)`.

In: an ASGI application with a Socket.IO server in it. Out: a server on a UDP port.
Never imported by the rest of the package, which needs no aioquic.
"""

from reznet_ws.adapters.certificate import Certificate
from reznet_ws.adapters.webtransport import Server, serve

__all__ = ["Certificate", "Server", "serve"]
