"""The figures over HTTP, for a FastAPI application to mount.

In: a ConnectionManager. Out: a router with `/api/websocket/stats`, `/stats/reset` and `/health`.
Never: shows what is in a message; only event names, counts and sizes.
"""

from __future__ import annotations

import hmac
from importlib import metadata
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from reznet_ws.adapters.socketio import ConnectionManager


class EventRow(BaseModel):
    """Totals over all deliveries of one event."""

    deliveries: int = Field(description="messages times receivers")
    frames: int = Field(description="WebSocket frames; a batch's frame counts for one of its messages")
    plain_bytes: int = Field(description="JSON as the application gave it")
    abbreviated_bytes: int = Field(description="after short keys and timestamps")
    encoded_bytes: int = Field(description="after UTF-8 instead of escapes")
    gzipped_bytes: int = Field(description="after gzip of large payloads")
    frame_bytes: int = Field(description="as WebSocket payloads, envelopes included")
    deflated_bytes: int = Field(description="after permessage-deflate")
    wire_bytes: int = Field(description="at the socket, frame headers included")
    off_wire_bytes: int = Field(description="what no layer at all would have put there")


class Wire(BaseModel):
    """What left at the socket."""

    sent_bytes: int = Field(description="every byte, handshakes and acks included")
    event_bytes: int = Field(description="the part that belongs to events")
    off_event_bytes: int = Field(description="what no layer at all would have sent for the same events")
    overhead_bytes: int = Field(description="the rest: handshakes, acks, pings")
    reduction_percentage: float = Field(description="of event_bytes against off_event_bytes")
    uncounted_connections: int = Field(description="connections whose transport cannot be counted")


class SlowReaders(BaseModel):
    """Clients that read more slowly than they are sent."""

    closed_connections: int = Field(description="whose queue was full")
    skipped_messages: int = Field(description="times receivers: not sent, where the settings prefer that")
    queued_bytes: int = Field(description="about what all queues take in memory at this moment")


class Windows(BaseModel):
    """The deflate windows at this moment."""

    connections: int = Field(description="with permessage-deflate")
    windows: int = Field(description="that connections share, or have alone")
    in_step: int = Field(description="connections at the window that most share")


class Stats(BaseModel):
    """The figures since start or the last reset; messages are counted once, however many receive them."""

    total_messages: int
    total_bytes_original: int
    total_bytes_optimized: int
    reduction_percentage: float = Field(description="of payloads, before permessage-deflate")
    compressed_messages: int = Field(description="messages kept gzipped")
    avg_message_size: int = Field(description="optimized bytes per message")
    active_connections: int
    wire: Wire
    slow_readers: SlowReaders
    windows: Windows
    events: dict[str, EventRow]


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

    @router.get("/stats", response_model=Stats, dependencies=[Depends(allowed)])
    async def stats() -> dict[str, Any]:
        """Messages, bytes and the saving at each step, by event."""
        return manager.get_stats()

    @router.post("/stats/reset", response_model=Stats, dependencies=[Depends(allowed)])
    async def reset() -> dict[str, Any]:
        """Start all counts again; answers with the figures up to now."""
        report = manager.get_stats()
        manager.reset_stats()
        return report

    @router.get("/health", response_model=Health)
    async def health() -> dict[str, Any]:
        """Whether the server answers, and to how many."""
        version = metadata.version("reznet-ws")
        return {"status": "ok", "version": version, "active_connections": manager.active_connections}

    return router


def is_token(given: object, token: str) -> bool:
    """Compare in constant time, so that an answer's delay tells nothing."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), token.encode())
