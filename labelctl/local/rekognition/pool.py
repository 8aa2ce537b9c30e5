"""The worker processes, one a core, and the pictures that wait for them.

A picture that crashes its worker or spends its CPU time costs that worker alone: the others go on, and
the worker's process is replaced. The real service's limits on time are not published; here a
picture that takes more than its limits (see limits.py) is refused as InvalidImageFormatException,
the error for what cannot be decoded. It is remembered, and refused without another attempt when the
caller asks again. A worker that dies for another reason gets the picture a second time, since
somebody may just have ended it; a picture that two workers die of is refused, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock, local

from labelctl.local.rekognition.admission import Admission
from labelctl.local.rekognition.errors import internal_error, invalid_format
from labelctl.local.rekognition.exchange import Task
from labelctl.local.rekognition.limits import Limits
from labelctl.local.rekognition.process import TimeIsUpError, WorkerDiedError, WorkerProcess
from labelctl.local.rekognition.recogniser import Detection, model_version

_MOST_REMEMBERED = 10_000


class Pool:
    """Looks at pictures in worker processes: with a model, if one is given. For many threads."""

    def __init__(
        self, model: Path | None = None, *, workers: int | None = None, limits: Limits | None = None
    ) -> None:
        """Starts nothing yet. Raises LocalCloudError if OpenCV is not installed."""
        size = workers or cores()
        self.version = model_version(model)
        self._model = model
        self._limits = limits or Limits()
        self._admission = Admission(size)
        # Its queue is first come, first served; it starts a thread, and with it a worker, only when
        # all others are busy.
        self._threads = ThreadPoolExecutor(size)
        self._own = local()
        self._lock = Lock()
        self._closed = False
        self._workers: list[WorkerProcess] = []
        self._under_way: set[Future[Detection]] = set()
        self._hopeless: set[bytes] = set()  # SHA-256 of pictures that ran into a limit

    def turn(self) -> AbstractContextManager[None]:
        """A request's turn, to be waited for before any work for it, such as fetching its picture.

        Raises RefusalError (ThrottlingException) if it does not come soon enough.
        """
        return self._admission.turn()

    def detect(
        self, data: bytes, max_colors: int | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Detection:
        """See what is in the JPEG or PNG `data`; with image properties if `max_colors` is given.

        `wanted` is asked just before the work starts: whether the caller still waits. Raises
        RefusalError for bytes that the real service would refuse or that exceed the limits, and
        ConnectionAbortedError if the caller has gone.
        """
        if self._hopeless and hashlib.sha256(data).digest() in self._hopeless:
            raise invalid_format()
        with self._lock:
            if self._closed:
                raise internal_error()
            future = self._threads.submit(self._detect, Task(data, max_colors), wanted)
            self._under_way.add(future)
        try:
            return future.result()
        except CancelledError:
            raise internal_error() from None
        finally:
            with self._lock:
                self._under_way.discard(future)

    def warm_up(self) -> None:
        """Start the first worker. Raises LocalCloudError if the model is not usable."""
        self._threads.submit(lambda: self._worker().start()).result()

    def close(self, seconds: float = 0) -> None:
        """End the workers; wait so long at most for the pictures they are looking at."""
        with self._lock:
            self._closed = True
            under_way = list(self._under_way)
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(under_way, seconds)
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()  # now nothing holds up its threads
        for worker in self._workers:
            worker.close()

    def _detect(self, task: Task, wanted: Callable[[], bool]) -> Detection:
        if not wanted():
            raise ConnectionAbortedError("The caller has gone.")
        worker = self._worker()
        try:
            worker.start()
            return worker.detect(task)
        except TimeIsUpError as error:
            self._remember(task)
            raise invalid_format() from error
        except WorkerDiedError:
            return self._retry(worker, task)

    def _retry(self, worker: WorkerProcess, task: Task) -> Detection:
        try:
            worker.start()
            return worker.detect(task)
        except WorkerDiedError as error:
            if self._closed:
                raise internal_error() from error
            self._remember(task)
            raise invalid_format() from error

    def _worker(self) -> WorkerProcess:
        """The worker of the thread that runs this."""
        if not hasattr(self._own, "worker"):
            self._own.worker = WorkerProcess(self._model, self._limits)
            self._workers.append(self._own.worker)
        worker: WorkerProcess = self._own.worker
        return worker

    def _remember(self, task: Task) -> None:
        if len(self._hopeless) >= _MOST_REMEMBERED:
            self._hopeless.clear()
        self._hopeless.add(hashlib.sha256(task.data).digest())


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
