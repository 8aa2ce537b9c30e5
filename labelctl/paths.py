"""Paths that the user named, where the system itself refuses them."""

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
