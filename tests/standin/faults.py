"""What goes wrong, how often, and with which call: decided from a seed, never by the clock.

A fault depends on the seed, the operation, what the call is about (the photo) and how many such calls
came before; so the same photos meet the same faults in every run, in whatever order their calls
arrive. Only the quota depends on time, as quotas do.
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
    """What a stand-in does to the calls it gets. All can be combined; none is the default.

    `quota` is in calls a second, 0 lets none through; `counting` tells how (see `Quota`). Of `hang`,
    `drop`, `error`, `nonsense`, `cut` and `unprocessed`, each the share of calls (0 to 1) that it
    befalls, a call meets at most one, so together they are at most 1. `delay` is the least and the
    most seconds by which a call is held up.
    """

    quota: int | None = None
    counting: Counting = "sliding"
    hang: float = 0.0
    """Accepted, but not answered until `StandIn.let_go`; the service never hears of it."""
    drop: float = 0.0
    """The connection ends before the service hears of the call."""
    error: float = 0.0
    """InternalServerError, 500; half of the time after the service has done the work."""
    nonsense: float = 0.0
    """An answer that is no JSON, half of one, or of another shape; the service has done the work."""
    cut: float = 0.0
    """The connection ends in the middle of the answer; the service has done the work."""
    unprocessed: float = 0.0
    """BatchWriteItem does a part and hands back the rest; other operations are spared."""
    delay: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Fate:
    """What befalls one call: the name of a fault or "", the seconds to wait, a die for details."""

    fault: str
    delay: float
    die: Random


def decide(faults: Faults, seed: int, operation: str, subject: str, attempt: int) -> Fate:
    """The fate of the `attempt`-th call (from 1) of this operation about this subject."""
    die = Random(f"{seed} {operation} {subject} {attempt}")
    roll, delay = die.random(), die.uniform(*faults.delay)
    for name in ("hang", "drop", "error", "nonsense", "cut", "unprocessed"):
        roll -= getattr(faults, name)
        if roll < 0:
            spared = name == "unprocessed" and operation != "BatchWriteItem"
            return Fate("" if spared else name, delay, die)
    return Fate("", delay, die)


class Quota:
    """How many calls a second are let through; a call that is refused does not count.

    sliding   at most the quota in any second, however it is laid: the strictest way of counting
    clock     at most the quota in each second of the clock
    bucket    each call takes a token, of which the quota comes every second; what is not used is
              saved up, for a second at most; in the beginning there is none. So AWS counts where it
              tells: [API Gateway Developer Guide, "Throttle requests"; EC2 API, "Request throttling"]
    """

    def __init__(self) -> None:
        self._passed: deque[float] = deque()
        self._tokens = 0.0
        self._filled: float | None = None

    def admits(self, limit: int, now: float, counting: Counting = "sliding") -> bool:
        """Whether a call at `now` (seconds; they never go back) is let through."""
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
