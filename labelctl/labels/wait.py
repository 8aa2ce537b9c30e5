"""Waiting until photos are labelled or failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelctl.aws.threads import batches
from labelctl.errors import Command, WaitTimeoutError
from labelctl.labels import results
from labelctl.labels.reader import BATCH
from labelctl.labels.results import Photo
from labelctl.photos.versions import ObjectVersion
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.reader import Reader

_MIN_PAUSE, _MAX_PAUSE = 0.1, 2.0  # seconds between two reads
_PER_SECOND = 1000  # the pause grows by one second for this many remaining photos
_CHECKED_OBJECTS = 20  # photos whose objects are checked at a time when there is no progress


@dataclass(frozen=True)
class WaitResult:
    """The result of one read while waiting: the photos that are done, and the number still waiting."""

    done: list[Photo]
    waiting: int


def until_done(
    reader: Reader,
    sent: Sequence[ObjectVersion],
    *,
    patience: float,
    now: Callable[[str], ObjectVersion | None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[WaitResult]:
    """Wait until all photos are labelled or failed; yields a `WaitResult` after each read of the table.

    The queue is processed roughly in order of arrival, so the first 100 photos in line are read. Once
    most of them are done, or if there is no progress, the rest moves to the end of the line. Pauses are
    longer when more photos are left, up to 2 s.

    `now` returns a key's current version in the bucket (see `versions.current_photo`), and is
    called for photos without progress: for a replaced photo the new version is awaited, and a
    removed photo is dropped. Raises WaitTimeoutError if nothing is done within `patience` seconds,
    nor in a final read of all.
    """
    line = deque(batches(sent, BATCH))
    last_progress, pause, final_reads = clock(), _MIN_PAUSE, 0
    while line:
        batch = line.popleft()
        # Consistent reads for the last batch only: they cost twice as much.
        items = reader.photos((each.key for each in batch), consistent=not line)
        photos = [(each, results.of_item(items.get(each.key), each)) for each in batch]
        done = [photo for _, photo in photos if photo.status != results.WAITING]
        rest = [each for each, photo in photos if photo.status == results.WAITING]
        timed_out = not done and clock() - last_progress > patience
        final_reads = final_reads + 1 if timed_out else 0  # in the last round, without pauses
        stalled = not done and (final_reads == 1 or pause >= _MAX_PAUSE)
        if stalled:
            checked = (_current(each, now(each.key)) for each in rest[:_CHECKED_OBJECTS])
            rest = [*rest[_CHECKED_OBJECTS:], *filter(None, checked)]
        mostly_done = 2 * len(done) >= len(batch)
        if not (mostly_done or stalled or timed_out):
            line.appendleft(rest)
        elif rest and line and len(line[-1]) + len(rest) <= BATCH:
            line[-1].extend(rest)
        elif rest:
            line.append(rest)
        left = sum(map(len, line))
        yield WaitResult(done, left)
        if left and final_reads > len(line):
            raise WaitTimeoutError(
                f"{counted(left, 'photo')} still waiting after {patience:g} s without progress.",
                "`",
                Command("status"),
                "` shows the pipeline's state, `",
                Command("verify"),
                "` finds missed photos.",
            )
        if done:
            last_progress, pause = clock(), _MIN_PAUSE
        if left and not (mostly_done or timed_out):
            sleep(min(max(pause, left / _PER_SECOND), _MAX_PAUSE))
            pause = min(pause * 1.5, _MAX_PAUSE)


def _current(photo: ObjectVersion, current: ObjectVersion | None) -> ObjectVersion | None:
    # `current` has no sequencer, and no version id if it is from a listing.
    if current and photo.version_id and current.version_id:
        return photo if current.version_id == photo.version_id else current
    return photo if current and current.etag == photo.etag else current
