"""Where names go on a picture: beside their boxes, hiding little, and never one over another.

Plain geometry in pixels: it knows neither pictures nor labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

_RANK = 0.05
"""How much of a box (0 to 1) a tag may rather hide than go to the next place in the order."""

_CHOICE = 24  # free places that are weighed up where none beside the box is free


class Rect(NamedTuple):
    """A rectangle of pixels; `right` and `bottom` are the first that do not belong to it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return max(self.width, 0) * max(self.height, 0)

    def shared(self, other: Rect) -> Rect:
        """What lies in both; its area is 0 where nothing does."""
        return Rect(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def grown(self, by: int) -> Rect:
        """The same with so many pixels more (or less) on each side."""
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def far(self, other: Rect) -> int:
        """Pixels between the two; 0 where they touch."""
        across = max(self.left - other.right, other.left - self.right, 0)
        down = max(self.top - other.bottom, other.top - self.bottom, 0)
        return across + down


def place(
    boxes: Sequence[Rect],
    sizes: Sequence[tuple[int, int]],
    within: Rect,
    gap: int = 0,
    most: float = 1.0,
) -> list[Rect | None]:
    """Where the tag of each box goes; `sizes` are the tags' widths and heights.

    Earlier ones choose first. A tag goes to its box, else to the nearest free place that there is,
    `gap` pixels from all others. None: there is no room left, or the tags take up the share `most` of
    what they may lie `within` already. Of n tags it takes up to n³ steps, each of them short.
    """
    placed: list[Rect] = []
    places: list[Rect | None] = []
    left = most * within.area
    for box, (width, height) in zip(boxes, sizes, strict=True):
        found = None
        if width * height <= left:
            beside = list(_beside(box, width, height, within))
            free = [(rank, tag) for rank, tag in enumerate(beside) if _free(tag, placed, gap)]
            if free:
                _, found = min(free, key=lambda each: each[0] * _RANK + _hidden(each[1], boxes))
            else:
                found = _near(box, width, height, within, placed, gap, boxes)
        if found:
            placed.append(found)
            left -= found.area
        places.append(found)
    return places


def _beside(box: Rect, width: int, height: int, within: Rect) -> Iterator[Rect]:
    """The places that touch a box, the usual ones first; near an edge they are moved along it."""
    above, below = box.top - height, box.bottom
    at_left, at_right = box.left, box.right - width
    corners = (
        *((at_left, above), (at_left, box.top), (at_left, below), (at_right, above)),
        *((at_left, box.bottom - height), (at_right, below), (at_right, box.top)),
        *((at_right, box.bottom - height), (box.right, box.top), (box.left - width, box.top)),
    )
    for x, y in corners:
        left = min(max(x, within.left), within.right - width)
        top = min(max(y, within.top), within.bottom - height)
        tag = Rect(left, top, left + width, top + height)
        if tag.shared(within) == tag:
            yield tag


def _free(tag: Rect, placed: Sequence[Rect], gap: int) -> bool:
    wide = tag.grown(gap)
    return not any(
        wide.left < each.right
        and each.left < wide.right
        and wide.top < each.bottom
        and each.top < wide.bottom
        for each in placed
    )


def _hidden(tag: Rect, boxes: Sequence[Rect]) -> float:
    """How much of the boxes lies under a tag, each counted as 1."""
    return sum(tag.shared(box).area / max(box.area, 1) for box in boxes)


def _near(
    box: Rect,
    width: int,
    height: int,
    within: Rect,
    placed: Sequence[Rect],
    gap: int,
    boxes: Sequence[Rect],
) -> Rect | None:
    """A free place near a box: of the nearest some that there are, one that hides little.

    If there is any, then there is one at an edge or another tag in both directions (push it left and
    up until it stops), so that it is enough to look at those.
    """
    across = {within.left, within.right - width, box.left, box.right, box.left - width}
    across |= {each.right + gap for each in placed} | {each.left - gap - width for each in placed}
    down = {within.top, within.bottom - height, box.top, box.bottom, box.top - height}
    down |= {each.bottom + gap for each in placed} | {each.top - gap - height for each in placed}
    tags = [
        Rect(x, y, x + width, y + height)
        for x in across
        if within.left <= x <= within.right - width
        for y in down
        if within.top <= y <= within.bottom - height
    ]
    tags.sort(key=lambda tag: (tag.far(box), tag))
    free = islice((tag for tag in tags if _free(tag, placed, gap)), _CHOICE)
    return min(free, key=lambda tag: tag.far(box) + height * _hidden(tag, boxes), default=None)
