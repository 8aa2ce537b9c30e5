"""The pool of worker processes, one per core.

A picture that crashes its worker or exceeds its CPU time affects only that worker, whose process is
replaced. The real service's time limits are not published. Here a picture that exceeds its limits
(limits.py) is refused with InvalidImageFormatException, the error for pictures that cannot be decoded.
Its hash is stored, so that a repeated request is refused without another attempt. If a worker dies for
another reason, the picture is tried once more, as the process may have been killed by somebody; if that
worker dies too, the picture is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock, local

from labelctl.aws.threads import cores
from labelctl.local.rekognition.admission import Admission
from labelctl.local.rekognition.errors import internal_error, invalid_format
from labelctl.local.rekognition.limits import Limits
from labelctl.local.rekognition.process import TimeIsUpError, WorkerDiedError, WorkerProcess
from labelctl.local.rekognition.recogniser import Detection, model_version
from labelctl.local.rekognition.worker_protocol import Task

_MAX_REFUSED = 10_000


class Pool:
    """Analyses pictures in worker processes, with the user's model if one is given. Thread-safe."""

    def __init__(
        self, model: Path | None = None, *, workers: int | None = None, limits: Limits | None = None
    ) -> None:
        """Starts no process yet. Raises LocalCloudError if OpenCV is not installed."""
        size = workers or cores()
        self.version = model_version(model)
        self._model = model
        self._limits = limits or Limits()
        self._admission = Admission(size)
        # It starts a thread, and with it a worker, only when all others are busy.
        self._threads = ThreadPoolExecutor(size)
        self._own = local()
        self._lock = Lock()
        self._closed = False
        self._workers: list[WorkerProcess] = []
        self._in_progress: set[Future[Detection]] = set()
        self._refused: set[bytes] = set()  # SHA-256 of pictures that exceeded a limit

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a request's turn, before any work for it, such as fetching its picture.

        Raises RefusalError (ThrottlingException) if the wait is too long.
        """
        return self._admission.turn()

    def detect(
        self, data: bytes, max_colors: int | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Detection:
        """Analyse the JPEG or PNG `data`, including image properties if `max_colors` is given.

        `wanted` is called just before the work starts, and says whether the caller is still waiting.
        Raises RefusalError for data that the real service would refuse or that exceeds the limits, and
        ConnectionAbortedError if the caller has gone.
        """
        if self._refused and hashlib.sha256(data).digest() in self._refused:
            raise invalid_format()
        with self._lock:
            if self._closed:
                raise internal_error()
            future = self._threads.submit(self._detect, Task(data, max_colors), wanted)
            self._in_progress.add(future)
        try:
            return future.result()
        except CancelledError:
            raise internal_error() from None
        finally:
            with self._lock:
                self._in_progress.discard(future)

    def warm_up(self) -> None:
        """Start the first worker. Raises LocalCloudError if the model is unusable."""
        self._threads.submit(lambda: self._worker().start()).result()

    def close(self, seconds: float = 0) -> None:
        """End the workers, after waiting at most `seconds` for pictures in progress."""
        with self._lock:
            self._closed = True
            in_progress = list(self._in_progress)
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(in_progress, seconds)
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()  # its threads are no longer blocked
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
            self._refuse(task)
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
            self._refuse(task)
            raise invalid_format() from error

    def _worker(self) -> WorkerProcess:
        """The worker of the current thread."""
        if not hasattr(self._own, "worker"):
            self._own.worker = WorkerProcess(self._model, self._limits)
            self._workers.append(self._own.worker)
        worker: WorkerProcess = self._own.worker
        return worker

    def _refuse(self, task: Task) -> None:
        if len(self._refused) >= _MAX_REFUSED:
            self._refused.clear()
        self._refused.add(hashlib.sha256(task.data).digest())
