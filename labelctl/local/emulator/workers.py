"""Ends Lambda workers that nobody needs: 56 MB each, and the emulator keeps them until it stops.

The emulator runs each function in worker processes and keeps one per function for ever, also when
CloudFormation has deleted the function. AWS freezes idle environments and removes them after some
minutes. [Lambda, Understanding the Lambda execution environment lifecycle] These are private workings
of ministack (pinned exactly), like all of `corrections`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

IDLE = 300.0
"""Seconds after its last invocation began that a worker is kept, unless it is at work."""

_PAUSE = 1.0


def end_unneeded(idle: float = IDLE, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look every second, on a thread of its own, for workers to end."""

    def watch() -> None:
        while True:
            sleep(_PAUSE)
            end_now(idle)

    threading.Thread(target=watch, daemon=True, name="lambda-workers").start()


def end_now(idle: float) -> None:
    """End the workers whose function is gone, and those that were idle for `idle` seconds.

    One at work is left alone: it is looked at again when its invocation has ended.
    """
    from ministack.core import lambda_runtime

    unneeded: list[Any] = []
    with lambda_runtime._lock:
        for key, pool in list(lambda_runtime._workers.items()):
            gone = _is_gone(key)
            ended = [
                worker
                for worker in pool
                if not worker.in_use and (gone or time.time() - worker.last_used >= idle)
            ]
            unneeded += ended
            pool[:] = [worker for worker in pool if worker not in ended]
            if not pool:
                del lambda_runtime._workers[key]
    lambda_runtime.kill_workers(unneeded)  # waits for them, so not under the lock


def _is_gone(key: str) -> bool:
    """Whether the function of a pool's key (account:region:function:qualifier) was deleted."""
    from ministack.services import lambda_svc

    account, region, function, _ = key.split(":")
    return lambda_svc._functions.get_scoped(account, region, function) is None
