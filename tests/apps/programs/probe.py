"""What the harness asks a running application: CPU so far, who is connected, what the line says it took over.

In: the ASGI application that a framework built, and its Socket.IO server. Out: the same application, which answers
`GET /probe` too. Never: touches a message; it is there with the line and without.
"""

import json
import os
import time


def add_line(sio):
    """The one line, in the run that has it."""
    if os.environ.get("REZNET_LINE") != "1":
        return None
    import reznet_ws

    return reznet_ws.attach(sio)


class Probe:
    """An ASGI middleware, as any application may have some."""

    def __init__(self, app, *, sio, manager=None):
        self.app, self.sio, self.manager = app, sio, manager

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/probe":
            return await self.app(scope, receive, send)
        open_sockets = [socket for socket in self.sio.eio.sockets.values() if not socket.closed]
        said = {
            "cpu_s": time.process_time(),
            "connected": len(open_sockets),
            "stats": self.manager.get_stats() if self.manager else None,
        }
        body = json.dumps(said, default=str).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
