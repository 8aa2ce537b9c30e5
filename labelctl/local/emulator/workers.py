"""Ends unneeded Lambda workers, which take 56 MB each.

The emulator runs functions in worker processes and keeps one for each function until it stops, even if
CloudFormation has deleted the function. AWS freezes idle environments and removes them after some
minutes. [Lambda, Understanding the Lambda execution environment lifecycle] This uses private functions
of ministack (pinned exactly), like patches.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

IDLE = 300.0
"""Seconds after the start of its last invocation until an idle worker is ended."""

_INTERVAL = 1.0


def end_unneeded(idle: float = IDLE, sleep: Callable[[float], None] = time.sleep) -> None:
    """End unneeded workers every second, in a background thread."""

    def watch() -> None:
        while True:
            sleep(_INTERVAL)
            end_now(idle)

    threading.Thread(target=watch, daemon=True, name="lambda-workers").start()


def end_now(idle: float) -> None:
    """End the workers of deleted functions, and those that were idle for `idle` seconds.

    Busy workers are not ended; they are checked again after their invocation.
    """
    from ministack.core import lambda_runtime

    unneeded: list[Any] = []
    with lambda_runtime._lock:
        for key, pool in list(lambda_runtime._workers.items()):
            deleted = _is_deleted(key)
            ended = [
                worker
                for worker in pool
                if not worker.in_use and (deleted or time.time() - worker.last_used >= idle)
            ]
            unneeded += ended
            pool[:] = [worker for worker in pool if worker not in ended]
            if not pool:
                del lambda_runtime._workers[key]
    lambda_runtime.kill_workers(unneeded)  # waits until they end, so not while holding the lock


def _is_deleted(key: str) -> bool:
    """Whether the function in a pool's key (account:region:function:qualifier) was deleted."""
    from ministack.services import lambda_svc

    account, region, function, _ = key.split(":")
    return lambda_svc._functions.get_scoped(account, region, function) is None
