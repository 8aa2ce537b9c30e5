"""The photos and how each stands: labelled, failed or pending.

Those of one state that the table knows come by its index, the latest first: the cost grows with the
answer. All others come from the bucket, in the order of their keys (see `labelctl.labels.listing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from labelctl.contract import schema
from labelctl.labels import listing
from labelctl.labels.listing import Listed
from labelctl.labels.tables import Item, Reader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STATES = ("labelled", "failed", "pending")
INDEXED = (schema.LABELLED, schema.FAILED)
"""The states that the table's index knows."""


@dataclass(frozen=True)
class Image:
    """A photo and how it stands.

    `label_count` and `top`, the names of its surest three labels, are of a labelled one, `reason` is
    of a failed one. `at` is when it was labelled or failed, and of a pending one when it was uploaded
    (ISO 8601, UTC).
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
    """The bucket's photos under a prefix, in the order of their keys; of one state, or of any.

    `limit` is how many will be taken: without a state no more are looked at than that.
    """
    there = listing.objects(s3, bucket, prefix, 1000 if status else limit)
    some = there if status else islice(there, limit)
    pages = listing.photos(reader, some, "label_count", "top", "reason", "done_at")
    found = chain.from_iterable(pages)
    return (_listed(each) for each in found if status in (None, each.status))


def by_status(reader: Reader, status: str, limit: int) -> Iterator[Image]:
    """The photos that are labelled, or have failed, the latest first, read as far as they are taken.

    By the index, which is a moment behind the table; a photo that was replaced since is listed as the
    function left it.
    """
    return map(_image, reader.photos_by_state(status, limit))


def _listed(photo: Listed) -> Image:
    if photo.item is None:
        return Image(photo.object.key, photo.status, None, (), None, photo.object.since)
    return _image(photo.item)


def _image(item: Item) -> Image:
    labelled = item["status"] == schema.LABELLED
    return Image(
        image=item["image"],
        status=item["status"],
        label_count=int(item["label_count"]) if labelled else None,
        top=tuple(item.get("top", ())),
        reason=item.get("reason"),
        at=item["done_at"],
    )
