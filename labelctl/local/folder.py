"""The local cloud's data folder: whose it is, who may use it now, and what is remembered in it.

    <home>/engine.json        ports, model, process ids: what `status` reads
    <home>/credentials.json   the access key that every request is signed with (mode 0600)
    <home>/state/ objects/    what the cloud knows; the photos
    <home>/models/            the recogniser's classifier, converted from its package
    <home>/gallery/           the page that `labelctl demo` makes
    <home>/engine.log recogniser.log lock engine.lock tmp/ empty-home/ .labelctl-local

The marker `.labelctl-local` makes a folder ours; where it is lost, a record or a saved state of ours
stands in for it. No other folder with things in it is ever used, none that another user could change,
and only what is listed here is ever deleted. This module knows files, not processes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from labelctl.errors import LocalCloudError
from labelctl.local import credentials

FORMAT = 1
"""The version of engine.json that this labelctl writes."""

_MARKER = ".labelctl-local"
_RECORD = "engine.json"
_LOCK = "lock"
_OURS = (
    _RECORD,
    f"{_RECORD}.new",
    credentials.FILE,
    f"{credentials.FILE}.new",
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
    """What engine.json holds; port 0 means that none was chosen yet, process id 0 that none runs.

    `stamp` tells a changed model file from the one that was loaded; `version` is the model's.
    Nothing here is beyond recovery: a field that cannot be used is left at its default and named in
    `lost`. `others` are the fields of a newer labelctl, which are kept when the record is written.
    """

    port: int = 0
    recogniser_port: int = 0
    model: str | None = None
    stamp: str = ""
    pid: int = 0
    recogniser_pid: int = 0
    started_at: str = ""
    version: str | None = None
    format: int = FORMAT
    others: dict[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


_NOT_SAVED = {"others", "lost"}


def _is_number(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and (value == 0 or least <= value <= most)


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


_VALID: dict[str, Callable[[Any], bool]] = {
    "port": _is_number(1024, 65535),
    "recogniser_port": _is_number(1024, 65535),
    "model": lambda value: value is None or (_is_text(value) and Path(value).is_absolute()),
    "stamp": _is_text,
    "pid": _is_number(2, 2**31 - 1),  # a negative one would stand for a group of processes
    "recogniser_pid": _is_number(2, 2**31 - 1),
    "started_at": _is_text,
    "version": lambda value: value is None or _is_text(value),
    "format": _is_number(1, 2**31 - 1),
}


def data_home() -> Path:
    """Where the local cloud lives: in LABELCTL_HOME, or in the user's data folder."""
    chosen = os.environ.get("LABELCTL_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute() / "local"
    from platformdirs import user_data_path

    return user_data_path("labelctl") / "local"


def is_ours(home: Path) -> bool:
    """Whether labelctl has made or taken the folder for its local cloud.

    A lost marker is no reason to give up photos: a record or a saved state shows it as well.
    """
    if (home / _MARKER).exists():
        return True
    manifests = (home / "state").glob("*/manifest.json")
    return any(path.parent.name.isdigit() for path in manifests) or _looks_like_a_record(home)


def _looks_like_a_record(home: Path) -> bool:
    try:
        found = json.loads((home / _RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"port", "recogniser_port"} <= found.keys()


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
    """The record as far as it can be used; None when there is none.

    Raises LocalCloudError when the folder cannot be read.
    """
    try:
        content = (home / _RECORD).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _unusable(home, problem) from None
    try:
        saved = json.loads(content)
    except (ValueError, RecursionError):
        saved = None
    if not isinstance(saved, dict):
        saved = dict.fromkeys(_VALID, ...)  # nothing of it is valid
    good = {name: saved[name] for name in _VALID if name in saved and _VALID[name](saved[name])}
    if good.get("recogniser_port") == good.get("port"):
        good.pop("recogniser_port", None)
    others = {name: value for name, value in saved.items() if name not in _VALID}
    lost = tuple(name for name in _VALID if name in saved and name not in good)
    return Record(**good, others=others, lost=lost)


def write(home: Path, record: Record) -> None:
    """Replace engine.json in one step. Raises OSError when it cannot be written."""
    beside = home / f"{_RECORD}.new"
    saved = {each.name: getattr(record, each.name) for each in fields(record)}
    known = {name: value for name, value in saved.items() if name not in _NOT_SAVED}
    beside.write_text(json.dumps(record.others | known))
    beside.replace(home / _RECORD)


def prepare(home: Path) -> None:
    try:
        _make(home)
        refuse_foreign(home)
        home.chmod(0o700)
        (home / _MARKER).touch()
    except OSError as problem:
        raise _unusable(home, problem) from None


def _make(home: Path) -> None:
    """Make the folder and the one around it, closed to others whatever the umask is."""
    for path in (home.parent, home):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)


def refuse_foreign(home: Path) -> None:
    if any(home.iterdir()) and not is_ours(home):
        raise LocalCloudError(
            f"The folder {home} has things in it that are not labelctl's.",
            "Set LABELCTL_HOME to another folder.",
        )


def refuse_others(home: Path) -> None:
    """Raise LocalCloudError when another user owns the folder, can write to it, or could replace it.

    Whoever can write there decides where requests, photos and credentials go. In a sticky
    folder, such as /tmp, nobody can replace what another user has made.
    """
    mine, roots = {os.geteuid()}, {os.geteuid(), 0}
    for path, trusted in ((home, mine), (home.parent, roots)):
        try:
            link, target = path.lstat(), path.stat()
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise _unusable(home, problem) from None
        if target.st_uid not in trusted or link.st_uid not in roots:
            reason = "belongs to another user"
        elif target.st_mode & stat.S_IWOTH and (path == home or not target.st_mode & stat.S_ISVTX):
            reason = "can be changed by every user"
        else:
            continue
        raise LocalCloudError(
            f"The folder {path} {reason}, so the local cloud would not be safe in it.",
            "Set LABELCTL_HOME to a folder of your own.",
        )


def _unusable(home: Path, problem: OSError) -> LocalCloudError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_is_full(home)
    message = f"The local cloud's folder {home} cannot be used: {problem.strerror or problem}."
    if problem.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM):
        return LocalCloudError(message, "Close other programs, then run the same command again.")
    return LocalCloudError(message, "Set LABELCTL_HOME to a folder that you may write to.")


def disk_is_full(home: Path) -> LocalCloudError:
    """The error to raise when there is no room for what is to be written."""
    return LocalCloudError(
        f"The disk that holds the local cloud's folder {home} is full.",
        "Nothing is lost. Make room on it, then run the same command again.",
    )


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Keep all other commands from changing the folder or its processes; waits for its turn.

    What the operating system refuses meanwhile, such as room on the disk, becomes a LocalCloudError.
    """
    import fcntl

    path = home / _LOCK
    while True:
        try:
            _make(home)
            stream = path.open("a")
        except OSError as problem:
            raise _unusable(home, problem) from None
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _is_same_file(stream.fileno(), path):
                try:
                    (home / _MARKER).touch()
                    yield
                except OSError as problem:
                    raise _unusable(home, problem) from problem
                return


def _is_same_file(handle: int, path: Path) -> bool:
    """Whether the lock file still has its name: a reset may have deleted the one we waited for."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
