"""Bytes become a picture here, or a refusal in the real service's words.

This module knows file formats and limits: JPEG and PNG by content (the name is never seen), 80 to
10,000 pixels a side, read from the header before a single pixel is decoded, so that a small file
that unpacks to gigabytes costs nothing. It hands on one kind of picture only: upright, RGB, eight
bits, at most `WORKING_SIDE` pixels long. It must not know what is looked for in it.
"""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from labelctl.local.rekognition.errors import invalid_format, invalid_parameters, too_large

MIN_SIDE = 80
"""The smallest picture, in pixels a side (Rekognition's guidelines and quotas page)."""

MAX_SIDE = 10_000
"""The largest picture, in pixels a side (same page)."""

WORKING_SIDE = 1280
"""The longest side that anything is looked for in: faces need 640, models and QR codes more."""

_ENOUGH_SIDE = 960
"""The shortest that a JPEG's longer side may become while it is decoded."""

# Pillow's own guard warns and refuses by area. The check by side below comes before any decoding
# and is stricter than its error, and a legal 10,000 x 10,000 picture must not raise its warning.
Image.MAX_IMAGE_PIXELS = None


def open_picture(data: bytes) -> Image.Image:
    """The picture in `data`: RGB, EXIF-corrected, at most `WORKING_SIDE` pixels a side.

    Raises RefusalError: InvalidImageFormatException (neither JPEG nor PNG, damaged, truncated),
    InvalidParameterException (under 80 pixels a side), ImageTooLargeException (over 10,000).
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    except Exception as error:  # Pillow raises a dozen kinds for damaged headers
        raise invalid_format() from error
    if max(image.size) > MAX_SIDE:
        raise too_large()
    if min(image.size) < MIN_SIDE:
        raise invalid_parameters()
    try:
        return _flatten(_shrink(image))
    except MemoryError:
        raise  # an outage of ours, not the picture's fault
    except Exception as error:  # and as many for damaged data
        raise invalid_format() from error


def _shrink(image: Image.Image) -> Image.Image:
    """`image` at working size, before any conversion: a conversion at full size costs 400 MB."""
    upright = image.format != "PNG"  # the real service corrects the orientation of JPEG only
    _reduce(image)
    if image.mode in ("1", "P"):
        # These can only be shrunk by dropping pixels: leave enough of them for a smooth second step.
        image.thumbnail((4 * WORKING_SIDE, 4 * WORKING_SIDE))
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    # Pillow's quick first step of averaging whole pixels does not know 16 bits.
    gap = None if image.mode.startswith("I") else 2.0
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), reducing_gap=gap)
    return _upright(image) if upright else image


def _reduce(image: Image.Image) -> None:
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 of its size, which costs a fraction of the time."""
    scale = _ENOUGH_SIDE / max(image.size)
    image.draft(None, (int(image.width * scale), int(image.height * scale)))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block is no reason to refuse the photo
        return image


def _flatten(image: Image.Image) -> Image.Image:
    """Any mode as RGB: 16 bits scaled to 8 (Pillow would clip to white), alpha laid on white."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256, "F").convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")
