"""Real clients of a stream of tokens: each handler gets the whole text, in fewer events where that was allowed."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from conformance.harness import NEW_WS, NEW_WS_PLAIN, OLD_WS, ROWS_WS, ROWS_WS_PLAIN, Kind, connected, end_of, open_site

from reznet_ws.settings import Join, Settings

SETTINGS = Settings(
    batch=True,
    batch_window_ms=1000,
    batch_max_messages=20,
    batch_events=frozenset({"token", "status"}),
    join=(Join("token", "text", newest=("seq", "done")),),
)
DRAW = random.Random(1)
# Words that have nothing in common: of those that have, a row takes only what differs.
TOKENS = ["".join(DRAW.choices(string.ascii_lowercase, k=DRAW.randint(2, 9))) + " " for _ in range(60)]


def _token(number: int) -> dict[str, Any]:
    return {"id": "answer-1", "text": TOKENS[number], "seq": number, "done": number == len(TOKENS) - 1}


@pytest.mark.parametrize("kind", [NEW_WS, NEW_WS_PLAIN, ROWS_WS, ROWS_WS_PLAIN], ids=lambda kind: kind.name)
async def test_the_text_is_whole_and_comes_in_fewer_events(kind: Kind) -> None:
    bytes_of: dict[bool, int] = {}
    for is_joined in (False, True):
        settings = SETTINGS if is_joined else SETTINGS.replace(join=())
        async with open_site(settings) as site, connected(site.url, kind, OLD_WS) as (new, old):
            for number in range(len(TOKENS)):
                data = _token(number)
                await site.sio.emit("token", data)
                data["text"] = "changed since"  # what waits is what was emitted
            await end_of(site, [new, old])
            tokens = [event.args[0] for event in new.events if event.name == "token"]
            assert "".join(token["text"] for token in tokens) == "".join(TOKENS)
            assert (len(tokens) < len(TOKENS) / 10) == is_joined
            assert tokens[-1]["done"]
            assert [token["seq"] for token in tokens] == sorted(token["seq"] for token in tokens)
            assert [event.args[0] for event in old.events if event.name == "token"] == [
                _token(number) for number in range(len(TOKENS))
            ]
            row = site.manager.ledger.rows()["token"]
            assert row.deliveries == 2 * len(TOKENS)  # as emitted
            assert sum(one.wire_bytes for one in site.manager.ledger.rows().values()) == site.wire["event_bytes"]
            bytes_of[is_joined] = row.wire_bytes
    assert bytes_of[True] < bytes_of[False]


async def test_what_is_sent_as_it_is_and_what_comes_between_is_not_joined() -> None:
    async with open_site(SETTINGS) as site, connected(site.url, ROWS_WS) as (client,):
        for number in range(4):
            await site.manager.broadcast("token", _token(number), optimize=False)
        for number in range(4, 8):
            await site.sio.emit("token", _token(number))
            await site.sio.emit("status", number)
        await end_of(site, [client])
        assert [event.args[0]["text"] for event in client.events if event.name == "token"] == TOKENS[:8]
