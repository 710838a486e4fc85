"""The figures over HTTP, for a FastAPI application to mount.

In: a ConnectionManager. Out: a router with `/api/websocket/stats`, `/stats/reset` and `/health`.
Never: shows what is in a message; only event names, counts and sizes.
"""

from __future__ import annotations

import hmac
from importlib import metadata
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
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
    """The routes for one manager; with a token, the figures need it as a bearer token."""

    def allowed(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        if token is not None and not (given and is_token(given.credentials, token)):
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})

    router = APIRouter(prefix="/api/websocket", tags=["websocket"])

    @router.get("/stats", dependencies=[Depends(allowed)])
    async def stats() -> Report:
        """Messages, bytes and the saving at each step, by event."""
        return manager.report()

    @router.post("/stats/reset", dependencies=[Depends(allowed)])
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
