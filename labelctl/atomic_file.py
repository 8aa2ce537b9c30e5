"""Files written atomically: a reader sees the old content or the new content, never a part.

The content goes to a temporary file in the same folder, which is then renamed to the final name.
The temporary file has a random name and is created with O_EXCL, and a rename replaces a symbolic
link instead of following it [open(2), rename(2)]. A link that somebody planted in the folder
therefore redirects nothing. The same holds for the user's own links: `-o out.csv` replaces a link
out.csv, not the file it points to.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard

from labelctl.errors import RefusedError

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)

PREFIX = ".labelctl-part-"
"""Every temporary file's name starts with this."""


@dataclass(frozen=True)
class AtomicFile:
    """A file being written. Write its content to `stream`."""

    stream: BinaryIO


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[AtomicFile]:
    """Write `path` atomically: it gets its new content when the block ends without an error.

    After an error nothing has changed. An existing file's permissions are kept. With `durable` the
    content is flushed to the disk before it becomes visible, and temporary files of killed
    processes are removed from the folder; without it, call `remove_abandoned` once after writing
    many files. When two processes write the same file, the last to finish wins.
    Raises RefusedError when the file cannot be written.
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
                "Free some disk space, or choose another location."
                if error.errno in _DISK_IS_FULL
                else "Check the folder and its permissions, or choose another location.",
            ) from error
        raise
    finally:
        if stream:
            with suppress(OSError):  # a full disk was reported above
                stream.close()


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of killed processes: those that no process has locked."""
    try:
        import fcntl
    except ImportError:  # Windows: no way to see whether a file is still being written
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
    """An existing file's permissions; None for a new file, and for a link, which is replaced."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            return status.st_mode & 0o777
    return None


def _create(part: Path, mode: int | None) -> BinaryIO:
    """Create the file, locked while it is open. With mode None the umask sets its permissions."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        stream = os.fdopen(os.open(part, flags, 0o666 if mode is None else 0o600), "w+b")
        _lock(stream)
        if part.exists():  # else another process removed it before it was locked
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
    """Whether the file system raised it. Some botocore errors are OSErrors too, without errno."""
    return (
        isinstance(error, OSError) and bool(error.errno) and not isinstance(error, BrokenPipeError)
    )


def _sync_folder(folder: Path) -> None:
    """Flush the folder, so that the new name survives a power failure."""
    with suppress(OSError):  # not every system can open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
