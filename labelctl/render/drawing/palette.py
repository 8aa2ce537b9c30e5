"""The colours of labels: of their boxes, and of text on them.

A label has the same colour in every photo, in `labelctl show` and in the gallery, unless a more
confident label of the photo uses it already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

from labelctl.contract.schema import label_of

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

PALETTE: tuple[Color, ...] = (
    *((255, 107, 107), (51, 154, 240), (252, 196, 25), (81, 207, 102), (204, 93, 232)),
    *((255, 146, 43), (34, 184, 207), (240, 101, 149), (148, 216, 45), (151, 117, 250)),
    *((32, 201, 151), (116, 143, 252)),
)
"""Hues of equal brightness from Open Color, ordered so that neighbours differ most."""

INK: Color = (16, 17, 20)
PAPER: Color = (255, 255, 255)


def assign(names: Sequence[str]) -> dict[str, int]:
    """The position in PALETTE for each label of a photo, given most confident first.

    It is the label's usual one, or the next of those used least.
    """
    assigned: dict[str, int] = {}
    for name in names:
        first = crc32(label_of(name).encode("utf-8", "surrogatepass")) % len(PALETTE)
        uses = Counter(assigned.values())
        order = [*range(first, len(PALETTE)), *range(first)]
        assigned[name] = min(order, key=lambda position: uses[position])
    return assigned


def css_colors() -> list[list[str]]:
    """Each colour of PALETTE with that of text on it, as CSS: ["#ff6b6b", "#101114"]."""
    return [[_css(fill), _css(readable_on(fill))] for fill in PALETTE]


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def readable_on(fill: Color) -> Color:
    """Black or white, whichever has more contrast to `fill`."""
    return max((INK, PAPER), key=lambda ink: contrast(ink, fill))


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colours, 1 to 21. [WCAG 2.2, definition of contrast ratio]"""
    luminances = sorted((_luminance(one), _luminance(other)))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance. [WCAG 2.2, definition]"""
    red, green, blue = (
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
