"""A finding and its box: the values that detectors return."""

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
        """The box between two corners, clipped to the picture."""
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in (left, top, right, bottom))
        return cls(left, top, max(right - left, 0.0), max(bottom - top, 0.0))


@dataclass(frozen=True)
class Finding:
    """Something detected: its label, the confidence in percent, and its box if known."""

    label: LabelInfo
    confidence: float
    box: Box | None = None
