"""Threads for what is asked of AWS side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


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
