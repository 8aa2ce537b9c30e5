"""Files created by labelctl itself, which are skipped when a folder is uploaded."""

from __future__ import annotations

import os
from pathlib import Path

GALLERY_MARKER = ".labelctl-gallery"
"""The file that marks a folder as a gallery."""

DRAWING_MARK = "Drawn by labelctl show"
"""The text that `labelctl show` writes near the beginning of its drawings."""

_HEAD = 4096


def is_drawing(path: Path) -> bool:
    """Return whether a file was drawn by `labelctl show`."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # it may be a named pipe
        try:
            return DRAWING_MARK.encode() in os.read(file, _HEAD)
        finally:
            os.close(file)
    except OSError:
        return False
