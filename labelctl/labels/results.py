"""Reading what is stored of photos: their labels, or why there are none, or that they still wait.

A photo's item holds its whole result. One that names another object than the one in the bucket is not
this photo's result yet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, in_order, pool
from labelctl.contract import schema
from labelctl.errors import WaitTimeoutError
from labelctl.labels.tables import BATCH
from labelctl.photos.versions import ANSWERING, Awaited, answers
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.tables import Item, Reader

PENDING = "pending"
_AHEAD = 4  # batches of photos that are read at once, or wait to be taken: labels can be large
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks
_HURRIED = 1000  # photos of which a look a second is enough; for fewer it looks more often
_ASKED = 20  # photos whose object is looked at, once nothing has moved for that long


@dataclass(frozen=True)
class Box:
    """Where a label was seen: ratios (0 to 1) of the upright picture; confidence 0 to 100."""

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
    """A photo's state and labels, surest first.

    `status` is labelled, failed (with `reason`) or pending. `labelled_at` is ISO 8601, in UTC, and
    for a failed photo when it failed. `left_out` counts the labels and boxes that an item of the table
    had no room for; None if there are none.
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
class Look:
    """What one look at the table found: the photos that are done, and how many still wait."""

    done: list[Awaited]
    waiting: int


def read(reader: Reader, sent: Awaited) -> Photo:
    """What is stored of one version of a photo: its labels, its failure, or that it is pending."""
    return _photo(reader.photo(sent.key), sent)


def read_many(reader: Reader, sent: Iterable[Awaited]) -> Iterator[Photo]:
    """What is stored of several photos, in their order; some are read ahead of who takes them."""

    def read_batch(batch: list[Awaited]) -> list[Photo]:
        items = reader.photos((each.key for each in batch), consistent=True)
        return [_photo(items.get(each.key), each) for each in batch]

    with pool(_AHEAD, "read") as threads:
        for photos in in_order(threads, read_batch, batches(sent, BATCH), _AHEAD):
            yield from photos


def _photo(item: Item | None, sent: Awaited) -> Photo:
    if item is None or not answers(item, sent):
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
    """The labels of a labelled photo's item, surest first, equals by name."""
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
    sent: Sequence[Awaited],
    *,
    patience: float,
    now: Callable[[str], Awaited | None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Look]:
    """Look for the photos that are labelled or have failed, until all are; each is found once.

    A look that finds none is yielded as well. The queue works roughly in the order of arrival, so the
    first 100 in line are looked for. What is left of them once most are done goes to the end of the
    line, and so do those that keep waiting. The more photos are left, the longer the pauses: up to 2 s.

    `now` says how a key stands in the bucket (see `current`). It is asked about photos that keep
    waiting: of one that was replaced the new version is looked for, and one that was removed is not.
    Raises WaitTimeoutError when none was found for `patience` seconds, nor in a last look for all.
    """
    line = deque(batches(sent, BATCH))
    last, pause, vain = clock(), _SHORTEST_PAUSE, 0
    while line:
        batch = line.popleft()
        # As of now for the few who notice; for many it need not be, at half the price.
        items = reader.photos((each.key for each in batch), *ANSWERING, consistent=not line)
        done = [each for each in batch if each.key in items and answers(items[each.key], each)]
        rest = [each for each in batch if each not in done]
        over = not done and clock() - last > patience
        vain = vain + 1 if over else 0  # looks in the last round, which makes no pauses
        keep_waiting = not done and (vain == 1 or pause >= _LONGEST_PAUSE)
        if keep_waiting:
            asked = (_as_it_is(each, now(each.key)) for each in rest[:_ASKED])
            rest = [*rest[_ASKED:], *filter(None, asked)]
        mostly_done = 2 * len(done) >= len(batch)
        if not (mostly_done or keep_waiting or over):
            line.appendleft(rest)
        elif rest and line and len(line[-1]) + len(rest) <= BATCH:
            line[-1].extend(rest)
        elif rest:
            line.append(rest)
        left = sum(map(len, line))
        yield Look(done, left)
        if left and vain > len(line):
            raise WaitTimeoutError(
                f"{counted(left, 'photo')} still waiting after {patience:g} s without news.",
                "`labelctl status` shows how things stand, `labelctl verify` whether any was missed.",
            )
        if done:
            last, pause = clock(), _SHORTEST_PAUSE
        if left and not (mostly_done or over):
            sleep(min(max(pause, left / _HURRIED), _LONGEST_PAUSE))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def _as_it_is(photo: Awaited, there: Awaited | None) -> Awaited | None:
    same = there and (there.version_id, there.etag) == (photo.version_id, photo.etag)
    return photo if same else there
