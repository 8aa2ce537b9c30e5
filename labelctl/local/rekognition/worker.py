"""A worker process: loads the recogniser once, then looks at one picture after another.

    python -P -m labelctl.local.rekognition.worker [--model FILE] [limits]

The server starts it and talks to it through stdin and stdout (see exchange.py). First it says that it
is ready, or what is wrong with the model; then it answers tasks until stdin is closed, which also
happens when the server is killed. Whatever a picture or a model does, it does it here: the process
may crash or be ended by its limits, and the server replaces it.
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
from labelctl.local.rekognition import exchange, limits
from labelctl.local.rekognition.errors import RefusalError, invalid_format
from labelctl.local.rekognition.recogniser import Recogniser

MODULE = "labelctl.local.rekognition.worker"
"""What to run with `python -m`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--model", type=Path)
    for name, default in vars(limits.Limits()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args())
    model = options.pop("model")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's: it closes the pipe
    tasks, answers = _streams()
    try:
        return _serve(tasks, answers, model, limits.Limits(**options))
    except BrokenPipeError:  # the server has gone
        os._exit(0)  # not an orderly end, which would write the rest of the answer


def arguments(model: Path | None, limit: limits.Limits) -> list[str]:
    """The command line's arguments for `main`."""
    given = [f"--{name.replace('_', '-')}={value}" for name, value in vars(limit).items()]
    return [*given, *(["--model", str(model)] if model else [])]


def _serve(tasks: IO[bytes], answers: IO[bytes], model: Path | None, limit: limits.Limits) -> int:
    try:
        with limits.cpu_time(limit.load_seconds), limits.memory(limit.load_memory):
            recogniser = Recogniser(model)
    except LabelctlError as error:
        exchange.send(answers, {"error": error.message, "hint": error.hint})
        return error.exit_code
    exchange.send(answers, {"ready": True})
    while task := exchange.receive_task(tasks):
        with limits.cpu_time(limit.detect_seconds), limits.memory(limit.detect_memory):
            answer = _answer(recogniser, task)
        exchange.send(answers, answer)
    return 0


def _answer(recogniser: Recogniser, task: exchange.Task) -> dict[str, Any]:
    try:
        detection = recogniser.detect(task.data, task.max_colors)
    except RefusalError as refusal:
        return {"refusal": exchange.pack_refusal(refusal)}
    except MemoryError:
        return {"refusal": exchange.pack_refusal(invalid_format())}
    except Exception:
        traceback.print_exc()
        return {"failure": True}
    return {"detection": exchange.pack_detection(detection)}


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Stdin and stdout; what a library prints from now on goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, answers


if __name__ == "__main__":
    raise SystemExit(main())
