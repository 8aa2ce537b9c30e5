"""Asking AWS side by side, and a batch at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


@contextmanager
def pool(threads: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """So many threads for the block. What has not begun when it ends early is not begun any more.

    Nor does an interrupt wait for what has: an answer that does not come would hold it up for minutes.
    """
    made = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        yield made
    except BaseException as error:
        made.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    made.shutdown()


def in_order(
    threads: Executor, work: Callable[[In], Out], items: Iterable[In], ahead: int
) -> Iterator[Out]:
    """What `work` makes of each item, in their order; `ahead` items are in progress at once."""
    coming: deque[Future[Out]] = deque()
    for item in items:
        coming.append(threads.submit(work, item))
        if len(coming) == ahead:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def batches(items: Iterable[In], size: int) -> Iterator[list[In]]:
    """The items, so many at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
