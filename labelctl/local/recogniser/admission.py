"""How many requests may be under way at once: what can be answered before callers give up.

More would only wait, until their callers ask again, and the work for them would be lost. So they are
refused at once, as Rekognition refuses what exceeds its quota, and their callers slow down. How long
a picture takes is measured all the time: it depends on the machine, on what else it does, on the
pictures, and on the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from labelctl.local.recogniser.refusals import throttled

LONGEST_WAIT = 6.0
"""Seconds that a request should wait for its turn at most.

Callers usually give up after 10 s. A shorter queue would refuse many calls of the function's first
burst (40 at once), before it has seen a single answer, and it would then be slow for minutes.
"""

_FIRST_GUESS = 0.2  # seconds a picture
_WEIGHT = 0.2  # of the latest picture in the average
_MOST_WAITING = 64  # each holds up to 15 MB of picture in memory


class Admission:
    """Counts the requests under way for `workers` workers. For use by many threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._under_way = 0
        self._seconds = _FIRST_GUESS
        self._lock = Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request. Raises RefusalError (ThrottlingException) if all are taken."""
        with self._lock:
            if self._under_way >= self.places:
                raise throttled()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    @property
    def places(self) -> int:
        """How many requests may be under way: one a worker, and those that wait meanwhile."""
        waiting = int(self._workers * LONGEST_WAIT / self._seconds)
        return self._workers + min(waiting, _MOST_WAITING)

    def record(self, seconds: float) -> None:
        """Note how long a worker was busy with a picture, by the clock."""
        with self._lock:
            self._seconds += _WEIGHT * (seconds - self._seconds)
