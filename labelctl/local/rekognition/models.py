"""The two plain values that pass between whoever looks at a picture and whoever answers."""

from __future__ import annotations

from dataclasses import dataclass

from labelctl.local.rekognition.taxonomy import LabelInfo


@dataclass(frozen=True)
class Box:
    """A rectangle, as ratios (0 to 1) of the upright picture's width and height."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def between(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """The box of two corners, cut off at the picture's edges."""
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in (left, top, right, bottom))
        return cls(left, top, max(right - left, 0.0), max(bottom - top, 0.0))


@dataclass(frozen=True)
class Finding:
    """One thing seen: what it means, how sure (percent), and where, when that is known."""

    label: LabelInfo
    confidence: float
    box: Box | None = None
