"""Photos as files in the working folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

Folder = Callable[..., Path]


def jpeg(shade: int = 0, size: int = 80) -> bytes:
    """A small photo."""
    file = io.BytesIO()
    Image.new("L", (size, size), shade).save(file, "JPEG")
    return file.getvalue()


def folder_maker(root: Path) -> Folder:
    """Creates different photos with given names in `root`, and returns it."""

    def make(*names: str) -> Path:
        for number, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number))
        return root

    return make
