"""A thread that runs the function's code from one call to the next, and can be killed in between."""

from __future__ import annotations

from collections.abc import Callable
from threading import Semaphore, Thread, local
from typing import Any


class KilledError(BaseException):
    """The worker's process was killed. A BaseException, so that no `except` handles it."""


class Worker:
    """A thread that runs `job` step by step, from one call to the next. `at` is the next call."""

    here = local()

    def __init__(self, job: Callable[[], Any]) -> None:
        self.done = False
        self.at = ""
        self.error: BaseException | None = None
        self._kill = False
        self._taken: int | None = None
        self._go, self._stopped = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def _run(self, job: Callable[[], Any]) -> None:
        Worker.here.worker = self
        try:
            job()
        except KilledError:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self._stopped.release()

    @staticmethod
    def pause(operation: str, _: Any = None) -> int | None:
        """Stop a worker's thread before a call to a service. Other threads are not stopped.

        Returns what the fake does with the call: see `FakeDynamoDB.before`.
        """
        self = getattr(Worker.here, "worker", None)
        if self is None:
            return None  # called by the test itself
        self.at = operation
        self._stopped.release()
        self._go.acquire()
        if self._kill:
            raise KilledError
        return self._taken

    def step(self, taken: int | None = None) -> None:
        """Make the next call, and continue up to the following one or the end."""
        self._taken = taken
        self._go.release()
        self._stopped.acquire()
        if self.error:
            raise self.error

    def kill(self) -> None:
        if not self.done:
            self._kill = True
            self._go.release()
            self._thread.join()
