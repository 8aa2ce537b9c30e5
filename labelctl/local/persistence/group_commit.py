"""Group commit: a change is confirmed only after a later snapshot is on disk.

All clients that are waiting share one snapshot; clients that arrive while it is written share the
next. Changes that no client waits for (items written by a Lambda worker, messages received by the
event source mapping) are only marked. They are saved soon after, at most twice a second and in at most
a fifth of the time, so that a large state does not overload the machine. This module decides when to
save. How to save is passed in: `capture` runs on the event loop, `write` in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

logger = logging.getLogger("labelctl.commit")

Captured = Mapping[str, bytes]

MIN_INTERVAL = 0.5  # seconds between two snapshots that no client waits for
MAX_SHARE = 0.2  # of the time, for snapshots that no client waits for
REST_INTERVAL = (
    5.0  # seconds between two that include the rest, such as logs, if it was only marked
)


class GroupCommit:
    """Call `commit` or `mark` after a change; `run`, in one task, saves.

    `capture(everything)` returns {file name: bytes}: of all services, or only of the data (queues,
    tables, buckets). `write` stores it.
    """

    def __init__(
        self,
        capture: Callable[[bool], Captured],
        write: Callable[[Captured], object],
    ) -> None:
        self._capture, self._write = capture, write
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._marked = False
        self._rest_wanted = False  # the rest has changed: include it in the next snapshot
        self._rest_stale = False  # the rest may have changed (logs): save it at intervals
        self._rest_saved = 0.0
        self._quiet_until = 0.0
        self._saving = False

    @property
    def unsaved(self) -> bool:
        """Whether there may be changes to items, messages or objects that are not on disk yet."""
        return self._marked or self._saving or bool(self._waiting)

    async def commit(self, *, rest: bool) -> None:
        """Return when all changes made so far are on disk. Raises the error if saving fails."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(done)
        self._rest_wanted |= rest
        self._wake.set()
        await done

    def mark(self, *, rest: bool = False) -> None:
        """Note a change that no client waits for. May be called from any thread."""
        self._marked = self._rest_stale = True
        self._rest_wanted |= rest
        with contextlib.suppress(RuntimeError):  # the loop is closed: the last snapshot was taken
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Save whenever a snapshot is due, until cancelled."""
        while True:
            await self._wait_until_due()
            await self._save()

    async def _wait_until_due(self) -> None:
        while not self._waiting:
            self._wake.clear()
            now = time.monotonic()
            if self._marked:
                delay = self._quiet_until - now
            elif self._rest_stale:
                delay = max(self._quiet_until, self._rest_saved + REST_INTERVAL) - now
            else:
                await self._wake.wait()
                continue
            if delay <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    async def _save(self) -> None:
        waiting, self._waiting = self._waiting, []
        rest = False
        self._saving = True
        started = time.monotonic()
        try:
            stale = self._rest_stale and started - self._rest_saved >= REST_INTERVAL
            rest = self._rest_wanted or stale
            self._marked = False
            if rest:
                self._rest_wanted = self._rest_stale = False
            captured = self._capture(rest)
            await asyncio.to_thread(self._write, captured)
        except Exception as error:
            logger.exception("the state could not be saved")
            self._marked = True
            self._rest_wanted |= rest
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
        else:
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self._saving = False
        ended = time.monotonic()
        if rest:
            self._rest_saved = ended
        self._quiet_until = ended + max(
            MIN_INTERVAL, (ended - started) * (1 - MAX_SHARE) / MAX_SHARE
        )
