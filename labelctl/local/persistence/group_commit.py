"""Group commit: a change is answered only after a snapshot that began after it is on disk.

Every waiting client shares one snapshot; those that come while it is being written share the next.
Changes that nobody waits for (a Lambda worker's rows, messages that the event source mapping took)
are marked, and saved soon after: at most twice a second, and spending at most a fifth of the time on
it, so that a large state does not eat the machine. This module knows when to save; it is handed how
(`capture` on the event loop, `write` on a thread) and knows no emulator and no files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

logger = logging.getLogger("labelctl.commit")

Captured = Mapping[str, bytes]

QUICKEST = 0.5  # seconds between two snapshots that nobody waits for
SHARE = 0.2  # of the time may go into snapshots that nobody waits for
REST_EVERY = 5.0  # seconds between two that include logs and the like, unless one of those changed


class GroupCommit:
    """Call `commit` or `mark` after a change; `run` (one task) does the saving.

    `capture` takes whether everything, not only the data, is wanted; it returns file name → bytes.
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
        self._rest_wanted = False  # something besides data changed: save it with the next
        self._rest_stale = False  # it may have changed, such as the logs: save it some time
        self._rest_saved = 0.0
        self._quiet_until = 0.0
        self._saving = False

    @property
    def unsaved(self) -> bool:
        """Whether rows, messages or objects may have changed that are not on disk yet."""
        return self._marked or self._saving or bool(self._waiting)

    async def commit(self, *, rest: bool) -> None:
        """Return when all that has changed until now is on disk; raise what kept it from there."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(done)
        self._rest_wanted |= rest
        self._wake.set()
        await done

    def mark(self, *, rest: bool = False) -> None:
        """Something changed that nobody waits for. May be called from any thread."""
        self._marked = self._rest_stale = True
        self._rest_wanted |= rest
        with contextlib.suppress(RuntimeError):  # the loop has closed: the last snapshot is over
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Save whenever it is due, until cancelled."""
        while True:
            await self._due()
            await self._save()

    async def _due(self) -> None:
        while not self._waiting:
            self._wake.clear()
            now = time.monotonic()
            if self._marked:
                delay = self._quiet_until - now
            elif self._rest_stale:
                delay = max(self._quiet_until, self._rest_saved + REST_EVERY) - now
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
            stale = self._rest_stale and started - self._rest_saved >= REST_EVERY
            rest = self._rest_wanted or stale
            self._marked = False
            if rest:
                self._rest_wanted = self._rest_stale = False
            captured = self._capture(rest)
            await asyncio.to_thread(self._write, captured)
        except Exception as problem:
            logger.exception("the state could not be saved")
            self._marked = True
            self._rest_wanted |= rest
            for each in waiting:
                if not each.done():
                    each.set_exception(problem)
        else:
            for each in waiting:
                if not each.done():
                    each.set_result(None)
        self._saving = False
        ended = time.monotonic()
        if rest:
            self._rest_saved = ended
        self._quiet_until = ended + max(QUICKEST, (ended - started) * (1 - SHARE) / SHARE)
