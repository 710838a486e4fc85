"""What a compressor takes, by zlib's formula and as the system counts it."""

from __future__ import annotations

import pytest

from reznet_ws.replay import memory


def test_a_deflater_takes_what_zlib_says() -> None:
    assert memory.deflater_bytes(15, 8) == 256 * 1024
    assert memory.measure_deflater_bytes(15, 8) == pytest.approx(256 * 1024, rel=0.3)
