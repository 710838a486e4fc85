"""What a permessage-deflate compressor takes: by zlib's formula, and as the system counts it.

In: window bits, memory level. Out: bytes for each compressor.
Never: measures in the caller's process, whose heap has holes that would hide what is taken.
"""

from __future__ import annotations

import random
import subprocess
import sys
import zlib

_TIMEOUT_S = 30
# More than twice the largest window, so that every page is touched; random, so that the output's buffer is, too.
_SAMPLE_BYTES = 70_000


def deflater_bytes(window_bits: int, mem_level: int) -> int:
    """What zlib says. Source: zlib's zconf.h, "The memory requirements for deflate are"."""
    return (1 << window_bits + 2) + (1 << mem_level + 9)


def measure_deflater_bytes(window_bits: int, mem_level: int, count: int = 64) -> float:
    """What one more compressor adds to the resident memory of a process of its own, on average over `count`."""
    command = [sys.executable, "-m", __name__, str(window_bits), str(mem_level), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    return float(done.stdout)


def _measure(window_bits: int, mem_level: int, count: int) -> float:
    import psutil  # type: ignore[import-untyped]

    sample = random.Random(1).randbytes(_SAMPLE_BYTES)
    process = psutil.Process()
    kept = []
    sizes = []
    for _ in range(2):  # the first round fills the holes in the heap
        for _ in range(count):
            deflater = zlib.compressobj(wbits=-window_bits, memLevel=mem_level)
            deflater.compress(sample)
            deflater.flush(zlib.Z_SYNC_FLUSH)
            kept.append(deflater)
        sizes.append(process.memory_info().rss)
    return float(sizes[1] - sizes[0]) / count


if __name__ == "__main__":
    sys.stdout.write(f"{_measure(*map(int, sys.argv[1:]))}\n")
