"""A photo with what was found on it: boxes with their names, and the other labels in a strip below.

A label has its colour in every photo, unless a surer label of the same photo has it already. Texts
never lie one over another: what finds no room is told of in the strip. This module knows what goes
on the picture, `layout` where, and `brush` how it looks; none knows where photos come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from labelctl.contract.schema import label_of
from labelctl.render.drawing.canvas import CHIP, GROUND, Brush
from labelctl.render.drawing.layout import Rect, place

if TYPE_CHECKING:
    from PIL import Image

    from labelctl.labels.results import Box, Label
    from labelctl.render.drawing.canvas import Color, Text

PALETTE = (
    *((255, 107, 107), (51, 154, 240), (252, 196, 25), (81, 207, 102), (204, 93, 232)),
    *((255, 146, 43), (34, 184, 207), (240, 101, 149), (148, 216, 45), (151, 117, 250)),
    *((32, 201, 151), (116, 143, 252)),
)
"""Hues of one brightness, from Open Color, such that neighbours differ most."""

_LEAST = 480
"""A narrower (or lower) canvas is widened, as no name would fit on it."""
_SMALL = 640
"""The longest side up to which a smaller photo is blown up: on 80 pixels nothing can be read."""
_SAME = 0.9
"""Boxes that share so much of what they cover are one: Person, Adult and Man of the same person."""
_TAGS = 0.15
"""The share of the photo that tags may cover: one wants to see the photo, too."""


@dataclass(frozen=True)
class Mark:
    """A box, and what was seen in it, surest first. `color` is that of the first label."""

    names: tuple[str, ...]
    confidence: float
    box: Box
    color: Color


def marks(labels: Sequence[Label]) -> list[Mark]:
    """The boxes of the labels (surest first), those that are the same as one."""
    colors = _colors([label.name for label in labels if label.boxes])
    found: list[Mark] = []
    for label in labels:
        for box in label.boxes:
            for number, mark in enumerate(found):
                if label.name not in mark.names and _alike(mark.box, box) >= _SAME:
                    names = (*mark.names, label.name)
                    found[number] = Mark(names, mark.confidence, mark.box, mark.color)
                    break
            else:
                found.append(Mark((label.name,), box.confidence, box, colors[label.name]))
    return found


def _colors(names: Sequence[str]) -> dict[str, Color]:
    """A color for each name: its own, or the next one that fewest others have."""
    colors: dict[str, Color] = {}
    for name in names:
        home = crc32(label_of(name).encode()) % len(PALETTE)
        taken = Counter(colors.values())
        colors[name] = min([*PALETTE[home:], *PALETTE[:home]], key=lambda color: taken[color])
    return colors


def _alike(one: Box, other: Box) -> float:
    """What two boxes share of what they cover together, 0 to 1."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(across, 0) * max(down, 0)
    both = one.width * one.height + other.width * other.height - shared
    return shared / both if both > 0 else 0


def frame(box: Box, picture: Rect, least: int = 1) -> Rect:
    """Where a box lies on a picture, in pixels: within it, and at least so wide and high."""
    left = picture.left + round(box.left * picture.width)
    top = picture.top + round(box.top * picture.height)
    right = picture.left + round((box.left + box.width) * picture.width)
    bottom = picture.top + round((box.top + box.height) * picture.height)
    left, right = _kept(left, right, picture.left, picture.right, least)
    top, bottom = _kept(top, bottom, picture.top, picture.bottom, least)
    return Rect(left, top, right, bottom)


