"""An application that knows nothing of the lab: an auction house on FastAPI, with rooms, answers and attachments."""

import socketio
from fastapi import FastAPI

api = FastAPI()
sio = socketio.AsyncServer(async_mode="asgi")
api.mount("/live", socketio.ASGIApp(sio, socketio_path="live/socket.io"))
bids: dict[str, int] = {}


@sio.event
async def enter(sid: str, house: str) -> dict[str, int]:
    await sio.enter_room(sid, house)
    return {"highest": bids.get(house, 0)}


@sio.event
async def bid(sid: str, house: str, amount: int) -> dict[str, bool]:
    accepted = amount > bids.get(house, 0)
    if accepted:
        bids[house] = amount
        lot = {"house": house, "amount": amount, "bidder": "…", "description": "a vase, blue and white, " * 4}
        await sio.emit("lot", lot, room=house, skip_sid=sid)
        await sio.emit("picture", (house, bytes(amount % 7)), room=house)
    return {"accepted": accepted}
