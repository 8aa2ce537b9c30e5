"""Who may have a picture looked at now, who waits, and who is refused because too many wait.

Requests wait here for their turn, first come, first served, before anything is fetched for them. When
they have to wait so long that their callers are about to give up, every other one is refused with
ThrottlingException, as Rekognition refuses what exceeds its quota, so that callers slow down.

Refusals are never more than answers. Tried with the function's first burst of 40 calls, refusing at
once all that would wait for long slowed it to a call in five seconds before it had seen an answer,
and the workers were idle for minutes. A request that is not refused and whose caller gives up
costs nothing: it is dropped when its turn comes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

from labelctl.local.rekognition.errors import throttled

_MOST_WAITING = 100  # requests; any more are refused at once
_IN_TIME = 9.0  # seconds from request to answer: callers usually give up after 10
_LEAST_PATIENCE = 0.5  # seconds
_FIRST_GUESS = 0.5  # seconds that a turn takes
_WEIGHT = 0.2  # of the latest turn in the average
_MARGIN = 1.5  # some turns take longer than the average


class Admission:
    """Gives turns to the requests for `workers` workers. For many threads."""

    def __init__(
        self,
        workers: int,
        most_waiting: int = _MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_waiting = most_waiting
        self._clock = clock
        self._free = 2 * workers  # a worker looks at one picture while its next one is fetched
        self._waiting: deque[_Waiting] = deque()
        self._seconds = _FIRST_GUESS
        self._lock = Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and have it. Raises RefusalError (ThrottlingException) if none comes."""
        self._take()
        began = self._clock()
        try:
            yield
        finally:
            self._give(self._clock() - began)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    @property
    def patience(self) -> float:
        """Seconds that a request can wait for its turn and still be answered in time.

        How long a turn takes is measured all the time: it depends on the machine, on what else it
        does, on the pictures, and on the model.
        """
        return max(_IN_TIME - _MARGIN * self._seconds, _LEAST_PATIENCE)

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._most_waiting:
                raise throttled()
            request = _Waiting(self._clock())
            self._waiting.append(request)
        request.decided.wait()
        if request.refused:
            raise throttled()

    def _give(self, seconds: float) -> None:
        with self._lock:
            self._seconds += _WEIGHT * (seconds - self._seconds)
            if not self._waiting:
                self._free += 1
                return
            self._waiting.popleft().decided.set()
            if self._waiting and self._clock() - self._waiting[0].since > self.patience:
                late = self._waiting.popleft()
                late.refused = True
                late.decided.set()


class _Waiting:
    """A request that waits since a moment of the clock."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.refused = False
        self.decided = Event()