def _kept(start: int, end: int, first: int, last: int, least: int) -> tuple[int, int]:
    start, end = max(start, first), min(end, last)
    if end - start < least:
        start = max(min((start + end - least) // 2, last - least), first)
        end = min(start + least, last)
    return start, end


def legend(labels: Sequence[Label]) -> list[tuple[str, float, Color]]:
    """What the colours of a sketch mean: names, the greatest confidence, the colour."""
    told: dict[tuple[str, ...], Mark] = {}
    for mark in marks(labels):
        told.setdefault(mark.names, mark)
    return [(", ".join(names), mark.confidence, mark.color) for names, mark in told.items()]


def fitted(picture: Image.Image, room: tuple[int, int]) -> Image.Image:
    """The picture as large as there is room, its shape kept."""
    from PIL import Image

    factor = min(room[0] / picture.width, room[1] / picture.height)
    width, height = (max(round(side * factor), 1) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def sketch(picture: Image.Image, labels: Sequence[Label]) -> Image.Image:
    """The picture with bare frames, one pixel wide, where pixels are too coarse for names."""
    from PIL import ImageDraw

    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    whole = Rect(0, 0, *picture.size)
    for mark in marks(labels)[::-1]:  # the surest on top
        left, top, right, bottom = frame(mark.box, whole)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=mark.color)
    return drawn


def draw(picture: Image.Image, labels: Sequence[Label], note: str = "") -> Image.Image:
    """The picture with its labels (surest first), and a `note` such as why there are none.

    Boxes are ratios of the picture. A small picture is blown up; the strip with the labels that have
    no box is put below it.
    """
    canvas, at = _canvas(picture)
    brush = Brush(canvas)
    found = marks(labels)
    frames = [frame(mark.box, at, 3 * brush.stroke) for mark in found]
    texts = [brush.shortened(mark.names, _percent(mark.confidence)) for mark in found]
    sizes = [brush.chip_size(text) for text in texts]
    tags = place(frames, sizes, Rect(0, 0, *canvas.size), gap=brush.stroke, most=_TAGS)
    drawn = list(zip(found, frames, texts, tags, strict=True))
    for mark, box, _, _ in sorted(drawn, key=lambda each: -each[1].area):  # small ones on top
        brush.frame(box, mark.color)
    for mark, box, _, tag in drawn:
        if tag and tag.far(box):
            brush.leader(tag, box, mark.color)
    for mark, _, text, tag in drawn:
        if tag:
            brush.chip(tag, text, mark.color)
    named = {mark.names for mark, _, _, tag in drawn if tag}
    untold = _together([mark for mark, _, _, tag in drawn if not tag], named)
    others = [((name.name, _percent(name.confidence)), CHIP) for name in labels if not name.boxes]
    return brush.with_strip([*untold, *others], note)


def _together(
    hidden: Sequence[Mark], named: Collection[tuple[str, ...]]
) -> list[tuple[Text, Color]]:
    """A chip for all boxes of the same names; `named` are those of which others have a tag."""
    by_names: dict[tuple[str, ...], list[Mark]] = {}
    for mark in hidden:
        by_names.setdefault(mark.names, []).append(mark)
    return [
        (_counted(names, same, names in named), same[0].color) for names, same in by_names.items()
    ]


def _counted(names: tuple[str, ...], same: Sequence[Mark], more: bool) -> Text:
    name = ", ".join(names)
    if more:
        return f"{name}:", f"{len(same):,} more {'box' if len(same) == 1 else 'boxes'}"
    if len(same) == 1:
        return name, _percent(same[0].confidence)
    return f"{name}:", f"{len(same):,} boxes"


def _percent(confidence: float) -> str:
    return f"{confidence:.0f} %"


def _canvas(picture: Image.Image) -> tuple[Image.Image, Rect]:
    """What is drawn on, and where on it the picture lies."""
    from PIL import Image

    if max(picture.size) < _SMALL:
        picture = fitted(picture, (_SMALL, _SMALL))
    width, height = max(picture.width, _LEAST), max(picture.height, _LEAST // 3)
    left, top = (width - picture.width) // 2, (height - picture.height) // 2
    canvas = Image.new("RGB", (width, height), GROUND)
    canvas.paste(picture, (left, top))
    return canvas, Rect(left, top, left + picture.width, top + picture.height)
