"""One answer from several networks and the face cascade: nothing is counted twice.

Labels that two of them found become one when the answer is written (answer.py): at the higher
confidence, with all boxes. Two cases need more thought:

- A person seen twice: by a network as a whole, and by the cascade as a head.
- An animal of a kind that the detector does not know. It knows ten, and calls a cheetah a bird with
  a confidence of 99 %. Where the classifier, which knows 400 kinds, is sure of another one, the
  detector's box stays, but only as that of an animal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.taxonomy import PERSON, LabelInfo, label_info

_MIN_INSIDE = 0.5
"""The share of a head's area from which on it belongs to the person whose box it lies in."""

_SURE = 70.0
"""The confidence, in percent, from which on the classifier is believed against the detector."""

_ANIMAL = label_info("Animal")


def merge(seen: Sequence[Finding], faces: Iterable[Finding]) -> list[Finding]:
    """What networks have `seen`, corrected as above, and the `faces` that `Detectors.find_faces` found."""
    sure = [
        finding.label
        for finding in seen
        if finding.box is None and finding.confidence >= _SURE and _is_animal(finding.label)
    ]
    people = [finding.box for finding in seen if finding.label == PERSON and finding.box]
    return [
        *(_without_wrong_kind(finding, sure) for finding in seen),
        *(_without_double(face, people) for face in faces),
    ]


def _without_wrong_kind(finding: Finding, sure: Sequence[LabelInfo]) -> Finding:
    kind = finding.label
    if finding.box is None or not _is_animal(kind):
        return finding
    other = any(not _are_kin(kind, label) for label in sure)
    return replace(finding, label=_ANIMAL) if other else finding


def _is_animal(label: LabelInfo) -> bool:
    return _ANIMAL.name in label.parents


def _are_kin(one: LabelInfo, other: LabelInfo) -> bool:
    """Whether they are the same or one is a kind of the other."""
    return one == other or one.name in other.parents or other.name in one.parents


def _without_double(face: Finding, people: Sequence[Box]) -> Finding:
    """`face`, or if it is the Person of a head within a whole person's box, the same without a box."""
    head = face.box
    if face.label != PERSON or head is None:
        return face
    known = any(_share_inside(head, person) >= _MIN_INSIDE for person in people)
    return replace(face, box=None) if known else face


def _share_inside(inner: Box, outer: Box) -> float:
    """The share (0 to 1) of `inner`'s area that lies in `outer`."""
    width = min(inner.left + inner.width, outer.left + outer.width) - max(inner.left, outer.left)
    height = min(inner.top + inner.height, outer.top + outer.height) - max(inner.top, outer.top)
    area = inner.width * inner.height
    return max(width, 0.0) * max(height, 0.0) / area if area else 0.0
