"""One worker process, from the server's side: started on demand, monitored, and replaced if it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Timer

from labelctl.errors import LocalCloudError
from labelctl.local.processes import HOME_VARIABLE
from labelctl.local.rekognition import worker, worker_protocol
from labelctl.local.rekognition.errors import internal_error
from labelctl.local.rekognition.limits import TIME_IS_UP, Limits
from labelctl.local.rekognition.recogniser import Detection

_TIMEOUT = 60.0
"""Seconds of wall time without a response until a worker is killed; it may have been stopped."""


class WorkerDiedError(Exception):
    """The worker's process ended during its work."""


class TimeIsUpError(WorkerDiedError):
    """The process exceeded its CPU time."""


class WorkerProcess:
    """A worker and its process. Not thread-safe, except for `kill`."""

    def __init__(self, model: Path | None, limits: Limits) -> None:
        self._killed = False
        self._model = model
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()  # no process may be started after `kill`

    def start(self) -> None:
        """Start a process if none is running, and wait until it is ready. Raises LocalCloudError."""
        if self._process and self._process.poll() is None:
            return
        self._discard()
        with self._lock:
            if self._killed:
                raise internal_error()
            self._process = process = _spawn(self._model, self._limits)
        assert process.stdout
        with self._watched(process) as timed_out:
            answer = worker_protocol.receive(process.stdout)
        if answer and answer.get("ready"):
            return
        status = self._discard()
        if answer:
            raise LocalCloudError(str(answer.get("error")), str(answer.get("hint")))
        raise _start_failed(self._model, status, bool(timed_out))

    def detect(self, task: worker_protocol.Task) -> Detection:
        """The findings of the worker.

        Raises RefusalError: those of `Recogniser.detect`, and InternalServerError if the worker fails
        or does not respond. Raises WorkerDiedError if its process ends. Call `start` before the next
        task.
        """
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        with self._watched(process) as timed_out:
            try:
                worker_protocol.send_task(process.stdin, task)
                answer = worker_protocol.receive(process.stdout)
            except OSError:
                answer = None
        if answer is None:
            status = self._discard()
            if timed_out:
                raise internal_error()
            raise TimeIsUpError if status == -TIME_IS_UP else WorkerDiedError
        if "refusal" in answer:
            raise worker_protocol.unpack_refusal(answer["refusal"])
        if "detection" not in answer:
            raise internal_error()
        return worker_protocol.unpack_detection(answer["detection"])

    def kill(self) -> None:
        """Kill the process and prevent further starts. Thread-safe."""
        with self._lock:
            self._killed = True
            if self._process:
                self._process.kill()

    def close(self) -> None:
        """End the process and close its pipes."""
        self._discard()

    def _discard(self) -> int | None:
        """End the process, if any. Returns its exit code, or minus the signal that ended it."""
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            assert stream
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=1)  # it ends when its pipes are closed
        process.kill()
        return process.wait()

    @contextlib.contextmanager
    def _watched(self, process: subprocess.Popen[bytes]) -> Iterator[list[bool]]:
        """Kill the process if it does not respond in time; the list is not empty then."""
        timed_out: list[bool] = []

        def kill() -> None:
            timed_out.append(True)
            process.kill()

        timer = Timer(_TIMEOUT, kill)
        timer.start()
        try:
            yield timed_out
        finally:
            timer.cancel()


def _spawn(model: Path | None, limits: Limits) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", worker.MODULE, *worker.arguments(model, limits)]
    # It needs no credentials, and the recogniser ends it, not `labelctl local stop`.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name != HOME_VARIABLE
    }
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _start_failed(model: Path | None, status: int | None, timed_out: bool) -> LocalCloudError:
    if status == -TIME_IS_UP:
        what = "takes too much CPU time to load and test"
    elif timed_out:
        what = f"did not load within {_TIMEOUT:.0f} seconds"
    elif status and status < 0:
        what = f"crashes its process ({signal.Signals(-status).name})"
    else:
        what = "cannot be loaded"
    if model:
        return LocalCloudError(f"The model {str(model)!r} {what}.", "Use another model.")
    return LocalCloudError(
        "The recogniser's worker process ended during startup.",
        "See the log for the reason. Reinstalling may help: pip install 'labelctl[local]'",
    )
