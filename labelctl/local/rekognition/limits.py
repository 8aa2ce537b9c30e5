"""How much computing time and memory one picture, or the loading of a model, may take.

The worker process limits itself, through the operating system. Time is CPU time, not time by the
clock: on a busy machine a picture must not be refused because others were served first. A process
that spends its CPU time ends by SIGPROF, even inside a decoder's C code and even when the server is
gone [setitimer(2)]. A process that asks for more memory than its limit gets a MemoryError
[getrlimit(2), RLIMIT_AS]; macOS accepts that limit but does not enforce it, so there only the
limits on a picture's size (see pictures.py) bound its memory.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIME_IS_UP = signal.SIGPROF
"""The signal that ends a process which has spent its CPU time."""


@dataclass(frozen=True)
class Limits:
    """CPU seconds and bytes of memory on top of what the process has when the work starts.

    The largest picture that is allowed, a PNG of 10,000 x 10,000 pixels, takes up to 1.7 s on two
    busy cores. Those who call DetectLabels usually wait for 10 s.
    """

    load_seconds: float = 15.0
    load_memory: int = 4 * 1024**3
    detect_seconds: float = 6.0
    detect_memory: int = 3 * 512 * 1024**2


@contextmanager
def cpu_time(seconds: float) -> Iterator[None]:
    """End this process by `TIME_IS_UP` if the block takes more CPU time than `seconds`."""
    signal.signal(TIME_IS_UP, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def memory(extra: int) -> Iterator[None]:
    """Allow this process `extra` bytes of address space beyond those it has; on Linux only."""
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
