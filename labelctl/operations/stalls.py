"""Detecting a stall while a command waits for photos, with the function's latest error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labelctl.aws.clients import Aws
from labelctl.labels.wait import WaitResult
from labelctl.operations import function_log

SILENCE = 10.0
"""Seconds without progress that count as a stall; also how often the log is read during one."""

REPEAT = 60.0
"""Seconds after which a stall is announced again."""

_BACK = 900
"""Seconds of log to read first. A photo may back off for this long: the function extends a message's
visibility timeout to at most 15 minutes."""


@dataclass(frozen=True)
class Stall:
    """No photo was finished for `seconds`, and `waiting` photos are still waiting.

    `error` is the latest error in the function's log, None if there is none. `announce` is whether
    to tell the user: at the start of a stall, then once a minute.
    """

    waiting: int
    seconds: float
    error: function_log.LogEntry | None
    announce: bool


class StallWatch:
    """Detects stalls in the results of a wait. `errors` are the latest errors (see `latest_errors`)."""

    def __init__(
        self,
        errors: Iterator[function_log.LogEntry | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._errors, self._clock = errors, clock
        self._last_progress = clock()
        self._last_read = self._last_announced = float("-inf")
        self._error: function_log.LogEntry | None = None

    def update(self, result: WaitResult) -> Stall | None:
        """Take in the next result, after its photos have been processed; return the stall, if any."""
        now = self._clock()
        if result.done:
            self._last_progress = now
        if now - self._last_progress < SILENCE:
            return None
        if now - self._last_read >= SILENCE:
            self._error, self._last_read = next(self._errors), now
        announce = now - self._last_announced >= REPEAT
        if announce:
            self._last_announced = now
        return Stall(result.waiting, now - self._last_progress, self._error, announce)


def latest_errors(
    aws: Aws, group: str, clock: Callable[[], float] = time.time
) -> Iterator[function_log.LogEntry | None]:
    """On each `next`, read what is new in a log group and yield the latest error, None if none.

    If the log cannot be read, yields the latest known error.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    latest: function_log.LogEntry | None = None
    since = clock() - _BACK
    while True:
        now = clock()
        try:
            for line in function_log.read_log(
                aws.logs, group, since, follow=False, pattern=function_log.ERROR_PATTERN
            ):
                latest = line if line.is_error else latest
        except (BotoCoreError, ClientError):
            pass  # the error is extra information: keep waiting for the photos
        else:
            since = now - function_log.OVERLAP / 1000  # events may arrive late
        yield latest
