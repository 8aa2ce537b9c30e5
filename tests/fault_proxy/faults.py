"""Injected faults, chosen deterministically from a seed.

A fault depends on the seed, the operation, the subject of the call (the photo) and the number of such
calls so far. So the same photos get the same faults in every run, in whatever order their calls arrive.
Only the quota depends on time.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

Counting = Literal["sliding", "clock", "bucket"]


@dataclass(frozen=True)
class Faults:
    """The faults of a fault proxy. They can be combined; the default is none.

    `quota` is in calls per second, where 0 refuses all calls; `counting` is described at `Quota`.
    The others are shares of calls (0 to 1). A call gets at most one of `hang`, `drop`, `error`,
    `malformed`, `cut` and `unprocessed`, so their sum is at most 1. `delay` is the minimum and the
    maximum delay in seconds.
    """

    quota: int | None = None
    counting: Counting = "sliding"
    hang: float = 0.0
    """The call gets no response until `FaultProxy.release`, and is not passed to the service."""
    drop: float = 0.0
    """The connection is closed before the call is passed to the service."""
    error: float = 0.0
    """InternalServerError, 500; in half of the cases after the service has done the work."""
    malformed: float = 0.0
    """A malformed response: not JSON, truncated, or of another shape; the service has done the work."""
    cut: float = 0.0
    """The connection is closed in the middle of the response; the service has done the work."""
    unprocessed: float = 0.0
    """BatchWriteItem writes a part and returns the rest; other operations are not affected."""
    delay: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class ChosenFault:
    """The fault of one call ("" for none), its delay in seconds, and a random generator for details."""

    fault: str
    delay: float
    die: Random


def decide(faults: Faults, seed: int, operation: str, subject: str, attempt: int) -> ChosenFault:
    """The fault of call number `attempt` (from 1) of this operation and subject."""
    die = Random(f"{seed} {operation} {subject} {attempt}")
    roll, delay = die.random(), die.uniform(*faults.delay)
    for name in ("hang", "drop", "error", "malformed", "cut", "unprocessed"):
        roll -= getattr(faults, name)
        if roll < 0:
            spared = name == "unprocessed" and operation != "BatchWriteItem"
            return ChosenFault("" if spared else name, delay, die)
    return ChosenFault("", delay, die)


class Quota:
    """Limits calls per second; refused calls do not count.

    sliding   at most the quota in any interval of one second: the strictest method
    clock     at most the quota in each second of the clock
    bucket    a token bucket: each call takes a token, and tokens are added at the rate of the quota, up
              to those of one second; the bucket is empty at first. AWS documents this method: [API
              Gateway Developer Guide, "Throttle requests"; EC2 API, "Request throttling"]
    """

    def __init__(self) -> None:
        self._passed: deque[float] = deque()
        self._tokens = 0.0
        self._filled: float | None = None

    def admits(self, limit: int, now: float, counting: Counting = "sliding") -> bool:
        """Whether a call at `now` (seconds of a monotonic clock) is allowed."""
        if counting == "bucket":
            return self._takes_token(limit, now)
        since = now - 1 if counting == "sliding" else math.floor(now)
        while self._passed and self._passed[0] < since:
            self._passed.popleft()
        if len(self._passed) >= limit:
            return False
        self._passed.append(now)
        return True

    def _takes_token(self, limit: int, now: float) -> bool:
        since = now if self._filled is None else self._filled
        self._tokens = min(self._tokens + (now - since) * limit, float(limit))
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
