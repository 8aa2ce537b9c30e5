"""The local cloud's requirements, checked before anything is started."""

from __future__ import annotations

import sys

from labelctl.errors import LocalCloudError

MINISTACK = "1.5.33"  # the gateway patches private functions of this version

_INSTALL = "Install it with: pip install 'labelctl[local]'"


def check_system() -> None:
    """Raise LocalCloudError on an unsupported operating system."""
    if sys.platform == "win32":
        raise LocalCloudError(
            "The local cloud does not run on Windows.", "Run labelctl inside WSL."
        )


def check_installed() -> None:
    """Raise LocalCloudError unless the supported version of the emulator is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("ministack")
    except PackageNotFoundError:
        raise LocalCloudError("The local cloud is not installed.", _INSTALL) from None
    if found != MINISTACK:
        raise LocalCloudError(
            f"The local cloud needs ministack {MINISTACK}; {found} is installed.", _INSTALL
        )
