"""What one emit takes, counted and not timed: how often it enters our modules, and how many Python calls it makes."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from conformance.harness import NEW_WS, OLD_WS, connected, end_of, open_site

import reznet_ws

OURS = str(Path(reznet_ws.__file__).parent)
MOST_ENTRIES, MOST_CALLS = 29, 80
MESSAGE = {
    "message_id": "m-1",
    "channel_id": "c-1",
    "author_name": "@backend",
    "content": "The tests pass.",
    "created_at": "2025-10-25T12:00:00.000Z",
    "metadata": {"model": "large", "tokens": 120},
}


class Calls:
    """Calls of Python functions while it is on, the application's own left out."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()

    def note(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename != __file__:
            name = f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
            self.calls[name] += 1
            caller = frame.f_back.f_code.co_filename if frame.f_back is not None else ""
            if frame.f_code.co_filename.startswith(OURS) and caller != frame.f_code.co_filename:
                self.entries[name] += 1


async def test_an_emit_to_six_clients_of_two_formats_takes_few_calls() -> None:
    async with open_site() as site, connected(site.url, *[OLD_WS] * 3, *[NEW_WS] * 3) as clients:
        for _ in range(3):  # what is made once is made
            await site.sio.emit("message_new", MESSAGE)
        measured = []
        for _ in range(5):  # a busy server sets a timer in place of waiting for the end of the turn: some calls more
            calls = Calls()
            sending = site.sio.emit("message_new", MESSAGE)
            sys.setprofile(calls.note)
            try:
                sending.send(None)  # up to where it gives the loop a turn
            finally:
                sys.setprofile(None)
            sending.close()
            measured.append(calls)
            for client in clients:
                await client.got("message_new", 3 + len(measured))
        calls = min(measured, key=lambda calls: calls.calls.total())
        print(f"entries {calls.entries.total()}, calls {calls.calls.total()}", *calls.calls.most_common(), sep="\n")
        assert calls.entries.total() <= MOST_ENTRIES, calls.entries
        assert calls.calls.total() <= MOST_CALLS, calls.calls
        await end_of(site, clients)
        for client in clients:
            assert [event.args[0] for event in client.events[:-1]] == [MESSAGE] * 8
