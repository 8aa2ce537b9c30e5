"""Checking before the upload whether Rekognition accepts a file.

The rules are Rekognition's [Guidelines and quotas]: JPEG or PNG, at most 15 MB, 80 to 10,000 pixels
per side. Only the content counts, not the file name. Pillow reads the header, except for usual JPEGs,
whose header is simple. The image is only decoded if its end marker is missing, so damage inside it is
found later, by Rekognition.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock

from labelctl import image_file
from labelctl.contract.s3_events import MAX_BYTES, MAX_SIDE, MIN_SIDE

JPEG = "image/jpeg"
PNG = "image/png"

_SUFFIXES = ".jpg .jpeg .jpe .jfif .png .gif .webp .heic .heif .avif .bmp .tif .tiff .jxl .jp2"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Image suffixes. A file in a folder with one of these is never skipped silently."""

_UNSUPPORTED = {  # regular expressions for the first bytes of a file
    "GIF": rb"GIF8",
    "WebP": rb"RIFF....WEBP",
    "HEIC": rb"....ftyp(hei[cxms]|hev[cm]|m[is]f1)",
    "AVIF": rb"....ftypavi[fs]",
    "TIFF": rb"II\*\0|MM\0\*",
    "BMP": rb"BM....\0\0\0\0",
    "PDF": rb"%PDF-",
    "JPEG XL": rb"\xff\x0a|....JXL ",
}
_HEAD = 16
_one_decoder = Lock()  # the largest PNG takes 400 MB


class PhotoRefusedError(Exception):
    """A file cannot be uploaded; the message is a sentence that says why."""


@dataclass(frozen=True)
class PhotoFile:
    """A valid photo: its bytes, media type, and size in pixels."""

    path: Path
    content: bytes
    media_type: str
    width: int
    height: int


def looks_like_image(path: Path) -> bool:
    """Return whether a file in a folder is an image, by its suffix or by its first bytes."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            head = file.read(_HEAD)
    except OSError:
        return False
    return image_file.is_jpeg(head) or image_file.is_png(head)


def read(path: Path) -> PhotoFile:
    """Read a file and validate it. Raises PhotoRefusedError."""
    try:
        with open(path, "rb", buffering=0, opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoRefusedError("It is not a file.")
            if status.st_size > MAX_BYTES:
                raise PhotoRefusedError(
                    f"It is too large: {status.st_size / 1024 / 1024:.1f} MB (maximum 15 MB)."
                )
            content = _read(file, status.st_size)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise PhotoRefusedError(_describe(error)) from error
    if (after.st_size, after.st_mtime_ns) != (len(content), status.st_mtime_ns):
        raise PhotoRefusedError("It changed while being read. Upload it again.")
    media_type, width, height = _measure(content)
    if min(width, height) < MIN_SIDE:
        raise PhotoRefusedError(
            f"It is too small: {width} x {height} pixels (minimum {MIN_SIDE} per side)."
        )
    if max(width, height) > MAX_SIDE:
        raise PhotoRefusedError(
            f"It is too large: {width} x {height} pixels (maximum {MAX_SIDE:,} per side)."
        )
    return PhotoFile(path, content, media_type, width, height)


def _read(file: FileIO, size: int) -> bytes:
    """Read a file up to this size. Usually takes a single read, but file systems may return less."""
    content = file.read(size)
    while len(content) < size and (more := file.read(size - len(content))):
        content += more
    return content


def open_nonblocking(path: str, flags: int) -> int:
    """An opener for `open` that does not block on a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _describe(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "No such file or folder."
    if isinstance(error, IsADirectoryError):
        return "It is a folder."
    if isinstance(error, PermissionError):
        return "You do not have permission to read it."
    if error.errno == errno.ENXIO:  # a socket
        return "It is not a file."
    return f"It cannot be read: {error.strerror or error}."


def _measure(content: bytes) -> tuple[str, int, int]:
    """Return the media type, width and height in pixels. Raises PhotoRefusedError."""
    if not content:
        raise PhotoRefusedError("It is empty.")
    if image_file.is_jpeg(content) and (size := image_file.size_of_usual_jpeg(content)):
        return JPEG, *size
    if image_file.is_png(content) or image_file.is_jpeg(content):
        return _read_header(content)
    for name, pattern in _UNSUPPORTED.items():
        if re.match(pattern, content[:_HEAD], re.DOTALL):
            raise PhotoRefusedError(f"{name} is not supported. Convert it to JPEG or PNG.")
    raise PhotoRefusedError("It is not a JPEG or PNG image.")


def _read_header(content: bytes) -> tuple[str, int, int]:
    name, media_type = ("PNG", PNG) if image_file.is_png(content) else ("JPEG", JPEG)
    try:
        image = image_file.open_image(content)
    except image_file.UnreadableImageError as error:
        raise PhotoRefusedError(
            f"It is incomplete, damaged or an unusual kind of {name}: its header cannot be read."
        ) from error
    width, height = image.size
    if max(width, height) <= MAX_SIDE and not image_file.has_end(image) and not _decodes(content):
        raise PhotoRefusedError(f"It is incomplete or damaged: the end of the {name} is missing.")
    return media_type, width, height


def _decodes(content: bytes) -> bool:
    """Whether a picture without an end marker is complete. Some phones write such photos."""
    try:
        # An interrupted download may end with zeros, which the decoder would take for pixels.
        image = image_file.open_image(content.rstrip(b"\0"))
        if image.info.get("progressive"):
            return False  # the decoder needs the marker, and a hostile file could take hours
        with _one_decoder:
            image.draft(None, (1, 1))  # a JPEG at an eighth of its size
            image.load()
    except Exception:  # Pillow raises a dozen types
        return False
    return True
