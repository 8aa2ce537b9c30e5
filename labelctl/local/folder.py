"""The local cloud's data folder: its owner, its lock, and the record of what runs in it.

    <home>/engine.json        ports, model, process ids: what `status` reads
    <home>/credentials.json   the access key that every request is signed with (mode 0600)
    <home>/state/             the emulator's saved state
    <home>/objects/           the photos
    <home>/models/            the recogniser's classifier, converted from its package
    <home>/gallery/           the page that `labelctl demo` builds
    <home>/engine.log recogniser.log lock engine.lock tmp/ empty-home/ .labelctl-local

The marker `.labelctl-local` identifies a folder as labelctl's; if the marker is lost, a record or a
saved state does. labelctl never uses any other folder that is not empty, nor one that another user
could change, and it deletes only what is listed here. This module handles files, not processes.
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

from labelctl import paths
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
    """The contents of engine.json. Port 0: none was chosen yet. Process id 0: not running.

    `stamp` detects a change of the model file; `version` is the model's. A field that cannot be used
    keeps its default and is named in `lost`: all of them can be recovered. `others` are the fields of
    a newer labelctl, which are kept when the record is written.
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


def _is_number(lowest: int, highest: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and (value == 0 or lowest <= value <= highest)


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
    "pid": _is_number(2, 2**31 - 1),  # a negative number would mean a process group
    "recogniser_pid": _is_number(2, 2**31 - 1),
    "started_at": _is_text,
    "version": lambda value: value is None or _is_text(value),
    "format": _is_number(1, 2**31 - 1),
}


def data_home() -> Path:
    """The local cloud's folder: in LABELCTL_HOME if that is set, else in the user's data folder.

    Raises LocalCloudError if the user has no home folder, as in some containers.
    """
    chosen = os.environ.get("LABELCTL_HOME")
    if chosen:
        return paths.absolute(expand_user(Path(chosen))) / "local"
    from platformdirs import user_data_path

    with _home_folder_required():
        return user_data_path("labelctl") / "local"


def expand_user(path: Path) -> Path:
    """The path with ~ replaced. Raises LocalCloudError if there is no such home folder."""
    with _home_folder_required():
        return path.expanduser()


@contextlib.contextmanager
def _home_folder_required() -> Iterator[None]:
    try:
        yield
    except RuntimeError:  # from pathlib and platformdirs
        raise LocalCloudError(
            "The home folder is unknown.",
            "Set LABELCTL_HOME to a folder that you may write to, without ~.",
        ) from None


def is_ours(home: Path) -> bool:
    """Whether the folder contains a local cloud of labelctl's.

    A record or a saved state proves it too, so that photos are not lost with the marker.
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
    """Delete labelctl's files in the folder, and the folder itself if it is empty then.

    The caller holds the lock, and no process uses the folder.
    """
    for name in (*_OURS, _LOCK, _MARKER):
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it contains the user's files
        home.rmdir()


def read(home: Path) -> Record | None:
    """The record, with the fields that are usable; None if there is no record.

    Raises LocalCloudError if the folder cannot be read.
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
        saved = dict.fromkeys(_VALID, ...)  # none of them is valid
    good = {name: saved[name] for name in _VALID if name in saved and _VALID[name](saved[name])}
    if good.get("recogniser_port") == good.get("port"):
        good.pop("recogniser_port", None)
    others = {name: value for name, value in saved.items() if name not in _VALID}
    lost = tuple(name for name in _VALID if name in saved and name not in good)
    return Record(**good, others=others, lost=lost)


def write(home: Path, record: Record) -> None:
    """Replace engine.json atomically. Raises OSError if it cannot be written."""
    temporary = home / f"{_RECORD}.new"
    saved = {each.name: getattr(record, each.name) for each in fields(record)}
    known = {name: value for name, value in saved.items() if name not in _NOT_SAVED}
    temporary.write_text(json.dumps(record.others | known))
    temporary.replace(home / _RECORD)


def prepare(home: Path) -> None:
    """Create the folder and mark it as labelctl's. Raises LocalCloudError if that is impossible."""
    try:
        _create(home)
        check_contents(home)
        home.chmod(0o700)
        (home / _MARKER).touch()
    except OSError as problem:
        raise _unusable(home, problem) from None


def _create(home: Path) -> None:
    """Create the folder and its parent, without access for other users whatever the umask."""
    for path in (home.parent, home):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)


def check_contents(home: Path) -> None:
    """Raise LocalCloudError if the folder is not empty and is not labelctl's."""
    if any(home.iterdir()) and not is_ours(home):
        raise LocalCloudError(
            f"The folder {home} contains files that are not labelctl's.",
            "Set LABELCTL_HOME to another folder.",
        )


def check_owner(home: Path) -> None:
    """Raise LocalCloudError if another user owns the folder, can write to it, or could replace it.

    Whoever can write to it controls where requests, photos and credentials go. In a sticky folder
    such as /tmp, users cannot replace each other's files.
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
            reason = "is writable by every user"
        else:
            continue
        raise LocalCloudError(
            f"The folder {path} {reason}, so it is not safe for the local cloud.",
            "Set LABELCTL_HOME to a folder of your own.",
        )


def _unusable(home: Path, problem: OSError) -> LocalCloudError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full_error(home)
    message = f"The local cloud's folder {home} cannot be used: {problem.strerror or problem}."
    if problem.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM):
        return LocalCloudError(message, "Close other programs, then run the same command again.")
    return LocalCloudError(message, "Set LABELCTL_HOME to a folder that you can write to.")


def disk_full_error(home: Path) -> LocalCloudError:
    """The error to raise when a write fails because the disk is full."""
    return LocalCloudError(
        f"The disk that holds the local cloud's folder {home} is full.",
        "Nothing is lost. Free some space, then run the same command again.",
    )


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Wait for the lock that lets only one command at a time change the folder or its processes.

    An OSError within the block, such as a full disk, is raised as a LocalCloudError.
    """
    import fcntl

    path = home / _LOCK
    while True:
        try:
            _create(home)
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
    """Whether the lock file is still the one at `path`: a reset may have deleted the one we got."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
