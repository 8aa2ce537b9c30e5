"""Files that are whole or not there: written beside their place, which they take in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard

from labelctl.errors import RefusedError

_SUFFIX = ".labelctl-part"


@dataclass(frozen=True)
class Draft:
    """A file that is being written; `leftover`: one that was cut off lay in its place, and is gone."""

    stream: BinaryIO
    leftover: bool


@contextmanager
def draft(path: Path) -> Iterator[Draft]:
    """A file beside `path` that takes its place at the end of the block, whole and on the disk.

    `check` allows the place. After an error nothing of it is left. Raises RefusedError where no file
    can be made, while another process writes to it, or where the disk is full.
    """
    final = Path(os.path.realpath(path))
    part = final.with_name(final.name + _SUFFIX)
    try:
        stream = _alone(path, part)
    except OSError as error:
        raise RefusedError(
            f'"{path}" cannot be written: {error.strerror}.', "Name another file with -o."
        ) from error
    try:
        yield Draft(stream, _emptied(stream))
        stream.flush()
        os.fsync(stream.fileno())
        if os.name == "nt":  # an open file cannot be renamed there
            stream.close()
        part.replace(final)
        _settle(final.parent)
    except BaseException as error:
        with suppress(OSError):  # what cannot be written out any more is told already
            stream.close()
        with suppress(OSError):
            part.unlink()
        if _is_the_disks(error):
            raise RefusedError(
                f'"{path}" could not be written to its end: {error.strerror}.',
                "Nothing of it is left. Is there room on the disk?",
            ) from error
        raise
    finally:
        with suppress(OSError):
            stream.close()


def _is_the_disks(error: BaseException) -> TypeGuard[OSError]:
    """Whether it is of the file: botocore's errors are OSErrors, too, but have no number."""
    return (
        isinstance(error, OSError) and bool(error.errno) and not isinstance(error, BrokenPipeError)
    )


def _alone(path: Path, part: Path) -> BinaryIO:
    """The part's file, opened, and locked as long as it is. Raises RefusedError if somebody has it."""
    while True:
        stream = part.open("ab")
        try:
            _lock(stream)
            if os.path.samestat(os.fstat(stream.fileno()), part.stat()):
                return stream
        except BlockingIOError:
            stream.close()
            raise RefusedError(
                f'Another process is writing "{path}" right now.',
                "Wait for it, or name another file.",
            ) from None
        except FileNotFoundError:  # it was finished between two of our steps
            pass
        except BaseException:
            stream.close()
            raise
        stream.close()


def _lock(stream: BinaryIO) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass  # a file system without locks


def _emptied(stream: BinaryIO) -> bool:
    """Whether anything was in it."""
    filled = os.fstat(stream.fileno()).st_size > 0
    stream.truncate(0)
    return filled


def _settle(folder: Path) -> None:
    """Have the folder's entry on the disk, too."""
    with suppress(OSError):  # not everywhere can a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
