"""The figures over HTTP, for a FastAPI application to mount.

In: a ConnectionManager. Out: a router with `/api/websocket/stats`, `/stats/reset` and `/health`.
Never: shows what is in a message; only event names, counts and sizes.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from importlib import metadata
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from reznet_ws.adapters.manager import ConnectionManager
from reznet_ws.stats import Report


class Health(BaseModel):
    """That the server answers."""

    status: str
    version: str
    active_connections: int


_BEARER = HTTPBearer(auto_error=False)


def stats_router(manager: ConnectionManager, token: str | None = None) -> APIRouter:
    """The routes for one manager; with a token, the figures need it as a bearer token.

    Without one they are shown to all but pages of other origins, and nobody may reset them.
    """

    def may_read(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        if token is None:
            if is_of_another_origin(request.headers):
                raise HTTPException(403, "a page of another origin may not read the figures")
        elif given is None or not is_token(given.credentials, token):
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})

    def may_reset() -> None:
        if token is None:
            raise HTTPException(403, "the figures are reset only with a token: stats_router(manager, token=...)")

    router = APIRouter(prefix="/api/websocket", tags=["websocket"])

    @router.get("/stats", dependencies=[Depends(may_read)])
    async def stats() -> Report:
        """Messages, bytes and the saving at each step, by event."""
        return manager.report()

    @router.post("/stats/reset", dependencies=[Depends(may_reset), Depends(may_read)])
    async def reset() -> Report:
        """Start all counts again; answers with the figures up to now."""
        report = manager.report()
        manager.reset_stats()
        return report

    @router.get("/health")
    async def health() -> Health:
        """Whether the server answers, and to how many."""
        version = metadata.version("reznet-ws")
        return Health(status="ok", version=version, active_connections=manager.active_connections)

    return router


def is_token(given: object, token: str) -> bool:
    """Compare in constant time, so that an answer's delay tells nothing."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), token.encode())


def is_of_another_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin asks.

    Source: Fetch Metadata (`Sec-Fetch-Site`), which a proxy that renames the host leaves alone; older browsers say
    `Origin` (RFC 6454).
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
