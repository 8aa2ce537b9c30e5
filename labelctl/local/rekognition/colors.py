"""Colour names: the CSS palette, its simplified groups, and the nearest name of a pixel.

It is used in two ways. The image properties map pixels to the 139 CSS colours by distance in RGB, as
the real service does (this gives its typical names, such as `darkslategrey`). The labels need the
nearest of 14 very different colours. There, distance in RGB would give grey too often, so CIELAB is
used, where distance matches perception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

Pixels = npt.NDArray[np.float32]

_SAMPLE_SIDE = 64

# The groups of the extended CSS colour names, as listed in the W3C's tutorials.
_GROUPS = {
    "black": "black",
    "blue": "aqua aquamarine blue cadetblue cornflowerblue cyan darkblue darkcyan darkturquoise "
    "deepskyblue dodgerblue lightblue lightcyan lightseagreen lightskyblue lightsteelblue "
    "mediumblue mediumturquoise midnightblue navy paleturquoise powderblue royalblue skyblue "
    "steelblue teal turquoise",
    "brown": "bisque blanchedalmond brown burlywood chocolate cornsilk darkgoldenrod goldenrod "
    "maroon navajowhite peru rosybrown saddlebrown sandybrown sienna tan wheat",
    "green": "chartreuse darkgreen darkolivegreen darkseagreen forestgreen green greenyellow "
    "lawngreen lightgreen lime limegreen mediumaquamarine mediumseagreen mediumspringgreen olive "
    "olivedrab palegreen seagreen springgreen yellowgreen",
    "grey": "darkgrey darkslategrey dimgrey gainsboro gray lightgrey lightslategrey silver "
    "slategrey",
    "orange": "coral darkorange orange orangered tomato",
    "pink": "deeppink hotpink lightpink mediumvioletred palevioletred pink",
    "purple": "blueviolet darkmagenta darkorchid darkslateblue darkviolet fuchsia indigo lavender "
    "magenta mediumorchid mediumpurple mediumslateblue orchid plum purple rebeccapurple slateblue "
    "thistle violet",
    "red": "crimson darkred darksalmon firebrick indianred lightcoral lightsalmon red salmon",
    "white": "aliceblue antiquewhite azure beige floralwhite ghostwhite honeydew ivory "
    "lavenderblush linen mintcream mistyrose oldlace seashell snow white whitesmoke",
    "yellow": "darkkhaki gold khaki lemonchiffon lightgoldenrodyellow lightyellow moccasin "
    "palegoldenrod papayawhip peachpuff yellow",
}

SIMPLIFIED = {css: simple for simple, names in _GROUPS.items() for css in names.split()}
"""The simplified colour (one of eleven) of every CSS colour name, spelled as by the service."""

# Two colours have two names ("aqua" and "cyan"); the alphabetically later one is used.
CSS_COLORS = sorted({ImageColor.getrgb(css): css for css in sorted(SIMPLIFIED)}.values())
"""One name for each of the 139 CSS colours."""


def sample(picture: Image.Image) -> Pixels:
    """The pixels of a thumbnail of an RGB picture, as rows, columns, RGB."""
    small = picture.copy()
    small.thumbnail((_SAMPLE_SIDE, _SAMPLE_SIDE))
    return np.asarray(small, dtype=np.float32)


def shares(
    pixels: Pixels, names: Sequence[str], space: Callable[[Pixels], Pixels] = lambda rgb: rgb
) -> list[tuple[str, float]]:
    """The nearest colours in `names` of all `pixels`, each with its share (0 to 1).

    The largest share comes first, ties in the order of `names`. `space` converts RGB to the
    coordinates in which distance is measured.
    """
    palette = np.array([ImageColor.getrgb(name) for name in names], dtype=np.float32)
    points = space(pixels.reshape(-1, 1, 3))
    nearest = ((points - space(palette)) ** 2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(names)) / max(len(points), 1)
    order = np.argsort(-counts, kind="stable")
    return [(names[index], float(counts[index])) for index in order if counts[index]]


def cielab(rgb: Pixels) -> Pixels:
    """sRGB (0 to 255) as CIE 1976 L*a*b* under D65; the formulas of IEC 61966-2-1 and CIE 15."""
    ratio = rgb / 255
    linear = np.where(ratio <= 0.04045, ratio / 12.92, ((ratio + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(to_xyz).T / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)
