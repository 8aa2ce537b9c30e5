"""What holds photos up: noticed while a command waits for them, with the function's latest trouble."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from labelctl.aws.clients import Aws
from labelctl.labels.results import Look
from labelctl.operations import function_log
from labelctl.photos.versions import Awaited

SILENCE = 10.0
"""Seconds without progress after which it counts as a stall; the log is read as often during one."""

REPEAT = 60.0
"""Seconds after which a stall is announced again."""

_BACK = 900
"""Seconds that the first look at the log goes back: a retry may be put off for so long [SQS queue's
visibility timeout, which the function extends to 15 minutes at most]."""


@dataclass(frozen=True)
class Stall:
    """No photo was done for `seconds`, and `waiting` photos still wait.

    `trouble` is the latest in the function's log, None if there is none. `announce` is whether a line
    about it is due: at first, and then once a minute.
    """

    waiting: int
    seconds: float
    trouble: function_log.Line | None
    announce: bool


def watch(
    looks: Iterable[Look],
    troubles: Iterator[function_log.Line | None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Awaited] | Stall]:
    """The photos that are done, as `looks` finds them, and a `Stall` for each look during a stall."""
    last = clock()
    read = announced = float("-inf")
    trouble = None
    for look in looks:
        now = clock()
        if look.done:
            yield look.done
            last = clock()  # whoever takes them may take long
        elif now - last >= SILENCE:
            if now - read >= SILENCE:
                trouble, read = next(troubles), now
            announce = now - announced >= REPEAT
            announced = now if announce else announced
            yield Stall(look.waiting, now - last, trouble, announce)


def latest_troubles(
    aws: Aws, group: str, clock: Callable[[], float] = time.time
) -> Iterator[function_log.Line | None]:
    """The latest trouble in a log group, at each `next`, which reads what is new in the log.

    Nothing is asked before the first. Where the log may not be read, it stays the one known.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    latest: function_log.Line | None = None
    since = clock() - _BACK
    while True:
        now = clock()
        try:
            for line in function_log.read(
                aws.logs, group, since, follow=False, pattern=function_log.TROUBLE_PATTERN
            ):
                latest = line if line.is_trouble else latest
        except (BotoCoreError, ClientError):
            pass  # a reason is good to know, but the photos are what is waited for
        else:
            since = now - function_log.OVERLAP / 1000  # events may arrive late
        yield latest
