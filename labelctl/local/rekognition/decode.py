"""Decodes a picture, or refuses it as the real service does.

JPEG and PNG are recognised by content. The size, 80 to 10,000 pixels per side, is read from the header
before any pixel is decoded, so that a decompression bomb costs nothing. The result is always upright,
RGB, 8 bits per channel, at most `WORKING_SIDE` pixels per side. This module must not depend on the
detectors.
"""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from labelctl.local.rekognition.errors import invalid_format, invalid_parameters, too_large

MIN_SIDE = 80
"""Minimum pixels per side. [Rekognition, Guidelines and quotas]"""

MAX_SIDE = 10_000
"""Maximum pixels per side (same page)."""

WORKING_SIDE = 1280
"""Maximum pixels per side for detection. Faces need 640, models and QR codes more."""

_ENOUGH_SIDE = 960
"""Minimum pixels of a JPEG's longer side when it is decoded at reduced size."""

# Pillow's own limit on the area would warn about an allowed picture of 10,000 x 10,000 pixels. The
# check per side below, before any decoding, is stricter.
Image.MAX_IMAGE_PIXELS = None


def open_picture(data: bytes) -> Image.Image:
    """Decode `data`: RGB, rotated by EXIF, at most `WORKING_SIDE` pixels per side.

    Raises RefusalError: InvalidImageFormatException (neither JPEG nor PNG, damaged, truncated),
    InvalidParameterException (under 80 pixels per side), ImageTooLargeException (over 10,000).
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    except Exception as error:  # Pillow raises a dozen exception types for damaged headers
        raise invalid_format() from error
    if max(image.size) > MAX_SIDE:
        raise too_large()
    if min(image.size) < MIN_SIDE:
        raise invalid_parameters()
    try:
        return _flatten(_shrink(image))
    except MemoryError:
        raise  # not the picture's fault
    except Exception as error:  # and for damaged data
        raise invalid_format() from error


def _shrink(image: Image.Image) -> Image.Image:
    """`image` at working size. Converting it at full size would take 400 MB."""
    upright = image.format != "PNG"  # the real service only rotates JPEG
    _reduce(image)
    if image.mode in ("1", "P"):
        # These can only be shrunk by dropping pixels, so leave enough for the smooth second step.
        image.thumbnail((4 * WORKING_SIDE, 4 * WORKING_SIDE))
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    # Pillow's fast first step (`reducing_gap`) does not support 16 bits.
    gap = None if image.mode.startswith("I") else 2.0
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), reducing_gap=gap)
    return _upright(image) if upright else image


def _reduce(image: Image.Image) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size, which is much faster."""
    scale = _ENOUGH_SIDE / max(image.size)
    image.draft(None, (int(image.width * scale), int(image.height * scale)))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # ignore a damaged EXIF block
        return image


def _flatten(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16 bits scaled to 8 (Pillow would clip), transparency on white."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256, "F").convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")
