"""The queue of requests: who is next, who waits, and who is throttled.

Requests wait for their turn in order of arrival, before their picture is fetched. If they wait so long
that their callers are about to time out, every second request is refused with ThrottlingException, the
error that Rekognition returns above its quota, so that callers slow down.

There are never more refusals than responses. With the function's first burst of 40 calls, refusing all
requests with a long wait at once slowed it to one call in five seconds before it had received a
response, and the workers were idle for minutes. A request whose caller times out costs nothing: it is
dropped when its turn comes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

from labelctl.local.rekognition.errors import throttled

_MAX_WAITING = 100  # requests; further ones are refused immediately
_MAX_SECONDS = 9.0  # from request to response; callers usually time out after 10
_MIN_WAIT = 0.5  # seconds
_INITIAL_ESTIMATE = 0.5  # seconds that a turn takes
_WEIGHT = 0.2  # of the latest turn in the average
_MARGIN = 1.5  # some turns take longer than the average


class Admission:
    """Gives turns to requests, for `workers` workers. Thread-safe."""

    def __init__(
        self,
        workers: int,
        max_waiting: int = _MAX_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_waiting = max_waiting
        self._clock = clock
        self._free = 2 * workers  # one picture is processed while the next one is fetched
        self._waiting: deque[_Waiting] = deque()
        self._seconds = _INITIAL_ESTIMATE
        self._lock = Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it during the block. Raises RefusalError (ThrottlingException)."""
        self._acquire()
        began = self._clock()
        try:
            yield
        finally:
            self._release(self._clock() - began)

    @property
    def waiting(self) -> int:
        """The number of requests waiting for their turn."""
        return len(self._waiting)

    @property
    def max_wait(self) -> float:
        """Seconds that a request can wait for its turn and still be answered in time.

        The duration of a turn is measured continuously, as it depends on the machine, its load, the
        pictures and the model.
        """
        return max(_MAX_SECONDS - _MARGIN * self._seconds, _MIN_WAIT)

    def _acquire(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._max_waiting:
                raise throttled()
            request = _Waiting(self._clock())
            self._waiting.append(request)
        request.decided.wait()
        if request.refused:
            raise throttled()

    def _release(self, seconds: float) -> None:
        with self._lock:
            self._seconds += _WEIGHT * (seconds - self._seconds)
            if not self._waiting:
                self._free += 1
                return
            self._waiting.popleft().decided.set()
            if self._waiting and self._clock() - self._waiting[0].since > self.max_wait:
                late = self._waiting.popleft()
                late.refused = True
                late.decided.set()


class _Waiting:
    """A waiting request; `since` is a time of the clock."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.refused = False
        self.decided = Event()
