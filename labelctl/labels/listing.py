"""The photos in the bucket in key order, each with the item that holds its result.

Keys come from the bucket and states from the table, so waiting photos are included. The cost is one
listing request per 1,000 photos and one BatchGetItem per 100, at half a read unit per photo (more for
items over 4 KB). Several batches are read ahead to hide latency; memory use is limited to those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.contract import s3_events
from labelctl.labels import results
from labelctl.labels.tables import BATCH, Item, Reader
from labelctl.photos import versions
from labelctl.photos.versions import ExpectedVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MAX_PAGE = 1000  # objects [S3 API, ListObjectsV2]
_AHEAD = 8  # batches of items read concurrently


@dataclass(frozen=True)
class Object:
    """An object in the bucket: its key, its ETag, and its upload time (ISO 8601 in UTC)."""

    key: str
    etag: str
    since: str


@dataclass(frozen=True)
class PhotoWithItem:
    """A photo in the bucket and its item; the item is None while the photo is waiting."""

    object: Object
    item: Item | None

    @property
    def status(self) -> str:
        """labelled, failed or pending."""
        return str(self.item["status"]) if self.item else results.PENDING


def objects(s3: S3Client, bucket: str, prefix: str, page: int = _MAX_PAGE) -> Iterator[Object]:
    """The objects whose keys start with `prefix`, in key order, listed lazily, without folders.

    `page` is the number of objects per request: use a small one if only a few are needed.
    """
    pages: Any = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": min(page, _MAX_PAGE)}
    )
    for response in pages:
        for each in response.get("Contents", ()):
            if s3_events.is_folder(each["Key"], each["Size"]):
                continue
            since = f"{each['LastModified']:%Y-%m-%dT%H:%M:%SZ}"
            yield Object(each["Key"], each["ETag"].strip('"'), since)


def photos(
    reader: Reader, objects: Iterator[Object], *attributes: str
) -> Iterator[list[PhotoWithItem]]:
    """The photos with these attributes of their items, in the given order, in batches of up to 100."""
    names = dict.fromkeys((*versions.RESULT_ATTRIBUTES, *attributes))

    def read(batch: list[Object]) -> list[PhotoWithItem]:
        items = reader.photos((each.key for each in batch), *names)
        return [PhotoWithItem(each, _result(each, items.get(each.key))) for each in batch]

    with pool(_AHEAD, "photos") as threads:
        yield from map_in_order(threads, read, batches(objects, BATCH), _AHEAD)


def _result(stored: Object, item: Item | None) -> Item | None:
    sent = ExpectedVersion(stored.key, None, stored.etag)
    return item if item and versions.is_result_of(item, sent) else None
