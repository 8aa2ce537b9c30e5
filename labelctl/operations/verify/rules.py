"""The rules that classify a photo by its object, its stored result, and the queues' messages.

Nothing here calls AWS.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from labelctl.contract import schema
from labelctl.photos import versions

if TYPE_CHECKING:
    from labelctl.contract.s3_events import PhotoEvent
    from labelctl.photos.versions import ObjectVersion

Kind = Literal["ok", "waiting", "missing", "stale", "orphaned", "dead_letter"]

GRACE_PERIOD = 5 * 60
"""Seconds for which a photo may have no result, whatever the queue's counts are.

S3 may send an event late, and SQS counts messages late. [S3 User Guide, Event notifications:
"typically in seconds but can sometimes take a minute or longer"; SQS API, GetQueueAttributes: counts
are right "at least 1 minute after the producers stop sending messages"]
"""


@dataclass(frozen=True)
class PhotoState:
    """A key with its object in the bucket and the photo's item (None if there is none)."""

    object: ObjectVersion
    item: Mapping[str, Any] | None

    @property
    def image(self) -> str:
        """The photo's key."""
        return self.object.key

    @property
    def has_result(self) -> bool:
        """Whether labels, or the reason for having none, are stored."""
        return self.item is not None and self.item["status"] != schema.REMOVED


@dataclass(frozen=True)
class Queues:
    """The queues' state: whether the work queue is empty, and the dead letters' events by photo.

    `overdue` is the number of seconds after which a photo without a result counts as missing even if
    the work queue is not empty.
    """

    is_empty: bool
    dead_letters: Mapping[str, Collection[PhotoEvent]]
    overdue: float


def classify(photo: PhotoState, queues: Queues, now: float) -> Kind:
    """Classify a photo; `now` is Unix time in seconds. The first row that applies decides.

    | in the bucket | stored                  | and                                     | kind        |
    |---------------|-------------------------|-----------------------------------------|-------------|
    | a photo       | a result of its version |                                         | ok          |
    | no photo      | nothing, or "removed"   |                                         | ok          |
    | any           | anything else           | a dead letter would resolve it          | dead_letter |
    | any           | anything else           | less than GRACE_PERIOD (or overdue) ago | waiting     |
    | any           | anything else           | the queue is not empty, and less than   | waiting     |
    |               |                         | `overdue` ago                           |             |
    | a photo       | nothing, or "removed"   |                                         | missing     |
    | a photo       | a result of another     |                                         | stale       |
    |               | version                 |                                         |             |
    | no photo      | a result                |                                         | orphaned    |

    If it is unknown when a photo was removed, the time of its result counts.
    """
    if agrees(photo):
        return "ok"
    if dead_letter(photo, queues):
        return "dead_letter"
    waited = max(now - _since(photo), 0.0)  # S3's clock may be ahead
    if waited < min(GRACE_PERIOD, queues.overdue):
        return "waiting"
    if not queues.is_empty and waited < queues.overdue:
        return "waiting"
    if not photo.object.exists:
        return "orphaned"
    return "stale" if photo.has_result else "missing"


def agrees(photo: PhotoState) -> bool:
    """Whether a photo has the result of its version, or a removed photo has none."""
    if not photo.object.exists:
        return not photo.has_result
    return photo.item is not None and versions.is_result_of(photo.item, photo.object)


def dead_letter(photo: PhotoState, queues: Queues) -> PhotoEvent | None:
    """The event of a dead letter that would resolve the photo's problem, if there is one."""
    known = photo.item["sequencer"] if photo.item else ""
    return next(
        (
            event
            for event in queues.dead_letters.get(photo.image, ())
            if (event.kind == "unordered" or event.sequencer > known)
            and versions.would_resolve(event, photo.object)
        ),
        None,
    )


def is_outdated(photo: PhotoState) -> bool:
    """Whether the item is newer than the object, so that the bucket must have changed since."""
    if photo.item is None:
        return False
    return photo.object.since is None or photo.object.since < _done_at(photo.item)


def _since(photo: PhotoState) -> float:
    if photo.object.since is None and photo.item:
        return _done_at(photo.item)
    return photo.object.since or 0.0


def _done_at(item: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(item["done_at"]).timestamp()
