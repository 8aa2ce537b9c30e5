"""Files written atomically: a reader sees the old content or the new, never a part.

The content goes to a temporary file in the same folder, which then replaces the final name. The
temporary name is random and created with O_EXCL, and a rename replaces a symbolic link instead of
following it: so a link that somebody planted in the folder redirects nothing [open(2), rename(2)].
That holds for a link the user made too: `-o out.csv` replaces the link out.csv, not what it points to.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard

from labelctl.errors import RefusedError

PREFIX = ".labelctl-part-"
"""The beginning of every temporary file's name."""


@dataclass(frozen=True)
class AtomicFile:
    """A file that is being written: `stream` is its content so far."""

    stream: BinaryIO


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[AtomicFile]:
    """A new content for `path`, which it gets when the block ends without an error.

    An existing file's permissions are kept. With `durable` the content is on the disk before it is
    visible, and parts that killed processes left in the folder are removed; without it, use
    `remove_abandoned` after many files. After an error nothing has changed. When two processes write
    the same file, the last to finish wins. Raises RefusedError when it cannot be written.
    """
    part = path.with_name(PREFIX + secrets.token_hex(8))
    stream = None
    try:
        if durable:
            remove_abandoned(path.parent)
        stream = _create(part, _mode_of(path))
        yield AtomicFile(stream)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
        if os.name == "nt":  # an open file cannot be renamed there
            stream.close()
        part.replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if _is_about_a_file(error):
            raise RefusedError(
                f'"{path}" cannot be written: {error.strerror}.',
                "Make room if the disk is full, or choose another place.",
            ) from error
        raise
    finally:
        if stream:
            with suppress(OSError):  # what a full disk did not take was reported above
                stream.close()


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of killed processes: those that no process holds locked."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing tells whether one is still being written
        return
    for part in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, a link, or on a file system without locks
            handle = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(handle)


def _mode_of(path: Path) -> int | None:
    """An existing file's permissions; None for a new file and for a link, which is replaced."""
    with suppress(FileNotFoundError):
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode):
            return facts.st_mode & 0o777
    return None


def _create(part: Path, mode: int | None) -> BinaryIO:
    """The new file, locked while it is open. Without a mode it gets what the umask allows."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        stream = os.fdopen(os.open(part, flags, 0o666 if mode is None else 0o600), "w+b")
        _lock(stream)
        if part.exists():  # else `remove_abandoned` of another process was faster than our lock
            break
        stream.close()
    if mode is not None and hasattr(os, "fchmod"):
        os.fchmod(stream.fileno(), mode)
    return stream


def _lock(stream: BinaryIO) -> None:
    with suppress(ImportError, OSError):  # Windows, or a file system without locks
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX)


def _is_about_a_file(error: BaseException) -> TypeGuard[OSError]:
    """Whether the file system raised it: botocore's errors are OSErrors too, but have no number."""
    return (
        isinstance(error, OSError) and bool(error.errno) and not isinstance(error, BrokenPipeError)
    )


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk, too."""
    with suppress(OSError):  # not every system can open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
