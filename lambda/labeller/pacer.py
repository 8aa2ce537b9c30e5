"""Rate limiting for a service whose quota (calls per second) is shared.

All instances of the function share one quota with every other user of the account, and do not know
each other. They know the quota only as it was when the stack was deployed. Each instance spaces its
calls evenly, speeds up while calls succeed, and slows down when one is throttled. A throttled call
reduces the rate by a tenth; the increase per successful call is chosen so that about WASTE of all
calls are throttled, whatever the quota. A slow instance speeds up more per call than a fast one, so
that their rates converge.
"""

from __future__ import annotations

import time
from threading import Condition

WASTE = 0.03
"""Share of throttled calls in the steady state, at 5 calls per second. It decreases slowly with the
rate: 2 % at 25 calls per second."""

MIN_RATE = 0.2
"""Minimum rate in calls per second, to notice when an outage is over."""

_CUT = 0.1
_FIRST_CUT = 0.3
_HALVE_AFTER = 3  # throttled calls in a row, after which each halves the rate
_OUTAGE = 10  # seconds without a successful call that count as an outage


class Pace:
    """The rate (calls per second) and the start time of the next call (seconds, of any clock).

    `rate` is the initial rate: an instance's share of the quota. It doubles about each second until
    the first throttled call, because other instances may be idle.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.next = 0.0
        self._searching = True  # whether the quota is still unknown
        self._limiting = False  # whether the last call had to wait
        self._in_a_row = 0  # throttled calls since the last successful one
        self._since = self._until = 0.0  # times of the first and the last of them
        self._before = self.rate  # the rate before them

    def start(self, asked: float, now: float) -> None:
        """Record that a call starts now, which was requested at `asked`."""
        self._limiting = self.next > asked
        self.next = now + 1 / self.rate

    def passed(self, now: float) -> None:
        """Record that a call was not throttled, whether or not it succeeded."""
        if self._in_a_row and self._until - self._since > _OUTAGE:
            self.rate = max(self.rate, self._before / 2)
            self.next = now
            self._searching = True
        elif self._limiting:
            self.rate += 0.7 if self._searching else _CUT * WASTE * 5**0.25 * self.rate**0.75
        self._in_a_row = 0

    def throttled(self, now: float) -> None:
        """Record that a call was throttled."""
        if not self._in_a_row:
            self._before, self._since = self.rate, now
        self._in_a_row += 1
        self._until = now
        cut = 0.5 if self._in_a_row > _HALVE_AFTER else _FIRST_CUT if self._searching else _CUT
        self._searching = False
        self.rate = max(MIN_RATE, self.rate * (1 - cut))
        self.next = now + 1 / self.rate


class Pacer:
    """A pace shared by threads. `rate` is the initial rate in calls per second."""

    def __init__(self, rate: float) -> None:
        self._pace = Pace(rate)
        self._changed = Condition()

    def turn(self, until: float) -> bool:
        """Wait until a call may start. Returns False immediately if that is later than `until`.

        `until` is a time of time.monotonic().
        """
        asked = time.monotonic()
        with self._changed:
            while (now := time.monotonic()) < self._pace.next or now > until:
                if max(now, self._pace.next) > until:
                    return False
                self._changed.wait(self._pace.next - now)
            self._pace.start(asked, now)
            return True

    def passed(self) -> None:
        with self._changed:
            self._pace.passed(time.monotonic())
            self._changed.notify_all()

    def throttled(self) -> None:
        with self._changed:
            self._pace.throttled(time.monotonic())
