"""Reading results of photos, and waiting for them: labels, a failure, or waiting.

A photo's item holds its complete result. An item for another version of the object is not a result of
the photo: it is still waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.contract import schema
from labelctl.errors import Command, WaitTimeoutError
from labelctl.labels.tables import BATCH
from labelctl.photos.versions import RESULT_ATTRIBUTES, ExpectedVersion, is_result_of
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.tables import Item, Reader

PENDING = "pending"
_AHEAD = 4  # batches of photos read ahead: labels can be large
_MIN_PAUSE, _MAX_PAUSE = 0.1, 2.0  # seconds between two reads
_PER_SECOND = 1000  # the pause grows by one second for this many remaining photos
_CHECKED_OBJECTS = 20  # photos whose objects are checked at a time when there is no progress


@dataclass(frozen=True)
class Box:
    """The location of a label, as ratios (0 to 1) of the upright picture; confidence 0 to 100."""

    left: float
    top: float
    width: float
    height: float
    confidence: float


@dataclass(frozen=True)
class Label:
    """One label of a photo; confidence 0 to 100."""

    name: str
    confidence: float
    categories: tuple[str, ...]
    parents: tuple[str, ...]
    aliases: tuple[str, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Photo:
    """A photo's state and labels, most confident first.

    `status` is labelled, failed (with `reason`) or pending. `labelled_at` is when the photo was
    labelled or failed, ISO 8601 in UTC. `left_out` counts labels and boxes dropped because the item
    would have been too large; None if there are none.
    """

    image: str
    status: str
    reason: str | None = None
    labels: tuple[Label, ...] = ()
    properties: Any = None
    model_version: str | None = None
    labelled_at: str | None = None
    left_out: Mapping[str, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return asdict(self)

    def at_least(self, confidence: float) -> Photo:
        """The same photo with only the labels of at least this confidence."""
        kept = tuple(label for label in self.labels if label.confidence >= confidence)
        return Photo(**{**self.__dict__, "labels": kept})


@dataclass(frozen=True)
class WaitResult:
    """The result of one read while waiting: the photos that are done, and the number still waiting."""

    done: list[ExpectedVersion]
    waiting: int


def read(reader: Reader, sent: ExpectedVersion) -> Photo:
    """The result of one version of a photo: labels, a failure, or pending."""
    return _photo(reader.photo(sent.key), sent)


def read_many(reader: Reader, sent: Iterable[ExpectedVersion]) -> Iterator[Photo]:
    """The results of several photos, in the given order, with some read ahead."""

    def read_batch(batch: list[ExpectedVersion]) -> list[Photo]:
        items = reader.photos((each.key for each in batch), consistent=True)
        return [_photo(items.get(each.key), each) for each in batch]

    with pool(_AHEAD, "read") as threads:
        for photos in map_in_order(threads, read_batch, batches(sent, BATCH), _AHEAD):
            yield from photos


def _photo(item: Item | None, sent: ExpectedVersion) -> Photo:
    if item is None or not is_result_of(item, sent):
        return Photo(sent.key, PENDING)
    if item["status"] == schema.FAILED:
        return Photo(sent.key, "failed", reason=item["reason"], labelled_at=item["done_at"])
    left_out = item.get("left_out")
    return Photo(
        image=item["image"],
        status=schema.LABELLED,
        labels=tuple(labels(item)),
        properties=item.get("properties"),
        model_version=item["model_version"],
        labelled_at=item["done_at"],
        left_out=left_out and {name: int(count) for name, count in left_out.items()},
    )


def labels(item: Item) -> Iterator[Label]:
    """The labels in a labelled photo's item, most confident first, ties by name."""
    by_confidence = sorted(item["labels"].items(), key=lambda each: (-each[1], each[0]))
    for name, confidence in by_confidence:
        details = item["details"].get(name, {})
        yield Label(
            name=name,
            confidence=float(confidence),
            categories=tuple(details.get("categories", ())),
            parents=tuple(details.get("parents", ())),
            aliases=tuple(details.get("aliases", ())),
            boxes=tuple(
                Box(**{side: float(value) for side, value in box.items()})
                for box in details.get("boxes", ())
            ),
        )


def wait(
    reader: Reader,
    sent: Sequence[ExpectedVersion],
    *,
    patience: float,
    now: Callable[[str], ExpectedVersion | None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[WaitResult]:
    """Wait until all photos are labelled or failed; yields a `Look` after each read of the table.

    The queue is processed roughly in order of arrival, so the first 100 photos in line are read. Once
    most of them are done, or if there is no progress, the rest moves to the end of the line. Pauses are
    longer when more photos are left, up to 2 s.

    `now` returns a key's current version in the bucket (see `versions.current`), and is called for
    photos without progress: for a replaced photo the new version is awaited, and a removed photo is
    dropped. Raises WaitTimeoutError if nothing is done within `patience` seconds, nor in a final read
    of all.
    """
    line = deque(batches(sent, BATCH))
    last_progress, pause, final_reads = clock(), _MIN_PAUSE, 0
    while line:
        batch = line.popleft()
        # Consistent reads for the last batch only: they cost twice as much.
        items = reader.photos((each.key for each in batch), *RESULT_ATTRIBUTES, consistent=not line)
        done = [each for each in batch if each.key in items and is_result_of(items[each.key], each)]
        rest = [each for each in batch if each not in done]
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


def _current(photo: ExpectedVersion, current: ExpectedVersion | None) -> ExpectedVersion | None:
    same = current and (current.version_id, current.etag) == (photo.version_id, photo.etag)
    return photo if same else current
