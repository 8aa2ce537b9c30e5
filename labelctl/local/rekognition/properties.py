"""The image properties of DetectLabels: quality and dominant colours.

As in the real service, every pixel is mapped to the nearest CSS colour, and only colours that cover at
least a tenth of the picture are listed. The service's formulas for brightness, sharpness and contrast
are not published. Here they are the mean, the spread of the Laplacian and the standard deviation, on
the same scale of 0 to 100; the values are not comparable with the service's. The foreground is the
area of all boxes; without boxes, neither foreground nor background is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

from labelctl.local.rekognition.colors import CSS_COLORS, SIMPLIFIED, Pixels, sample, shares
from labelctl.local.rekognition.models import Box

Mask = npt.NDArray[np.bool_]

_QUALITY_SIDE = 640
_MIN_SHARE = 0.10
_HALF_SHARP = 15.0
"""The standard deviation of the Laplacian, in grey levels, for a sharpness of 50: a heuristic."""


def image_properties(picture: Image.Image, boxes: Iterable[Box], max_colors: int) -> dict[str, Any]:
    """The response's `ImageProperties` of an RGB `picture`; at most `max_colors` colours per list."""
    small = picture.convert("L")
    small.thumbnail((_QUALITY_SIDE, _QUALITY_SIDE))
    gray = np.asarray(small, dtype=np.float32)
    edges = _laplacian(gray)
    colors = sample(picture)
    properties: dict[str, Any] = {
        "Quality": _quality(gray, edges) | {"Contrast": _percent(gray.std() / 127.5)},
        "DominantColors": _dominant_colors(colors, max_colors),
    }
    boxes = tuple(boxes)
    tones_in, colors_in = _mask(gray.shape, boxes), _mask(colors.shape, boxes)
    if all(mask.any() and not mask.all() for mask in (tones_in, colors_in)):
        for name, inside in (("Foreground", True), ("Background", False)):
            there = tones_in == inside
            properties[name] = {
                "Quality": _quality(gray[there], edges[there]),
                "DominantColors": _dominant_colors(colors[colors_in == inside], max_colors),
            }
    return properties


def _dominant_colors(pixels: Pixels, limit: int) -> list[dict[str, Any]]:
    every = shares(pixels, CSS_COLORS)
    large = [(css, share) for css, share in every if share >= _MIN_SHARE] or every[:1]
    return [_color(css, share) for css, share in large[:limit]]


def _color(css: str, share: float) -> dict[str, Any]:
    red, green, blue = ImageColor.getrgb(css)[:3]
    return {
        "Red": red,
        "Green": green,
        "Blue": blue,
        "HexCode": f"#{red:02x}{green:02x}{blue:02x}",
        "CSSColor": css,
        "SimplifiedColor": SIMPLIFIED[css],
        "PixelPercent": _percent(share),
    }


def _quality(tones: Pixels, edges: Pixels) -> dict[str, float]:
    spread = edges.std()
    return {
        "Brightness": _percent(tones.mean() / 255),
        "Sharpness": _percent(spread / (spread + _HALF_SHARP)),
    }


def _laplacian(gray: Pixels) -> Pixels:
    padded = np.pad(gray, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return around - 4 * gray


def _mask(shape: tuple[int, ...], boxes: Iterable[Box]) -> Mask:
    height, width = shape[:2]
    mask = np.zeros((height, width), dtype=bool)
    for box in boxes:
        top, bottom = round(box.top * height), round((box.top + box.height) * height)
        left, right = round(box.left * width), round((box.left + box.width) * width)
        mask[top:bottom, left:right] = True
    return mask


def _percent(ratio: np.floating[Any] | float) -> float:
    return round(100 * float(ratio), 4)
