"""The local cloud's processes at the level of the operating system: start, find, query and end them.

Process ids are reused, and another program may take a port, so a number alone proves nothing. Each
process has the data folder's path in its environment, which its children (the Lambda workers) inherit;
only processes with that mark are ever ended. Standard library only, and `subprocess` is imported only
where it is needed: `labelctl local status` must be fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HOME_VARIABLE = "LABELCTL_ENGINE_HOME"

_POLL = 0.02  # seconds
_ANSWER_TIMEOUT = 12.0  # seconds; an overloaded machine needs several
_OPEN_FILES = 4096  # for many connections at once; the default on macOS is 256
# Below the ephemeral ports (from 32768 on Linux, 49152 on macOS), so that no outgoing connection
# can occupy a port we keep.
_PORTS = range(20000, 32000)


def spawn(arguments: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> int:
    """Start `python -m …` detached from this terminal, appending output to `log`; its process id."""
    import subprocess

    allow_open_files()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    process.returncode = 0  # it outlives this process on purpose; Popen would warn about that
    return process.pid


def allow_open_files(limit: int = _OPEN_FILES) -> None:
    """Raise the limit of open files and connections, for this process and its children, to `limit`.

    The hard limit still applies; a higher soft limit is kept.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(ValueError, OSError):  # macOS has a further limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def alive(pid: int) -> bool:
    """Whether the process runs. A child of this process that has ended is reaped."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended but was not reaped: a container may have no init to do that."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
        # While it has other threads, it still holds its sockets and locks. [proc(5)]
        return state[0] == b"Z" and state[17] in (b"0", b"1")
    return False


def paused(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP) and can be resumed (SIGCONT). [proc(5), ps(1)]"""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"T"
    if Path("/proc/self/stat").exists():
        return False
    import subprocess

    command = ["ps", "-o", "state=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip().startswith("T")


def find_processes(home: Path) -> set[int]:
    """The ids of all processes of the local cloud in `home`: engine, recogniser and workers."""
    mark = f"{HOME_VARIABLE}={home.resolve()}"
    if Path("/proc/self/environ").exists():
        return set(_marked_in_proc(mark.encode()))
    import subprocess

    # macOS shows users the environment of their own processes.
    listing = subprocess.run(
        ["ps", "-xwwE", "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    found = (line.split() for line in listing.stdout.splitlines())
    return {int(words[0]) for words in found if mark in words} - {os.getpid()}


def _marked_in_proc(mark: bytes) -> Iterable[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def end(pids: Iterable[int], patience: float) -> None:
    """Send SIGTERM; after `patience` seconds, send SIGKILL to those that still run."""
    left = set(pids)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a paused process cannot end by itself
        deadline = time.monotonic() + patience
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if alive(pid)}
            if left:
                time.sleep(_POLL)


def get_json(port: int, path: str, timeout: float = _ANSWER_TIMEOUT) -> dict[str, Any] | None:
    """GET a small JSON object from 127.0.0.1; None if there is no such answer.

    Raises TimeoutError if a server listens there but sends nothing for `timeout` seconds.
    """
    # Without http.client, as importing it takes longer than the request.
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(request.encode())
            while piece := connection.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        value = json.loads(body) if head.split(b" ")[1:2] == [b"200"] else None
    except TimeoutError:
        raise
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def free_port(port: int) -> bool:
    """Whether a server could listen on the port on 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def choose_ports(count: int) -> list[int]:
    """`count` free ports outside the ephemeral range. Raises OSError if there are too few."""
    chosen: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if free_port(port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError("no free port")


def without_current_directory(variables: Mapping[str, str]) -> dict[str, str]:
    """A copy of the environment that keeps a child from loading code from its current directory.

    Relative and empty entries of search paths would allow that, and so does Python unless
    PYTHONSAFEPATH is set. [Python Setup and Usage, Command line and environment]
    """
    cleaned = dict(variables) | {"PYTHONSAFEPATH": "1"}
    for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        entries = [entry for entry in cleaned.pop(name, "").split(os.pathsep) if entry[:1] == "/"]
        if entries:
            cleaned[name] = os.pathsep.join(entries)
    return cleaned


def last_lines(log: Path, count: int = 12) -> str:
    """The last `count` lines of a log file, "" if it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 8192))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
