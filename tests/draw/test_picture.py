"""A picture is made smaller without a change to its pixels, and is a figure where a page asks for it."""

from __future__ import annotations

import struct
import zlib

import jupyter_client

from reznet_ws.draw.course_charts import draw_bars
from reznet_ws.draw.picture import find_browser, repack


def test_a_repacked_picture_has_the_same_pixels() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = bytes(1000)
    packed = zlib.compress(pixels, 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 200, 8, 6, 0, 0, 0))
    loose = b"\x89PNG\r\n\x1a\n" + header
    loose += chunk(b"IDAT", packed[:500]) + chunk(b"IDAT", packed[500:]) + chunk(b"IEND", b"")
    tight = repack(loose)
    at = tight.index(b"IDAT") + 4
    assert len(tight) < 100
    assert zlib.decompressobj().decompress(tight[at:]) == pixels
    assert tight == loose[:8] + header + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


CELL = """
from reznet_ws.draw.course_charts import draw_bars
draw_bars("What was found", "n = 2", {"gzip": 1, "deflate": 2}, unit="kB")
"""


def test_a_cell_that_a_page_runs_shows_a_figure_that_answers_the_pointer() -> None:
    with jupyter_client.run_kernel() as client:
        content = {"code": CELL, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        client.shell_channel.send(client.session.msg("execute_request", content, metadata={"cellId": "b1946ac9"}))
        while (said := client.get_iopub_msg(timeout=60))["msg_type"] != "execute_result":
            assert said["msg_type"] in {"status", "execute_input"}
    data = said["content"]["data"]
    assert set(data) == {"application/vnd.plotly.v1+json", "text/plain"}
    assert data["application/vnd.plotly.v1+json"]["data"][0]["type"] == "bar"


def test_elsewhere_it_is_an_image_with_the_finding_as_its_alt_text() -> None:
    picture = draw_bars("What was <i>found</i>", "n = 2", {"gzip": 1, "deflate": 2}, unit="kB")
    assert picture.finding == "What was found"
    assert find_browser() is not None
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert metadata["image/png"]["alt"] == picture.finding
