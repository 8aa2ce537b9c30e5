"""Listing photos with their state: labelled, failed or waiting.

Labelled or failed photos come from the table's index, latest first, at a cost proportional to the
result. Other lists come from the bucket, in key order (see `labelctl.labels.listing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from labelctl import times
from labelctl.contract import schema
from labelctl.labels import listing
from labelctl.labels.listing import PhotoWithItem
from labelctl.labels.reader import Item, Reader
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STATES = ("labelled", "failed", "waiting")
INDEXED = (schema.LABELLED, schema.FAILED)
"""The states in the table's index."""


@dataclass(frozen=True)
class Image:
    """A photo and its state.

    Labelled photos have `label_count` and `top`, the names of up to three labels that say most (see
    `schema.specific_labels`); failed photos have `reason`. `at` is when the photo was labelled or
    failed, or, if it is waiting, when it was uploaded (ISO 8601 in UTC).
    """

    image: str
    status: str
    label_count: int | None
    top: tuple[str, ...]
    reason: str | None
    at: str

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return asdict(self)


def by_key(
    s3: S3Client, bucket: str, reader: Reader, prefix: str, status: str | None, limit: int
) -> Iterator[Image]:
    """The photos in the bucket whose keys start with `prefix`, in key order; optionally of one state.

    The caller takes at most `limit`. Without a state, no more than that are read.
    """
    objects = versions.list_photos(s3, bucket, prefix, versions.MAX_PAGE if status else limit)
    selected = objects if status else islice(objects, limit)
    pages = listing.photos(reader, selected, "label_count", "top", "reason", "done_at")
    found = chain.from_iterable(pages)
    return (_to_image(each) for each in found if status in (None, each.status))


def by_status(reader: Reader, status: str, limit: int) -> Iterator[Image]:
    """The labelled or failed photos, latest first, read lazily.

    Reads an index, which lags slightly behind the table. A photo replaced since then is listed with its
    previous result.
    """
    return map(_from_item, reader.photos_by_state(status, limit))


def _to_image(photo: PhotoWithItem) -> Image:
    if photo.item is None:
        since = times.utc(photo.object.since or 0)
        return Image(photo.object.key, photo.status, None, (), None, since)
    return _from_item(photo.item)


def _from_item(item: Item) -> Image:
    labelled = item["status"] == schema.LABELLED
    return Image(
        image=item["image"],
        status=item["status"],
        label_count=int(item["label_count"]) if labelled else None,
        top=tuple(item.get("top", ())),
        reason=item.get("reason"),
        at=item["done_at"],
    )
