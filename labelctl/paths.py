"""Paths that the user named: errors of the system as sentences."""

from __future__ import annotations

from pathlib import Path

from labelctl.errors import UsageError


def check(path: Path) -> None:
    """Raise UsageError if the system cannot look the path up, for example because it is too long.

    A path that does not exist is accepted.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(
            f'"{path}" cannot be used: {error.strerror}.', "Use another path."
        ) from error


def absolute(path: Path) -> Path:
    """Return the path as an absolute one. Raises UsageError if the current folder was deleted."""
    try:
        return path.absolute()
    except FileNotFoundError as error:
        raise UsageError(
            "The current folder no longer exists.", "Change to another folder and run it again."
        ) from error
