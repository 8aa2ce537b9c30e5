"""A picture that was drawn becomes a file: whole or not at all, and never over a file of the user's.

What is saved carries a mark (a JPEG's comment, a PNG's text), and only a file with the mark is ever
written over: `show holiday.jpg -o holiday.jpg` must not cost anybody a photo.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from labelctl.atomic_file import atomic_write
from labelctl.errors import RefusedError, UsageError
from labelctl.photos.own_files import DRAWING_MARK

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_QUALITY = 92  # of a JPEG: above it files grow fast, and nothing more is seen
_LONGEST_STEM = 200  # bytes of a file's name; systems allow 255
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # what Windows, or a terminal, takes amiss


def target(file: Path | None, key: str, is_png: bool) -> Path:
    """Where to save: the user's choice, or KEY-labels with the photo's own kind of file.

    The whole key, as photos in different folders often have one name: a/1.jpg becomes a-1-labels.jpg.
    """
    if file and not file.is_dir():
        return file
    path = PurePosixPath(key)
    parts = [part for part in (*path.parent.parts, path.stem) if part.strip(" ./")]
    stem = _UNFIT.sub("_", "-".join(parts)).strip(" .") or "photo"
    stem = re.sub("^-", "_", stem)  # which a shell's commands would take for an option
    short = stem.encode()[-_LONGEST_STEM:].decode(errors="ignore")  # its end tells it from others
    return (file or Path()) / f"{short}-labels{'.png' if is_png else '.jpg'}"


def check(path: Path) -> None:
    """Raise UsageError or RefusedError if nothing may be saved there; a folder may be named."""
    if path.is_dir():
        return
    if path == Path("-"):
        raise UsageError(
            "A picture is not written to stdout.", "Name a file, such as -o picture.png."
        )
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f'"{path}" is no name for a picture.', "Its end tells its kind: .jpg or .png."
        )
    if not path.parent.is_dir():
        raise UsageError(f'There is no folder "{path.parent}".', "Make it first, or name another.")
    if os.path.lexists(path) and not _is_ours(path):
        raise RefusedError(
            f'"{path}" is there already, and is no picture that labelctl has drawn.',
            "Remove it first, or name another file with -o.",
        )


def save(picture: Image.Image, path: Path) -> None:
    """Save the picture under a name that `check` allows. Raises as it does, and for a full disk."""
    from PIL.PngImagePlugin import PngInfo

    check(path)
    mark = PngInfo()
    mark.add_text("Comment", DRAWING_MARK)
    with atomic_write(path) as file:
        if _SUFFIXES[path.suffix.lower()] == "PNG":
            picture.save(file.stream, "PNG", pnginfo=mark)
        else:
            # Without it coloured lines and letters have blurred edges.
            sharp = {"subsampling": "4:4:4"}
            picture.save(file.stream, "JPEG", quality=_QUALITY, comment=DRAWING_MARK, **sharp)


def _is_ours(path: Path) -> bool:
    from PIL import Image

    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            told = image.info.get("comment") or image.info.get("Comment")
    except Exception:  # Pillow raises a dozen kinds for what is no picture
        return False
    return told in (DRAWING_MARK, DRAWING_MARK.encode())
