"""What the local cloud needs of this machine, checked before anything is started."""

from __future__ import annotations

import sys

from labelctl.errors import LocalCloudError

MINISTACK = "1.5.33"  # the version whose inner workings the gateway knows

_INSTALL = "Install it with: pip install 'labelctl[local]'"


def check_system() -> None:
    """Raise LocalCloudError on a system that the local cloud does not run on."""
    if sys.platform == "win32":
        raise LocalCloudError(
            "The local cloud does not run on Windows itself.", "Run labelctl inside WSL."
        )


def check_installed() -> None:
    """Raise LocalCloudError unless the emulator is installed, in the version that the gateway knows."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("ministack")
    except PackageNotFoundError:
        raise LocalCloudError("The local cloud is not installed.", _INSTALL) from None
    if found != MINISTACK:
        raise LocalCloudError(
            f"The local cloud needs ministack {MINISTACK}; {found} is installed.", _INSTALL
        )
