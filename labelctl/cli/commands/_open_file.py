"""Opening a file on the user's desktop, as --open does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from labelctl.cli.session import Session

_LONGEST = 2.0  # seconds to wait for a refusal; what runs longer is the program that shows it


def open_file(session: Session, path: Path) -> None:
    """Hand a file to the program that shows such files; where there is none, say so."""
    path = path.absolute()
    if sys.platform == "win32":
        os.startfile(path)
        return
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        started = subprocess.Popen(
            [opener, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        failed = started.wait(_LONGEST) != 0
    except subprocess.TimeoutExpired:
        failed = False
    except OSError:
        failed = True
    if failed:
        session.view.warn(f"Nothing on this machine opens {path}: {opener} would not.")
