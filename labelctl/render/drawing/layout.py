"""Placing name tags on a picture: next to their boxes, hiding little, without overlaps.

Geometry in pixels only: it knows neither pictures nor labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

_RANK_COST = 0.05
"""Cost of taking the next place in the order of preference, as the share of a box (0 to 1) it hides."""

_MAX_CANDIDATES = 24  # free places compared if none next to the box is free


class Rect(NamedTuple):
    """A rectangle of pixels; `right` and `bottom` are exclusive."""

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

    def intersection(self, other: Rect) -> Rect:
        """The intersection; its area is 0 if there is none."""
        return Rect(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def grown(self, by: int) -> Rect:
        """The rectangle extended by this many pixels on each side (or reduced, if negative)."""
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def distance(self, other: Rect) -> int:
        """Pixels between the two; 0 if they touch."""
        across = max(self.left - other.right, other.left - self.right, 0)
        down = max(self.top - other.bottom, other.top - self.bottom, 0)
        return across + down


def place(
    boxes: Sequence[Rect],
    sizes: Sequence[tuple[int, int]],
    within: Rect,
    gap: int = 0,
    max_share: float = 1.0,
) -> list[Rect | None]:
    """The rectangle of each box's tag; `sizes` are the tags' widths and heights.

    Boxes are served in order. A tag is placed next to its box, or else in the nearest free place, at
    least `gap` pixels from all others. The result is None for a tag if there is no room, or if the tags
    would cover more than `max_share` (0 to 1) of `within`. Takes O(n³) steps for n tags.
    """
    placed: list[Rect] = []
    places: list[Rect | None] = []
    area_left = max_share * within.area
    for box, (width, height) in zip(boxes, sizes, strict=True):
        found = None
        if width * height <= area_left:
            beside = list(_beside(box, width, height, within))
            free = [(rank, tag) for rank, tag in enumerate(beside) if _is_free(tag, placed, gap)]
            if free:
                _, found = min(
                    free, key=lambda each: each[0] * _RANK_COST + _hidden(each[1], boxes)
                )
            else:
                found = _nearby(box, width, height, within, placed, gap, boxes)
        if found:
            placed.append(found)
            area_left -= found.area
        places.append(found)
    return places


def _beside(box: Rect, width: int, height: int, within: Rect) -> Iterator[Rect]:
    """Places that touch a box, preferred ones first, shifted to stay inside `within`."""
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
        if tag.intersection(within) == tag:
            yield tag


def _is_free(tag: Rect, placed: Sequence[Rect], gap: int) -> bool:
    area = tag.grown(gap)
    return not any(
        area.left < each.right
        and each.left < area.right
        and area.top < each.bottom
        and each.top < area.bottom
        for each in placed
    )


def _hidden(tag: Rect, boxes: Sequence[Rect]) -> float:
    """The sum of the shares of all boxes that the tag hides."""
    return sum(tag.intersection(box).area / max(box.area, 1) for box in boxes)


def _nearby(
    box: Rect,
    width: int,
    height: int,
    within: Rect,
    placed: Sequence[Rect],
    gap: int,
    boxes: Sequence[Rect],
) -> Rect | None:
    """A free place near a box: among the nearest, the one that hides least.

    It is enough to try places that touch an edge or another tag in both directions: any free place can
    be pushed left and up until it does.
    """
    xs = {within.left, within.right - width, box.left, box.right, box.left - width}
    xs |= {each.right + gap for each in placed} | {each.left - gap - width for each in placed}
    ys = {within.top, within.bottom - height, box.top, box.bottom, box.top - height}
    ys |= {each.bottom + gap for each in placed} | {each.top - gap - height for each in placed}
    tags = [
        Rect(x, y, x + width, y + height)
        for x in xs
        if within.left <= x <= within.right - width
        for y in ys
        if within.top <= y <= within.bottom - height
    ]
    tags.sort(key=lambda tag: (tag.distance(box), tag))
    free = islice((tag for tag in tags if _is_free(tag, placed, gap)), _MAX_CANDIDATES)
    return min(free, key=lambda tag: tag.distance(box) + height * _hidden(tag, boxes), default=None)
