"""Looking at a file before it is sent: is it a picture that Rekognition takes?

By its first bytes and its size, never by its name; with the standard library only. The rules are
Rekognition's [Guidelines and quotas]: JPEG or PNG, at most 15 MB, 80 to 10,000 pixels a side. What
passes here may still turn out damaged when it is decoded; that is the function's to record.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from labelctl.contract.s3_events import MAX_BYTES, MAX_SIDE, MIN_SIDE

JPEG = "image/jpeg"
PNG = "image/png"

_PICTURES = ".jpg .jpeg .jpe .jfif .png .gif .webp .heic .heif .avif .bmp .tif .tiff .jxl .jp2"
PICTURE_SUFFIXES = frozenset(_PICTURES.split())
"""Names that claim to be pictures: such a file in a folder is not passed over in silence."""

_OTHERS = {  # what a file begins with, as regular expressions over its first bytes
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
    """A file that is not sent; the message is a sentence that says why."""


@dataclass(frozen=True)
class Photo:
    """A file that was read and found fit: its bytes, media type and size in pixels."""

    path: Path
    content: bytes
    media_type: str
    width: int
    height: int


def looks_like_a_picture(path: Path) -> bool:
    """Whether a file in a folder is meant to be a photo: by its name or by its first bytes."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return True
    try:
        with open(path, "rb", opener=open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.startswith((b"\xff\xd8\xff", _PNG_SIGNATURE))


def read(path: Path) -> Photo:
    """Read a file whole and check it. Raises PhotoRefusedError."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise PhotoRefusedError("It is not a file.")
            if facts.st_size > MAX_BYTES:
                raise PhotoRefusedError(
                    f"It is too large: {facts.st_size / 1024 / 1024:.1f} MB, at most 15 MB."
                )
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoRefusedError(_in_words(error)) from error
    if len(content) > MAX_BYTES:
        raise PhotoRefusedError("It is too large: it grew past 15 MB while it was read.")
    media_type, width, height = _measure(content)
    if min(width, height) < MIN_SIDE:
        raise PhotoRefusedError(
            f"It is too small: {width} x {height} pixels, at least {MIN_SIDE} a side."
        )
    if max(width, height) > MAX_SIDE:
        raise PhotoRefusedError(
            f"It is too large: {width} x {height} pixels, at most {MAX_SIDE:,} a side."
        )
    return Photo(path, content, media_type, width, height)


def open_at_once(path: str, flags: int) -> int:
    """Opens a file as `open`'s opener. A named pipe without a writer would make it wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _in_words(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such file or folder."
    if isinstance(error, IsADirectoryError):
        return "It is a folder."
    if isinstance(error, PermissionError):
        return "You may not read it."
    return f"It cannot be read: {error.strerror or error}."


def _measure(content: bytes) -> tuple[str, int, int]:
    """The media type, width and height in pixels. Raises PhotoRefusedError."""
    if not content:
        raise PhotoRefusedError("It is empty.")
    if content.startswith(_PNG_SIGNATURE):
        return (PNG, *_png_size(content))
    if content.startswith(b"\xff\xd8\xff"):
        return (JPEG, *_jpeg_size(content))
    for name, beginning in _OTHERS.items():
        if re.match(beginning, content[:_HEAD], re.DOTALL):
            raise PhotoRefusedError(f"It is a {name}; only JPEG and PNG can be labelled.")
    raise PhotoRefusedError("It is not a JPEG or PNG picture.")


def _png_size(content: bytes) -> tuple[int, int]:
    if len(content) < 24 or content[12:16] != b"IHDR" or b"IEND" not in content[24:]:
        raise PhotoRefusedError("It is cut off: a PNG without its end.")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header (SOFn) and on to the scan. [ITU-T T.81, B.2]"""
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
        if marker == 0xDA:  # the scan begins; within it only the true end is FF D9
            if size and content.find(b"\xff\xd9", at) >= 0:
                return size
            break
    raise PhotoRefusedError("It is cut off or damaged: a JPEG without its end.")


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
