"""Checking before the upload whether Rekognition accepts a file.

The rules are Rekognition's [Guidelines and quotas]: JPEG or PNG, at most 15 MB, 80 to 10,000 pixels
per side. Only the content counts, not the file name. The image is not decoded, so damage inside it
is found later, by Rekognition.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

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
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = 16


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
    return head.startswith((b"\xff\xd8\xff", _PNG_SIGNATURE))


def read(path: Path) -> PhotoFile:
    """Read a file and validate it. Raises PhotoRefusedError."""
    try:
        with open(path, "rb", opener=open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoRefusedError("It is not a file.")
            if status.st_size > MAX_BYTES:
                raise PhotoRefusedError(
                    f"It is too large: {status.st_size / 1024 / 1024:.1f} MB (maximum 15 MB)."
                )
            content = file.read(MAX_BYTES + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise PhotoRefusedError(_describe(error)) from error
    if len(content) > MAX_BYTES:
        raise PhotoRefusedError("It is too large: it grew beyond 15 MB while being read.")
    if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
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
    if content.startswith(_PNG_SIGNATURE):
        return (PNG, *_png_size(content))
    if content.startswith(b"\xff\xd8\xff"):
        return (JPEG, *_jpeg_size(content))
    for name, pattern in _UNSUPPORTED.items():
        if re.match(pattern, content[:_HEAD], re.DOTALL):
            raise PhotoRefusedError(f"{name} is not supported. Convert it to JPEG or PNG.")
    raise PhotoRefusedError("It is not a JPEG or PNG image.")


def _png_size(content: bytes) -> tuple[int, int]:
    if len(content) < 24 or content[12:16] != b"IHDR" or b"IEND" not in content[24:]:
        raise PhotoRefusedError("It is incomplete: the end of the PNG is missing.")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Read the size from the frame header (SOFn); check that the scan is complete. [ITU-T T.81, B.2]"""
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if marker in _FRAMES and at + 9 <= len(content):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            size = (width, height)
        at += 2 + length
        if marker == 0xDA:  # start of scan; FF D9 occurs only at its end
            if size and content.find(b"\xff\xd9", at) >= 0:
                return size
            break
    raise PhotoRefusedError("It is incomplete or damaged: the end of the JPEG is missing.")


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
