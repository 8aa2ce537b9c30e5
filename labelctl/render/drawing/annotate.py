"""Drawing a photo's labels: boxes with names on the photo, other labels in a strip below it.

Texts never overlap: names without a free place go into the strip. This module decides what is drawn,
`layout` where, `palette` in which colour, and `canvas` how it looks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labelctl.render.drawing import palette
from labelctl.render.drawing.canvas import CHIP, GROUND, Canvas
from labelctl.render.drawing.layout import Rect, place

if TYPE_CHECKING:
    from PIL import Image

    from labelctl.labels.results import Box, Label
    from labelctl.render.drawing.canvas import Text
    from labelctl.render.drawing.palette import Color

_MIN_WIDTH = 480
"""Minimum width of the canvas in pixels, so that names fit; its minimum height is a third of this."""
_MIN_SIDE = 640
"""Photos whose longest side is shorter are enlarged to this many pixels, so that names are legible."""
_SAME_BOX = 0.9
"""Boxes that overlap by at least this share (intersection over union) are drawn as one: Person, Adult
and Man of the same person."""
_TAG_AREA = 0.15
"""Maximum share of the photo that name tags may cover."""


@dataclass(frozen=True)
class Annotation:
    """A box with the names of its labels, most confident first, and the colour of the first."""

    names: tuple[str, ...]
    confidence: float
    box: Box
    color: Color


def merged_boxes(labels: Sequence[Label]) -> list[Annotation]:
    """The boxes of the labels (given most confident first), with equal boxes merged."""
    colors = palette.assign([label.name for label in labels if label.boxes])
    found: list[Annotation] = []
    for label in labels:
        for box in label.boxes:
            for number, each in enumerate(found):
                if label.name not in each.names and _overlap(each.box, box) >= _SAME_BOX:
                    found[number] = replace(each, names=(*each.names, label.name))
                    break
            else:
                color = palette.PALETTE[colors[label.name]]
                found.append(Annotation((label.name,), box.confidence, box, color))
    return found


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(width, 0) * max(height, 0)
    union = one.width * one.height + other.width * other.height - shared
    return shared / union if union > 0 else 0


def frame(box: Box, picture: Rect, min_size: int = 1) -> Rect:
    """A box's rectangle in pixels, clipped to the picture, at least `min_size` wide and high."""
    left = picture.left + round(box.left * picture.width)
    top = picture.top + round(box.top * picture.height)
    right = picture.left + round((box.left + box.width) * picture.width)
    bottom = picture.top + round((box.top + box.height) * picture.height)
    left, right = _clipped(left, right, picture.left, picture.right, min_size)
    top, bottom = _clipped(top, bottom, picture.top, picture.bottom, min_size)
    return Rect(left, top, right, bottom)


def _clipped(start: int, end: int, first: int, last: int, min_size: int) -> tuple[int, int]:
    start, end = max(start, first), min(end, last)
    if end - start < min_size:
        start = max(min((start + end - min_size) // 2, last - min_size), first)
        end = min(start + min_size, last)
    return start, end


def legend(labels: Sequence[Label]) -> list[tuple[str, float, Color]]:
    """The legend of an outline drawing: (names, highest confidence, colour) of each kind of box."""
    by_names: dict[tuple[str, ...], Annotation] = {}
    for each in merged_boxes(labels):
        by_names.setdefault(each.names, each)
    return [(", ".join(names), each.confidence, each.color) for names, each in by_names.items()]


def scale_to_fit(picture: Image.Image, room: tuple[int, int]) -> Image.Image:
    """Scale the picture to fit into `room` (width, height), keeping its aspect ratio."""
    from PIL import Image

    factor = min(room[0] / picture.width, room[1] / picture.height)
    width, height = (max(round(side * factor), 1) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def draw_outlines(picture: Image.Image, labels: Sequence[Label]) -> Image.Image:
    """Draw one-pixel outlines without names, for displays too coarse for text."""
    from PIL import ImageDraw

    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    whole = Rect(0, 0, *picture.size)
    for each in merged_boxes(labels)[::-1]:  # the most confident on top
        left, top, right, bottom = frame(each.box, whole)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=each.color)
    return drawn


def draw(picture: Image.Image, labels: Sequence[Label], note: str = "") -> Image.Image:
    """Draw the labels (given most confident first), and a `note`, such as why there are none.

    Boxes are ratios of the picture. A small picture is enlarged. Labels without a box go into a strip
    below it.
    """
    background, picture_rect = _background(picture)
    canvas = Canvas(background)
    found = merged_boxes(labels)
    frames = [frame(each.box, picture_rect, 3 * canvas.stroke) for each in found]
    texts = [canvas.shortened(each.names, _percent(each.confidence)) for each in found]
    sizes = [canvas.chip_size(text) for text in texts]
    tags = place(
        frames, sizes, Rect(0, 0, *background.size), gap=canvas.stroke, max_share=_TAG_AREA
    )
    drawn = list(zip(found, frames, texts, tags, strict=True))
    for each, box, _, _ in sorted(drawn, key=lambda row: -row[1].area):  # small boxes on top
        canvas.frame(box, each.color)
    for each, box, _, tag in drawn:
        if tag and tag.distance(box):
            canvas.leader(tag, box, each.color)
    for each, _, text, tag in drawn:
        if tag:
            canvas.chip(tag, text, each.color)
    named = {each.names for each, _, _, tag in drawn if tag}
    untagged = _grouped([each for each, _, _, tag in drawn if not tag], named)
    others = [((name.name, _percent(name.confidence)), CHIP) for name in labels if not name.boxes]
    return canvas.with_strip([*untagged, *others], note)


def _grouped(
    hidden: Sequence[Annotation], named: Collection[tuple[str, ...]]
) -> list[tuple[Text, Color]]:
    """One chip for all hidden boxes with the same names; `named` are names that also have a tag."""
    by_names: dict[tuple[str, ...], list[Annotation]] = {}
    for each in hidden:
        by_names.setdefault(each.names, []).append(each)
    return [
        (_counted(names, same, names in named), same[0].color) for names, same in by_names.items()
    ]


def _counted(names: tuple[str, ...], same: Sequence[Annotation], more: bool) -> Text:
    name = ", ".join(names)
    if more:
        return f"{name}:", f"{len(same):,} more {'box' if len(same) == 1 else 'boxes'}"
    if len(same) == 1:
        return name, _percent(same[0].confidence)
    return f"{name}:", f"{len(same):,} boxes"


def _percent(confidence: float) -> str:
    return f"{confidence:.0f} %"


def _background(picture: Image.Image) -> tuple[Image.Image, Rect]:
    """The image to draw on, and the rectangle of the picture on it."""
    from PIL import Image

    if max(picture.size) < _MIN_SIDE:
        picture = scale_to_fit(picture, (_MIN_SIDE, _MIN_SIDE))
    width, height = max(picture.width, _MIN_WIDTH), max(picture.height, _MIN_WIDTH // 3)
    left, top = (width - picture.width) // 2, (height - picture.height) // 2
    canvas = Image.new("RGB", (width, height), GROUND)
    canvas.paste(picture, (left, top))
    return canvas, Rect(left, top, left + picture.width, top + picture.height)
