"""Files that labelctl itself made, which `upload` of a folder passes over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labelctl.photos.validation import open_at_once

GALLERY_MARKER = ".labelctl-gallery"
"""The file that marks the folder of a gallery."""

DRAWING_MARK = "Drawn by labelctl show"
"""What `labelctl show` writes into its drawings, near their beginning."""

_BEGINNING = 4096


def is_drawing(path: Path) -> bool:
    """Whether `labelctl show` drew it: no photo to find labels for."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return is_file and DRAWING_MARK.encode() in file.read(_BEGINNING)
    except OSError:
        return False
