"""Runs `labelctl` in forks of a process that has imported it: a third of the script's processor time.

A fork has the arguments, environment, folder and open files of the command, and ends as the script
does. What the interpreter itself reads when it starts (PYTHON..., the locale) is as in the parent, so
commands with other values of those need the script; and so do tests of start-up, signals, pipes and
terminals.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_LARGEST = 1 << 20  # bytes of a request: arguments and environment


class WarmLabelctl:
    """A process from which commands are forked. Made by `warm_labelctl`."""

    def __init__(self, requests: socket.socket, env: Mapping[str, str]) -> None:
        self._requests = requests
        self._start = _of_interpreter(env)

    def suits(self, env: Mapping[str, str]) -> bool:
        """Whether the interpreter would start in the same way with this environment."""
        return _of_interpreter(env) == self._start

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Run a command to its end: exit code, stdout, stderr. Raises TimeoutError."""
        request = {"arguments": arguments, "env": dict(env), "folder": str(folder)}
        ended, end = os.pipe()
        with (
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            os.fdopen(ended) as answer,
        ):
            files = [nothing.fileno(), out.fileno(), err.fileno(), end]
            socket.send_fds(self._requests, [json.dumps(request).encode()], files)
            os.close(end)
            if not select.select([answer], [], [], timeout)[0]:
                raise TimeoutError(f"{arguments} did not end")
            code = int(answer.read())
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()


def _of_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    """What the interpreter itself reads of an environment."""
    return {name: value for name, value in env.items() if name[:3] in ("PYT", "LC_", "LAN")}


@contextlib.contextmanager
def warm_labelctl(env: Mapping[str, str]) -> Iterator[WarmLabelctl]:
    """A warm process for the block, whose interpreter starts with this environment."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            env=dict(env),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        try:
            yield WarmLabelctl(ours, env)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with commands that did not end in time
            process.wait()


def _serve(requests: socket.socket) -> None:
    _import_all()
    gc.collect()
    gc.freeze()  # so that a command's garbage collections leave the memory that it shares alone
    while True:
        request, files, _, _ = socket.recv_fds(requests, _LARGEST, 4)
        if os.fork() == 0:
            requests.close()
            _answer(json.loads(request), files)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _import_all() -> None:
    import importlib
    import pkgutil

    import boto3.session
    import botocore.client
    import botocore.config
    import botocore.exceptions
    import botocore.loaders
    import rich.live
    import rich.progress
    import rich.table

    import labelctl

    _ = (boto3, botocore, rich)
    _keep_models(botocore.loaders)
    for module in pkgutil.walk_packages(labelctl.__path__, "labelctl."):
        if ".local." not in module.name and module.name != "labelctl.__main__":
            importlib.import_module(module.name)


def _keep_models(loaders: Any) -> None:
    """Read botocore's descriptions of the services once: they are most of what a client costs."""
    import botocore.session

    loader = loaders.create_loader()
    loader.load_data("endpoints")
    loader.load_data("partitions")
    for service in ("cloudformation", "cloudwatch", "dynamodb", "logs", "s3", "sns", "sqs", "sts"):
        loader.load_service_model(service, "service-2")
        loader.load_service_model(service, "endpoint-rule-set-1")
        for kind in ("paginators-1", "waiters-2"):
            with contextlib.suppress(loaders.UnknownServiceError, loaders.DataNotFoundError):
                loader.load_service_model(service, kind)
    botocore.session.create_loader = lambda search_path_string=None: loader


def _answer(request: dict[str, Any], files: list[int]) -> None:
    """In a process that waits for the command, which is a child of its own."""
    *streams, answer = files
    command = os.fork()
    if command == 0:
        os.close(answer)
        _become(request, streams)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    os.write(answer, str(code).encode())
    os._exit(0)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Be the script: its standard streams, environment and folder; never returns."""
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        sys.stdin = _stream(0, "r", "strict")
        sys.stdout = _stream(1, "w", "surrogateescape")
        sys.stderr = _stream(2, "w", "backslashreplace")
        sys.argv = ["labelctl", *request["arguments"]]
        code = _main()
    finally:
        _end(code)


def _stream(number: int, mode: str, errors: str) -> Any:
    return os.fdopen(number, mode, encoding="utf-8", errors=errors, closefd=False)


def _main() -> int:
    from labelctl.__main__ import main

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def _end(code: int) -> None:
    """As the interpreter ends, but without taking apart what the parent has made."""
    import atexit
    import threading

    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
