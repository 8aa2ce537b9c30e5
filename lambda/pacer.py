"""How fast to call a service that allows so many calls a second, when nobody knows how many.

The copies of the function share one quota with whoever else uses the account, and know neither it nor
each other. Each paces its own calls: evenly, ever faster while they pass, slower when one is refused.
A refusal costs a tenth of the speed, and each call that passes brings back so little that the two
balance when about WASTE of all calls are refused, whatever the quota. The slower of two copies gains
more by a call than the faster one, so that in time they have equal shares.
"""

from __future__ import annotations

import time
from threading import Condition

START = 12.0
"""Calls a second to begin with; it doubles with each second until the first refusal."""

WASTE = 0.03
"""The share of calls that are refused when the speed is right, at 5 calls a second. It falls slowly
with the speed: 2 % at 25."""

LEAST = 0.2
"""Calls a second while nothing passes at all: enough to notice when that is over."""

_CUT = 0.1
_FIRST_CUT = 0.3
_MANY = 3  # refusals in a row, after which the speed is halved
_OUTAGE = 10  # seconds without a call that passes, after which the quota is taken to have been gone


class Pace:
    """The speed and the moment (seconds, of any clock) at which the next call may start."""

    def __init__(self) -> None:
        self.rate = START
        self.next = 0.0
        self._searching = True  # how much is allowed is not known yet
        self._limiting = False  # whether the last call had to wait for its turn
        self._in_a_row = 0  # refusals
        self._since = self._until = 0.0  # when the first and the last of them were
        self._before = START  # and the speed then

    def start(self, asked: float, now: float) -> None:
        """A call that asked for its turn at `asked` has it now."""
        self._limiting = self.next > asked
        self.next = now + 1 / self.rate

    def passed(self, now: float) -> None:
        """A call was let through, whatever came of it."""
        if self._in_a_row and self._until - self._since > _OUTAGE:
            self.rate = max(self.rate, self._before / 2)
            self.next = now
            self._searching = True
        elif self._limiting:
            self.rate += 0.7 if self._searching else _CUT * WASTE * 5**0.25 * self.rate**0.75
        self._in_a_row = 0

    def throttled(self, now: float) -> None:
        """A call was refused because there are too many."""
        if not self._in_a_row:
            self._before, self._since = self.rate, now
        self._in_a_row += 1
        self._until = now
        cut = 0.5 if self._in_a_row > _MANY else _FIRST_CUT if self._searching else _CUT
        self._searching = False
        self.rate = max(LEAST, self.rate * (1 - cut))
        self.next = now + 1 / self.rate


class Pacer:
    """A pace that threads keep together."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._changed = Condition()

    def turn(self, until: float) -> bool:
        """Wait for a call's turn; False, and at once, if it would not come before `until`.

        `until` is by time.monotonic().
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
