"""Processors: which a process may run on, and how much of them it has used.

In: a process id. Out: nanoseconds, bytes.
Never: fails where a system cannot pin; it says so.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]

_IS_LINUX = sys.platform.startswith("linux")
SERVER_CORE, LOAD_CORE = 0, 1


def can_pin() -> bool:
    """Whether server and load can each have a core of their own."""
    return hasattr(os, "sched_setaffinity") and {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0)


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Children started within run on one core only, with all their threads."""
    if not can_pin():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_ns(process_id: int) -> int:
    """User and system time of all threads of a process.

    Linux counts them in ns: the clock's number is what `clock_getcpuclockid` (POSIX) computes there, bits 0 to 2 being
    2 for CPUCLOCK_SCHED. psutil's figures are in ticks of 10 ms.
    """
    if _IS_LINUX:
        return time.clock_gettime_ns((~process_id << 3) | 2)
    times = psutil.Process(process_id).cpu_times()
    return int((times.user + times.system) * 1e9)


def resident_bytes(process_id: int) -> int:
    """The memory that a process holds."""
    return int(psutil.Process(process_id).memory_info().rss)


def allow_files(count: int) -> None:
    """Let this process and its children open so many files. Raises: OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise OSError(f"{count} open files are needed and the system allows {hard} (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
