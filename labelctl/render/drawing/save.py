"""Saving a drawing to a file, written atomically, without ever overwriting a user's photo.

Saved files contain a mark (a JPEG comment or a PNG text), and only files with the mark are overwritten:
`show holiday.jpg -o holiday.jpg` must not destroy a photo.
"""

from __future__ import annotations

import hashlib
import os
import re
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from labelctl import paths
from labelctl.atomic_file import atomic_write
from labelctl.errors import RefusedError, UsageError
from labelctl.photos.generated_files import DRAWING_MARK

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_QUALITY = 92  # of a JPEG: higher values enlarge files without visible gain
_MAX_STEM = 200  # bytes of a file name without suffix; systems allow 255 in all
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # not allowed by Windows, or unsafe in terminals


def target(file: Path | None, key: str, is_png: bool) -> Path:
    """The path to save to: the user's choice, or KEY-labels in the photo's own format.

    Uses the whole key, because photos in different folders often have the same name: a/1.jpg becomes
    a-1-labels.jpg. If that is the drawing of another photo, such as a-1.jpg, a number is appended.
    """
    if file and not file.is_dir():
        return file
    path = PurePosixPath(key)
    parts = [part for part in (*path.parent.parts, path.stem) if part.strip(" ./")]
    stem = _UNSAFE.sub("_", "-".join(parts)).strip(" .") or "photo"
    stem = re.sub("^-", "_", stem)  # a leading - would look like an option
    short = stem.encode()[-_MAX_STEM:].decode(errors="ignore")  # the end differs most
    suffix = ".png" if is_png else ".jpg"
    numbers = chain([""], (f"-{number}" for number in count(2)))
    paths = ((file or Path()) / f"{short}-labels{number}{suffix}" for number in numbers)
    return next(path for path in paths if _mark_in(path) in (None, DRAWING_MARK, _mark(key)))


def check_target(path: Path) -> None:
    """Raise UsageError or RefusedError if the path cannot be saved to. Folders are allowed."""
    paths.check(path)
    if path.is_dir():
        return
    if path == Path("-"):
        raise UsageError(
            "A picture is not written to stdout.", "Name a file, such as -o picture.png."
        )
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f'Cannot save "{path}".', "Use a name that ends in .jpg or .png.")
    if not path.parent.is_dir():
        raise UsageError(
            f'There is no folder "{path.parent}".', "Create it first, or name another."
        )
    if os.path.lexists(path) and not _mark_in(path):
        raise RefusedError(
            f'"{path}" exists already and was not created by labelctl.',
            "Remove it first, or name another file with -o.",
        )


def save(picture: Image.Image, path: Path, key: str) -> None:
    """Save the drawing of a photo. Raises OSError, and UsageError or RefusedError as `check_target`."""
    from PIL.PngImagePlugin import PngInfo

    check_target(path)
    mark = PngInfo()
    mark.add_text("Comment", _mark(key))
    with atomic_write(path) as file:
        if _SUFFIXES[path.suffix.lower()] == "PNG":
            picture.save(file.stream, "PNG", pnginfo=mark)
        else:
            # With colour subsampling, coloured lines and letters would be blurred.
            sharp = {"subsampling": "4:4:4"}
            picture.save(file.stream, "JPEG", quality=_QUALITY, comment=_mark(key), **sharp)


def _mark(key: str) -> str:
    """The mark in the drawing of a photo. It has a hash of the key, which may be private."""
    return f"{DRAWING_MARK} {hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _mark_in(path: Path) -> str | None:
    """The mark in a file; None if it was not drawn by labelctl, or does not exist."""
    from PIL import Image

    if not path.is_file():  # opening a pipe would block
        return None
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            comment = image.info.get("comment") or image.info.get("Comment") or ""
        text = comment.decode() if isinstance(comment, bytes) else str(comment)
    except Exception:  # Pillow raises a dozen types for files that are not pictures
        return None
    return text if text.startswith(DRAWING_MARK) else None
