"""Picture files with EXIF orientations."""

from __future__ import annotations

import io

from PIL import Image

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera does to the upright picture before it writes this orientation. [EXIF 2.32, 4.6.4]"""


def file(image, kind="PNG", **more):
    written = io.BytesIO()
    image.save(written, kind, **more)
    return written.getvalue()


def turned_file(image, orientation, kind="JPEG"):
    """The file of a camera held with this orientation."""
    how = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95} if kind == "JPEG" else {}
    return file(image.transpose(how) if how is not None else image, kind, exif=exif, **quality)


def near(one, other, by=12):
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))
