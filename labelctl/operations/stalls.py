"""Detecting a stall while a command waits for photos, with the function's latest error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from labelctl.aws.clients import Aws
from labelctl.labels.results import Photo
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


def watch(
    looks: Iterable[WaitResult],
    errors: Iterator[function_log.LogEntry | None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Photo] | Stall]:
    """Yield the photos that are done, from `looks`, and a `Stall` for each look during a stall."""
    last_progress = clock()
    last_read = last_announced = float("-inf")
    error = None
    for look in looks:
        now = clock()
        if look.done:
            yield look.done
            last_progress = clock()  # not `now`: the consumer may have taken a long time
        elif now - last_progress >= SILENCE:
            if now - last_read >= SILENCE:
                error, last_read = next(errors), now
            announce = now - last_announced >= REPEAT
            last_announced = now if announce else last_announced
            yield Stall(look.waiting, now - last_progress, error, announce)


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
