"""Reading the results of photos: labels, a failure, or still waiting.

A photo's item holds its complete result. An item for another version of the object is not a result of
the photo: it is still waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.contract import schema
from labelctl.labels.reader import BATCH
from labelctl.photos.versions import ObjectVersion, is_result_of

if TYPE_CHECKING:
    from labelctl.labels.reader import Item, Reader

WAITING = "waiting"
_AHEAD = 4  # batches of photos read ahead: labels can be large


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

    `status` is labelled, failed (with `reason`) or waiting. `labelled_at` is when the photo was
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

    @property
    def specific_labels(self) -> list[Label]:
        """The labels that say most (see `schema.specific_labels`)."""
        relations = {
            label.name: {"parents": label.parents, "categories": label.categories}
            for label in self.labels
        }
        names = schema.specific_labels(relations)
        return [label for label in self.labels if label.name in names]

    def at_least(self, confidence: float) -> Photo:
        """The same photo with only the labels of at least this confidence."""
        kept = tuple(label for label in self.labels if label.confidence >= confidence)
        return Photo(**{**self.__dict__, "labels": kept})


def read(reader: Reader, sent: ObjectVersion) -> Photo:
    """The result of one version of a photo: labels, a failure, or waiting."""
    return of_item(reader.photo(sent.key), sent)


def read_many(reader: Reader, sent: Iterable[ObjectVersion]) -> Iterator[Photo]:
    """The results of several photos, in the given order, with some read ahead."""

    def read_batch(batch: list[ObjectVersion]) -> list[Photo]:
        items = reader.photos((each.key for each in batch), consistent=True)
        return [of_item(items.get(each.key), each) for each in batch]

    with pool(_AHEAD, "read") as threads:
        for photos in map_in_order(threads, read_batch, batches(sent, BATCH), _AHEAD):
            yield from photos


def of_item(item: Item | None, sent: ObjectVersion) -> Photo:
    """The result of one version of a photo in the photo's item: labels, a failure, or waiting."""
    if item is None or not is_result_of(item, sent):
        return Photo(sent.key, WAITING)
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
