"""Limits of CPU time and memory for one picture, or for loading a model.

The worker process sets its own limits, which the operating system enforces. They limit CPU time rather
than wall time, so that a busy machine does not cause refusals. A process that exceeds its CPU time is
ended by SIGPROF, even in a decoder's C code and even if the server has gone [setitimer(2)]. A process
that exceeds its memory limit gets a MemoryError [getrlimit(2), RLIMIT_AS]. macOS accepts but does not
enforce that limit; there only the maximum picture size (decode.py) limits memory.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIME_IS_UP = signal.SIGPROF
"""The signal that ends a process that has exceeded its CPU time."""


@dataclass(frozen=True)
class Limits:
    """CPU seconds, and bytes of memory in addition to those used before the work starts.

    The largest allowed picture, a PNG of 10,000 x 10,000 pixels, takes up to 1.7 s on two busy cores.
    Callers of DetectLabels usually wait 10 s.
    """

    load_seconds: float = 15.0
    load_memory: int = 4 * 1024**3
    detect_seconds: float = 6.0
    detect_memory: int = 3 * 512 * 1024**2


@contextmanager
def cpu_time(seconds: float) -> Iterator[None]:
    """End this process with `TIME_IS_UP` if the block takes more CPU time than `seconds`."""
    signal.signal(TIME_IS_UP, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def memory(extra: int) -> Iterator[None]:
    """Allow this process `extra` bytes of address space in addition to the current ones. Linux only."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    pages = int(statm.read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + extra
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
