"""The photos of the bucket in the order of their keys, each with the item that holds its result.

The bucket says which photos there are, the table how each stands; so photos that wait are included.
It costs a listing for 1,000 photos, and for 100 a BatchGetItem of half a read unit each (more for an
item beyond 4 KB). Some batches are read ahead, since most of the time goes by waiting for AWS; memory
is for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, in_order, pool
from labelctl.contract import s3_events
from labelctl.labels import results
from labelctl.labels.tables import BATCH, Item, Reader
from labelctl.photos import versions
from labelctl.photos.versions import Awaited

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LISTING = 1000  # the most objects in a page [S3 API, ListObjectsV2]
_AHEAD = 8  # batches of items that are read at once


@dataclass(frozen=True)
class Object:
    """An object of the bucket: its key, its ETag, and since when it is there (ISO 8601, UTC)."""

    key: str
    etag: str
    since: str


@dataclass(frozen=True)
class Listed:
    """A photo as it lies in the bucket, and its item; None while it waits for its result."""

    object: Object
    item: Item | None

    @property
    def status(self) -> str:
        """labelled, failed or pending."""
        return str(self.item["status"]) if self.item else results.PENDING


def objects(s3: S3Client, bucket: str, prefix: str, page: int = _LISTING) -> Iterator[Object]:
    """What lies in the bucket under a prefix, in the order of the keys, listed as far as it is taken.

    Folders are passed over. `page` is how many are listed at once, for whoever wants only a few.
    """
    pages: Any = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": min(page, _LISTING)}
    )
    for answer in pages:
        for each in answer.get("Contents", ()):
            if s3_events.is_folder(each["Key"], each["Size"]):
                continue
            since = f"{each['LastModified']:%Y-%m-%dT%H:%M:%SZ}"
            yield Object(each["Key"], each["ETag"].strip('"'), since)


def photos(reader: Reader, there: Iterator[Object], *attributes: str) -> Iterator[list[Listed]]:
    """These photos with the attributes of their items, up to 100 at a time, in their order."""
    wanted = dict.fromkeys((*versions.ANSWERING, *attributes))

    def read(batch: list[Object]) -> list[Listed]:
        items = reader.photos((each.key for each in batch), *wanted)
        return [Listed(each, _result(each, items.get(each.key))) for each in batch]

    with pool(_AHEAD, "photos") as threads:
        yield from in_order(threads, read, batches(there, BATCH), _AHEAD)


def _result(there: Object, item: Item | None) -> Item | None:
    sent = Awaited(there.key, None, there.etag)
    return item if item and versions.answers(item, sent) else None
