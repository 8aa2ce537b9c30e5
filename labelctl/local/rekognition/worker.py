"""A worker process: loads the recogniser once, then analyses one picture at a time.

    python -P -m labelctl.local.rekognition.worker [--model FILE] [limits]

The server starts it and communicates through stdin and stdout (worker_protocol.py). First, the
worker reports that it is ready, or what is wrong with the model. Then it handles tasks until stdin
is closed, which also happens if the server is killed. A picture or a model can crash only this
process or make it exceed its limits; the server then replaces it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, Any

from labelctl.errors import LabelctlError
from labelctl.local.rekognition import limits, worker_protocol
from labelctl.local.rekognition.errors import RefusalError, invalid_format
from labelctl.local.rekognition.recogniser import Recogniser

MODULE = "labelctl.local.rekognition.worker"
"""The module to run with `python -m`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--model", type=Path)
    for name, default in vars(limits.Limits()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args())
    model = options.pop("model")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C by closing the pipe
    tasks, answers = _streams()
    try:
        return _serve(tasks, answers, model, limits.Limits(**options))
    except BrokenPipeError:  # the server has gone
        os._exit(0)  # without flushing the rest of the response


def arguments(model: Path | None, limit: limits.Limits) -> list[str]:
    """The command-line arguments for `main`."""
    given = [f"--{name.replace('_', '-')}={value}" for name, value in vars(limit).items()]
    return [*given, *(["--model", str(model)] if model else [])]


def _serve(tasks: IO[bytes], answers: IO[bytes], model: Path | None, limit: limits.Limits) -> int:
    try:
        with limits.cpu_time(limit.load_seconds), limits.memory(limit.load_memory):
            recogniser = Recogniser(model)
    except LabelctlError as error:
        worker_protocol.send(answers, {"error": error.message, "hint": error.hint})
        return error.exit_code
    worker_protocol.send(answers, {"ready": True})
    while task := worker_protocol.receive_task(tasks):
        with limits.cpu_time(limit.detect_seconds), limits.memory(limit.detect_memory):
            answer = _answer(recogniser, task)
        worker_protocol.send(answers, answer)
    return 0


def _answer(recogniser: Recogniser, task: worker_protocol.Task) -> dict[str, Any]:
    try:
        detection = recogniser.detect(task.data, task.max_colors)
    except RefusalError as refusal:
        return {"refusal": worker_protocol.pack_refusal(refusal)}
    except MemoryError:
        return {"refusal": worker_protocol.pack_refusal(invalid_format())}
    except Exception:
        traceback.print_exc()
        return {"failure": True}
    return {"detection": worker_protocol.pack_detection(detection)}


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Stdin and stdout. From now on, what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, answers


if __name__ == "__main__":
    raise SystemExit(main())
