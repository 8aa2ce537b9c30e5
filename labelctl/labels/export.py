"""All labels of all photos, or of photos under a prefix, as records: one per label of a photo.

All photos are read by scanning the table, which is the cheapest way. Photos under a prefix are listed
in the bucket and read by key, so that the cost depends on their number, not on the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.contract import schema
from labelctl.labels import results
from labelctl.labels.reader import BATCH
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from labelctl.labels.reader import Item, Reader

_AHEAD = 4  # batches of photos read concurrently
_ATTRIBUTES = ("status", "labels", "details", "uploaded_at", "done_at", "model_version")


@dataclass(frozen=True)
class Record:
    """One label of one photo.

    `confidence` is 0 to 100; boxes have left, top, width and height as ratios (0 to 1) of the upright
    picture, and their own confidence. Times are ISO 8601 in UTC.
    """

    image: str
    label: str
    confidence: float
    categories: Sequence[str]
    parents: Sequence[str]
    aliases: Sequence[str]
    boxes: Sequence[dict[str, float]]
    uploaded_at: str
    labelled_at: str
    model_version: str


@dataclass(frozen=True)
class Batch:
    """The labels of a batch of photos, and the number of photos, including those without labels."""

    records: Sequence[Record]
    photos: int


def photo_count_estimate(dynamodb: DynamoDBClient, table: str) -> int | None:
    """DynamoDB's item count of the table, updated every few hours; None if unknown."""
    from botocore.exceptions import ClientError

    try:
        return dynamodb.describe_table(TableName=table)["Table"].get("ItemCount") or None
    except ClientError:
        return None


def all_labels(reader: Reader, min_confidence: float = 0) -> Iterator[Batch]:
    """The labels of all photos, grouped by photo, most confident first."""
    return (_part(page, min_confidence) for page in reader.scan_photos(*_ATTRIBUTES))


def labels_under_prefix(
    reader: Reader, s3: S3Client, bucket: str, prefix: str, min_confidence: float = 0
) -> Iterator[Batch]:
    """The labels of photos whose keys start with `prefix`, in key order."""
    keys = (each.key for each in versions.list_photos(s3, bucket, prefix))

    def read(batch: list[str]) -> Batch:
        items = reader.photos(batch, *_ATTRIBUTES)
        return _part((items[key] for key in batch if key in items), min_confidence)

    with pool(_AHEAD, "read") as threads:
        yield from map_in_order(threads, read, batches(keys, BATCH), _AHEAD)


def _part(photos: Iterable[Item], min_confidence: float) -> Batch:
    records: list[Record] = []
    count = 0
    for photo in photos:
        count += 1
        if photo["status"] == schema.LABELLED:
            records += _records(photo, min_confidence)
    return Batch(records, count)


def _records(photo: Item, min_confidence: float) -> Iterator[Record]:
    for label in results.labels(photo):
        if label.confidence < min_confidence:
            return
        yield Record(
            image=photo["image"],
            label=label.name,
            confidence=label.confidence,
            categories=label.categories,
            parents=label.parents,
            aliases=label.aliases,
            boxes=[asdict(box) for box in label.boxes],
            uploaded_at=photo["uploaded_at"],
            labelled_at=photo["done_at"],
            model_version=photo["model_version"],
        )
