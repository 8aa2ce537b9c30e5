"""The local cloud's data folder: whose it is, who may use it now, and what is remembered in it.

    <home>/engine.json        ports, model, process ids: what `status` reads
    <home>/state/ objects/    what the cloud knows; the photos
    <home>/models/            the recogniser's classifier, converted from its package
    <home>/gallery/           the page that `labelctl demo` makes
    <home>/engine.log recogniser.log lock engine.lock tmp/ empty-home/ .labelctl-local

The marker `.labelctl-local` makes a folder ours: none that has things in it but no marker is ever
used, and only what is listed here is ever deleted. This module knows files, not processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from labelctl.errors import LocalCloudError

RESET = "`labelctl local reset` (it deletes the local cloud's photos and labels)"

_MARKER = ".labelctl-local"
_RECORD = "engine.json"
_LOCK = "lock"
_OURS = (
    _RECORD,
    f"{_RECORD}.new",
    "engine.lock",
    "engine.log",
    "recogniser.log",
    "state",
    "objects",
    "models",
    "gallery",
    "tmp",
    "empty-home",
)


@dataclass
class Record:
    """What engine.json holds. `stamp` tells a changed model file from the one that was loaded."""

    port: int
    recogniser_port: int
    model: str | None = None
    stamp: str = ""
    token: str = ""
    pid: int = 0
    recogniser_pid: int = 0
    started_at: str = ""
    version: str | None = None


def data_home() -> Path:
    """Where the local cloud lives: in LABELCTL_HOME, or in the user's data folder."""
    chosen = os.environ.get("LABELCTL_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute() / "local"
    from platformdirs import user_data_path

    return user_data_path("labelctl") / "local"


def is_ours(home: Path) -> bool:
    """Whether labelctl has made or taken the folder for its local cloud."""
    return (home / _MARKER).exists()


def delete_ours(home: Path) -> None:
    """Delete what labelctl made in the folder, and the folder if nothing else is in it.

    The caller holds the lock, and no process uses the folder any more.
    """
    for name in (*_OURS, _LOCK, _MARKER):
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the user has put something there
        home.rmdir()


def read(home: Path) -> Record | None:
    try:
        text = (home / _RECORD).read_text()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _unusable(home, problem) from None
    try:
        return Record(**json.loads(text))
    except (ValueError, TypeError):
        raise LocalCloudError(
            f"The local cloud's record {home / _RECORD} is damaged.", f"Start anew with {RESET}."
        ) from None


def write(home: Path, record: Record) -> None:
    beside = home / f"{_RECORD}.new"
    beside.write_text(json.dumps(asdict(record)))
    beside.replace(home / _RECORD)


def prepare(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_foreign(home)
        home.chmod(0o700)
        (home / _MARKER).touch()
    except OSError as problem:
        raise _unusable(home, problem) from None


def refuse_foreign(home: Path) -> None:
    if any(home.iterdir()) and not is_ours(home):
        raise LocalCloudError(
            f"The folder {home} has things in it that are not labelctl's.",
            "Set LABELCTL_HOME to another folder.",
        )


def _unusable(home: Path, problem: OSError) -> LocalCloudError:
    return LocalCloudError(
        f"The local cloud's folder {home} cannot be used: {problem.strerror}.",
        "Set LABELCTL_HOME to a folder that you may write to.",
    )


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    import fcntl

    path = home / _LOCK
    while True:
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            stream = path.open("a")
        except OSError as problem:
            raise _unusable(home, problem) from None
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # A reset may have deleted the file that we waited for.
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
                    (home / _MARKER).touch()
                    yield
                    return
