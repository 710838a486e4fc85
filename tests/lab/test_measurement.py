"""What each layer took off, of a real server's ledger: the parts add up to the byte in every format."""

from __future__ import annotations

import dataclasses

from real_sites import APART_MS, WINDOW_MS, RealSite, played

from reznet_ws.lab.measurement import Measurement
from reznet_ws.ledger import header_bytes
from reznet_ws.replay.ablation import switch
from reznet_ws.replay.formats import ROWS, FormatLine, write
from reznet_ws.replay.link import encode
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

_CHOICES: dict[str, tuple[int | str, tuple[str, ...]]] = {
    "rows": (3, ("utf8",)),
    "rows, batched and deflated": (3, ("utf8", "batch", "deflate")),
    "MessagePack": ("m", ("utf8", "deflate")),
    "abbreviated": (2, ("abbreviate", "utf8", "batch", "deflate")),
    "text": (1, ()),
}


async def test_what_each_layer_took_off_adds_up_to_the_byte_in_every_format() -> None:
    bursts = [
        [dataclasses.replace(message, offset_ms=at * APART_MS) for message in record(25, mix=mix)]
        for at, mix in enumerate(("unicode", "status"))
    ]
    figures = Settings(batch_window_ms=WINDOW_MS)
    sites = {
        name: RealSite(switch(figures, layers), wire_format=wire_format)
        for name, (wire_format, layers) in _CHOICES.items()
    }
    emitted = [[(message.event, message.data, "/") for message in burst] for burst in bursts]
    async with played(list(sites.values()), emitted):
        measured = {
            name: dataclasses.replace(Measurement.nothing(), stats=site.manager.get_stats())
            for name, site in sites.items()
        }
    for name, one in measured.items():
        assert (name, sum(one.savings_bytes.values())) == (name, one.off_bytes - one.wire_bytes)
        assert one.deliveries == 50
    used = {name: {layer for layer, saved in one.savings_bytes.items() if saved} for name, one in measured.items()}
    assert used["text"] == set()
    assert {"rows", "deflate"} <= used["rows, batched and deflated"]
    assert {"MessagePack", "deflate"} <= used["MessagePack"]
    assert "rows" not in used["abbreviated"] | used["MessagePack"]

    # Of rows alone each part by itself.
    plain, line = switch(figures, ["utf8"]), FormatLine(ROWS, figures)
    written = [write(encode(one.event, one.data, plain), utf8=True) for burst in bursts for one in burst]
    escaped = [write(encode(one.event, one.data, Settings.off()), utf8=False) for burst in bursts for one in burst]
    texts, off_texts = ([1 + len(one.packet.text.encode()) for one in some] for some in (written, escaped))
    lines = [len(data) for one in written for ((_, data),) in line.frames([one])]
    assert measured["rows"].savings_bytes == {
        "abbreviate": 0,
        "utf8": sum(off_texts) - sum(texts),
        "gzip": 0,
        # What is shorter has a shorter header.
        "batch": sum(map(header_bytes, off_texts)) - sum(map(header_bytes, lines)),
        "rows": sum(texts) - sum(lines),
        "MessagePack": 0,
        "snapshots": 0,
        "deflate": 0,
    }
