"""Merges the findings of several networks and the face cascade without duplicates.

protocol.py merges findings with the same label: the highest confidence and all boxes. Two cases are
handled here:

- A person is found twice: the whole person by a network, and the head by the cascade.
- The detector does not know the animal. It knows ten animals, and calls a cheetah a bird with a
  confidence of 99 %. If the classifier, which knows 400 animals, is confident of another one, the
  detector's box is kept, but with the label Animal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.taxonomy import PERSON, LabelInfo, label_info

_MIN_INSIDE = 0.5
"""Minimum share (0 to 1) of a head's area within a person's box for it to be that person's head."""

_MIN_CONFIDENCE = 70.0
"""Minimum confidence, in percent, for the classifier to overrule the detector."""

_ANIMAL = label_info("Animal")


def merge(found: Sequence[Finding], faces: Iterable[Finding]) -> list[Finding]:
    """The findings of the networks and of `Detectors.find_faces`, corrected as described above."""
    animals = [
        finding.label
        for finding in found
        if finding.box is None
        and finding.confidence >= _MIN_CONFIDENCE
        and _is_animal(finding.label)
    ]
    people = [finding.box for finding in found if finding.label == PERSON and finding.box]
    return [
        *(_without_wrong_animal(finding, animals) for finding in found),
        *(_without_duplicate_box(face, people) for face in faces),
    ]


def _without_wrong_animal(finding: Finding, animals: Sequence[LabelInfo]) -> Finding:
    kind = finding.label
    if finding.box is None or not _is_animal(kind):
        return finding
    other = any(not _are_related(kind, label) for label in animals)
    return replace(finding, label=_ANIMAL) if other else finding


def _is_animal(label: LabelInfo) -> bool:
    return _ANIMAL.name in label.parents


def _are_related(one: LabelInfo, other: LabelInfo) -> bool:
    """Whether they are equal or one is an ancestor of the other."""
    return one == other or one.name in other.parents or other.name in one.parents


def _without_duplicate_box(face: Finding, people: Sequence[Box]) -> Finding:
    """`face`, without its box if it is a Person whose box is within the box of a whole person."""
    head = face.box
    if face.label != PERSON or head is None:
        return face
    known = any(_share_inside(head, person) >= _MIN_INSIDE for person in people)
    return replace(face, box=None) if known else face


def _share_inside(inner: Box, outer: Box) -> float:
    """The share (0 to 1) of `inner`'s area that is inside `outer`."""
    width = min(inner.left + inner.width, outer.left + outer.width) - max(inner.left, outer.left)
    height = min(inner.top + inner.height, outer.top + outer.height) - max(inner.top, outer.top)
    area = inner.width * inner.height
    return max(width, 0.0) * max(height, 0.0) / area if area else 0.0
