"""One worker process, as the server sees it: started when needed, watched, replaced when it dies."""

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
from labelctl.local.processes import HOME_MARK
from labelctl.local.rekognition import exchange, worker
from labelctl.local.rekognition.errors import internal_error
from labelctl.local.rekognition.limits import TIME_IS_UP, Limits
from labelctl.local.rekognition.recogniser import Detection

_PATIENCE = 60.0
"""Seconds by the clock that a worker may be silent: it is stopped, or the machine is at its limit."""


class WorkerDiedError(Exception):
    """The worker's process ended in the middle of its work."""


class TimeIsUpError(WorkerDiedError):
    """It ended because it had spent its CPU time."""


class WorkerProcess:
    """A worker with a process of its own. For one thread at a time, but for `kill`."""

    def __init__(self, model: Path | None, limits: Limits) -> None:
        self._killed = False
        self._model = model
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()  # nothing is started after `kill`

    def start(self) -> None:
        """Have a process that is ready. Raises LocalCloudError if it cannot be, and says why."""
        if self._process and self._process.poll() is None:
            return
        self._discard()
        with self._lock:
            if self._killed:
                raise internal_error()
            self._process = process = _spawn(self._model, self._limits)
        assert process.stdout
        with self._watched(process) as silent:
            answer = exchange.receive(process.stdout)
        if answer and answer.get("ready"):
            return
        status = self._discard()
        if answer:
            raise LocalCloudError(str(answer.get("error")), str(answer.get("hint")))
        raise _start_failed(self._model, status, bool(silent))

    def detect(self, task: exchange.Task) -> Detection:
        """What the worker sees.

        Raises RefusalError as `Recogniser.detect` does, InternalServerError if it fails or does not
        answer, and WorkerDiedError if its process ends; after the last two, `start` makes another.
        """
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        with self._watched(process) as silent:
            try:
                exchange.send_task(process.stdin, task)
                answer = exchange.receive(process.stdout)
            except OSError:
                answer = None
        if answer is None:
            status = self._discard()
            if silent:
                raise internal_error()
            raise TimeIsUpError if status == -TIME_IS_UP else WorkerDiedError
        if "refusal" in answer:
            raise exchange.unpack_refusal(answer["refusal"])
        if "detection" not in answer:
            raise internal_error()
        return exchange.unpack_detection(answer["detection"])

    def kill(self) -> None:
        """End the process, whatever it does, and start none any more. For any thread."""
        with self._lock:
            self._killed = True
            if self._process:
                self._process.kill()

    def close(self) -> None:
        """End the process and let go of its pipes."""
        self._discard()

    def _discard(self) -> int | None:
        """End the process if there is one; how it ended: the exit code, or minus the signal."""
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            assert stream
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=1)  # its pipes are closed: it ends
        process.kill()
        return process.wait()

    @contextlib.contextmanager
    def _watched(self, process: subprocess.Popen[bytes]) -> Iterator[list[bool]]:
        """Kill the process if it stays silent too long; the list is not empty then."""
        silent: list[bool] = []

        def kill() -> None:
            silent.append(True)
            process.kill()

        timer = Timer(_PATIENCE, kill)
        timer.start()
        try:
            yield silent
        finally:
            timer.cancel()


def _spawn(model: Path | None, limits: Limits) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", worker.MODULE, *worker.arguments(model, limits)]
    # It needs no credentials; and it is the recogniser's to end, not the local cloud's.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name != HOME_MARK
    }
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _start_failed(model: Path | None, status: int | None, silent: bool) -> LocalCloudError:
    if status == -TIME_IS_UP:
        why = "takes too much computing time to load and run once"
    elif silent:
        why = f"did not load within {_PATIENCE:.0f} seconds"
    elif status and status < 0:
        why = f"crashes the process that loads it ({signal.Signals(-status).name})"
    else:
        why = "cannot be loaded"
    if model:
        return LocalCloudError(f"The model {str(model)!r} {why}.", "Use another model.")
    return LocalCloudError(
        "The recogniser's worker process ended while it started.",
        "See the log for the reason; reinstalling may help: pip install 'labelctl[local]'",
    )
