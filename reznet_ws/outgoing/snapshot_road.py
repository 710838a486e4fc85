"""The road of a snapshot: whole for who keeps none, to keep for who does, a few bytes for who holds it already.

In: a snapshot with its key, and the Engine.IO sessions it is for. Out: one event for each of those three groups, by the
road of every event.
Never: sends a client anything but the event as emitted, unless it has said what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reznet_ws.ledger import Saved
from reznet_ws.message.snapshots import KEEP_EVENT, SAME_EVENT, can_be_kept, version_of
from reznet_ws.outgoing.broadcast import Broadcast


def emit_snapshot(road: Broadcast, event: str, data: Any, namespace: str, members: Sequence[str], key: str) -> None:
    """Send a snapshot. Raises: as `Broadcast.emit`; nothing is sent then."""
    whole = road.write(event, [data], namespace, short=False)
    packet, (share,) = whole.plain.parts[0], whole.plain.shares
    whole_members, version = list(members), ""
    keeping: list[str] = []
    holding: list[str] = []
    can_name = road.settings.snapshots and len(whole.plain.parts) == 1 and not whole.plain.is_secret
    if can_name and isinstance(packet, str) and can_be_kept(packet):
        version = version_of(key, packet)
        whole_members = []
        for sid in members:
            connection = road.connections.get(sid)
            held = None if connection is None else connection.holding
            if held is None:
                whole_members.append(sid)
            elif version in held:
                holding.append(sid)
            else:
                (keeping if held.keep(version, packet) else whole_members).append(sid)
    if whole_members:
        road.emit(event, [data], namespace, road.connections.audience(whole_members, namespace))
    else:
        road.counts.add(share)

    def stand(name: str, args: list[Any], to: list[str]) -> None:
        """An event of ours, booked as the snapshot that it stands for."""
        audience = road.connections.audience(to, namespace)
        outgoing = road.write(name, args, namespace, short=audience.short is not None)
        saved = Saved(held=len(whole.plain.frames[0].data) - len(outgoing.plain.frames[0].data))
        for dispatch in (outgoing.plain, outgoing.short):
            dispatch.shares = [share._replace(saved=saved)]
        road.repeat(outgoing, audience, batch=False)

    if keeping:
        stand(KEEP_EVENT, [version, key, event, data], keeping)
    if holding:
        stand(SAME_EVENT, [version], holding)
