"""Decodes a picture, or refuses it as the real service does.

JPEG and PNG are recognised by content. The size, 80 to 10,000 pixels per side, is read from the header
before any pixel is decoded, so that a decompression bomb costs nothing. The result is always upright,
RGB, 8 bits per channel, at most `WORKING_SIDE` pixels per side. This module must not depend on the
detectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelctl import image_file
from labelctl.local.rekognition.errors import invalid_format, invalid_parameters, too_large

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

MIN_SIDE = 80
"""Minimum pixels per side. [Rekognition, Guidelines and quotas]"""

MAX_SIDE = 10_000
"""Maximum pixels per side (same page)."""

WORKING_SIDE = 1280
"""Maximum pixels per side for detection. Faces need 640, models and QR codes more."""

_ENOUGH_SIDE = 960
"""Minimum pixels of a JPEG's longer side when it is decoded at reduced size."""


def open_picture(data: bytes) -> Image.Image:
    """Decode `data`: RGB, a JPEG rotated by its EXIF data, at most `WORKING_SIDE` pixels per side.

    Raises RefusalError: InvalidImageFormatException (neither JPEG nor PNG, damaged, truncated),
    InvalidParameterException (under 80 pixels per side), ImageTooLargeException (over 10,000).
    """
    try:
        image = image_file.open_image(data)
    except image_file.UnreadableImageError as error:
        raise invalid_format() from error
    if max(image.size) > MAX_SIDE:
        raise too_large()
    if min(image.size) < MIN_SIDE:
        raise invalid_parameters()
    try:
        _reduce(image)
        return image_file.on_white(image_file.shrink(image, WORKING_SIDE))
    except MemoryError:
        raise  # not the picture's fault
    except Exception as error:  # Pillow raises a dozen exception types for damaged data
        raise invalid_format() from error


def _reduce(image: ImageFile) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size, which is much faster."""
    scale = _ENOUGH_SIDE / max(image.size)
    image.draft(None, (int(image.width * scale), int(image.height * scale)))
