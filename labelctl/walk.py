"""The photos of the bucket in the order of their keys, each with the header that answers for it.

The bucket says which photos there are, the table how each stands; so a photo that waits is told of
like any other. It costs a listing for 1,000 photos, and for 100 a BatchGetItem of half a read unit
each (more for a header beyond 4 KB), however many rows their labels have. Some batches are asked for
ahead, since most of the time goes by waiting for AWS; memory is for those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from labelctl import contract, results
from labelctl.reads import BATCH, Item, Reader
from labelctl.results import Awaited
from labelctl.threads import pool

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LISTING = 1000  # the most objects in a page [S3 API, ListObjectsV2]
_AHEAD = 8  # batches of headers that are asked for at once


@dataclass(frozen=True)
class Object:
    """An object of the bucket: its key, its ETag, and since when it is there (ISO 8601, UTC)."""

    key: str
    etag: str
    since: str


@dataclass(frozen=True)
class Listed:
    """A photo as it lies in the bucket, and its header; None while it waits for its result."""

    object: Object
    header: Item | None

    @property
    def status(self) -> str:
        """labelled, failed or pending."""
        return str(self.header["status"]) if self.header else results.PENDING


def objects(s3: S3Client, bucket: str, prefix: str, page: int = _LISTING) -> Iterator[Object]:
    """What lies in the bucket under a prefix, in the order of the keys, listed as far as it is taken.

    Folders are passed over. `page` is how many are listed at once, for whoever wants only a few.
    """
    pages: Any = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": min(page, _LISTING)}
    )
    for answer in pages:
        for each in answer.get("Contents", ()):
            if contract.is_folder(each["Key"], each["Size"]):
                continue
            since = f"{each['LastModified']:%Y-%m-%dT%H:%M:%SZ}"
            yield Object(each["Key"], each["ETag"].strip('"'), since)


def photos(reader: Reader, there: Iterator[Object], *attributes: str) -> Iterator[list[Listed]]:
    """These photos with the attributes of their headers, up to 100 at a time, in their order."""
    waiting: deque[tuple[list[Object], Future[dict[str, Item]]]] = deque()
    wanted = dict.fromkeys((*results.ANSWERING, *attributes))
    with pool(_AHEAD, "headers") as threads:
        while batch := list(islice(there, BATCH)):
            keys = [each.key for each in batch]
            waiting.append((batch, threads.submit(reader.headers, keys, *wanted)))
            if len(waiting) == _AHEAD:
                yield _matched(*waiting.popleft())
        while waiting:
            yield _matched(*waiting.popleft())


def _matched(batch: list[Object], headers: Future[dict[str, Item]]) -> list[Listed]:
    found = headers.result()
    return [Listed(each, _answering(each, found.get(each.key))) for each in batch]


def _answering(there: Object, header: Item | None) -> Item | None:
    sent = Awaited(there.key, None, there.etag)
    return header if header and results.answers(header, sent) else None
