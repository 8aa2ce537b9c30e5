"""The local cloud's processes, as the operating system sees them: start, recognise, ask, end.

A process id may be recycled and a stranger may sit on a port, so nothing is trusted for its number.
Each child carries the data folder's path in its environment (its own children, the Lambda workers,
inherit it): that is how one is recognised as ours before it is ended. Standard library only, and
`subprocess` only when something is started: `labelctl local status` must be quick.
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

HOME_MARK = "LABELCTL_ENGINE_HOME"

_POLL = 0.02  # seconds
_ANSWER_PATIENCE = 12.0  # seconds: a machine at its limit may take some of them
_OPEN_FILES = 4096  # for many connections at once; macOS gives a process 256
# Below every system's range of ephemeral ports (from 32768 on Linux, 49152 on macOS): no passing
# outgoing connection can sit on a kept port.
_PORTS = range(20000, 32000)


def spawn(arguments: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> int:
    """Start `python -m …` detached from this terminal, its output added to `log`; the process id."""
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
    process.returncode = 0  # it outlives us on purpose; otherwise Popen warns that it still runs
    return process.pid


def allow_open_files(limit: int = _OPEN_FILES) -> None:
    """Let this process, and those that it starts, hold up to `limit` files and connections open.

    Only as far as the hard limit allows; a higher soft limit stays.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(ValueError, OSError):  # macOS has a limit of its own besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def alive(pid: int) -> bool:
    """Whether the process runs; one that we started and that has ended is cleared away."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _ended(pid)


def _ended(pid: int) -> bool:
    """Whether only its entry is left: in a container nobody may be there to clear away orphans."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
        # Its last thread: until the others have gone, its sockets and locks are held. [proc(5)]
        return state[0] == b"Z" and state[17] in (b"0", b"1")
    return False


def paused(pid: int) -> bool:
    """Whether the process was stopped (SIGSTOP) and would go on after SIGCONT. [proc(5), ps(1)]"""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"T"
    if Path("/proc/self/stat").exists():
        return False
    import subprocess

    command = ["ps", "-o", "state=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip().startswith("T")


def ours(home: Path) -> set[int]:
    """All running processes of the local cloud in `home`: its engine, recogniser and workers."""
    mark = f"{HOME_MARK}={home.resolve()}"
    if Path("/proc/self/environ").exists():
        return set(_marked_in_proc(mark.encode()))
    import subprocess

    # macOS shows the environment of one's own processes.
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
    """Ask them to end; after `patience` seconds, end them."""
    left = set(pids)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a paused one cannot end by itself
        deadline = time.monotonic() + patience
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if alive(pid)}
            if left:
                time.sleep(_POLL)


def ask(port: int, path: str, timeout: float = _ANSWER_PATIENCE) -> dict[str, Any] | None:
    """GET a small JSON object from 127.0.0.1; None when nobody answers so.

    Raises TimeoutError when somebody listens there, and says nothing for `timeout` seconds.
    """
    # By hand, since importing http.client alone takes longer than asking.
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
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def choose_ports(count: int) -> list[int]:
    """Free ports, outside the range that outgoing connections use."""
    chosen: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if free_port(port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError("no free port")


def without_current_directory(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment, with nothing in it that has a child look for code in its current directory.

    Relative and empty entries of search paths stand for it, and so does the folder of a script for
    Python, unless PYTHONSAFEPATH is set. [Python Setup and Usage, Command line and environment]
    """
    cleaned = dict(variables) | {"PYTHONSAFEPATH": "1"}
    for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        entries = [entry for entry in cleaned.pop(name, "").split(os.pathsep) if entry[:1] == "/"]
        if entries:
            cleaned[name] = os.pathsep.join(entries)
    return cleaned


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, "" when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 8192))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
