"""Converting a picture's colours to sRGB, as browsers do.

A colour profile comes first, then the statement that a PNG is sRGB, then a PNG's gamma. [PNG, 4.3]
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_USUAL_GAMMA = 1 / 2.2
_TOLERANCE = 0.05  # a smaller difference is not visible; libpng has the same limit
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # by the colour space of the profile


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK by the profile or gamma in `image.info`; keeps transparency.

    A damaged profile, or one for another kind of picture, is ignored. A PNG's primaries (cHRM) are not
    used without a profile.
    """
    opaque = image.convert(image.mode.removesuffix("A")) if image.mode in ("LA", "RGBA") else image
    converted = _by_profile(opaque) or _by_gamma(opaque)
    if converted and opaque is not image:
        converted.putalpha(image.getchannel("A"))
    return converted or image


def _by_profile(image: Image.Image) -> Image.Image | None:
    """Convert to RGB; None if there is no suitable profile."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        mode = _MODES[source.profile.xcolor_space.strip()]
        if mode == "L" and image.mode == "RGB":
            image = image.convert("L")  # Pillow decodes 16-bit grey with transparency to RGB
        if mode != image.mode:
            return None
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (KeyError, TypeError, ImageCms.PyCMSError, OSError):  # no profile, or a damaged one
        return None


def _by_gamma(image: Image.Image) -> Image.Image | None:
    gamma = image.info.get("gamma") or _USUAL_GAMMA
    if "srgb" in image.info or abs(gamma / _USUAL_GAMMA - 1) < _TOLERANCE:
        return None
    table = [round(255 * _encoded((level / 255) ** (1 / gamma))) for level in range(256)]
    return image.point(table * len(image.getbands()))


def _encoded(light: float) -> float:
    """The sRGB value of a share of the light, both 0 to 1. [IEC 61966-2-1]"""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
