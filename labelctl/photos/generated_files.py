"""Files created by labelctl itself, which are skipped when a folder is uploaded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labelctl.photos.validation import open_nonblocking

GALLERY_MARKER = ".labelctl-gallery"
"""The file that marks a folder as a gallery."""

DRAWING_MARK = "Drawn by labelctl show"
"""The text that `labelctl show` writes near the beginning of its drawings."""

_HEAD = 4096


def is_drawing(path: Path) -> bool:
    """Return whether a file was drawn by `labelctl show`."""
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return is_file and DRAWING_MARK.encode() in file.read(_HEAD)
    except OSError:
        return False
