"""Open a file on the user's desktop, for --open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from labelctl import paths
from labelctl.cli.session import Session

_TIMEOUT = 2.0
"""Seconds to wait for a failure. An opener that runs longer is showing the file itself."""


def open_file(session: Session, path: Path) -> None:
    """Open a file in its default program; print a warning where that fails."""
    path = paths.absolute(path)
    if sys.platform == "win32":
        os.startfile(path)
        return
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        process = subprocess.Popen(
            [opener, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        failed = process.wait(_TIMEOUT) != 0
    except subprocess.TimeoutExpired:
        failed = False
    except OSError:
        failed = True
    if failed:
        session.view.warn(
            f"Could not open {path} ({opener} failed).", f"Open it yourself: {path.as_uri()}"
        )
