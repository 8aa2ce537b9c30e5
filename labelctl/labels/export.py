"""All labels of all photos, or of photos under a prefix, as records: one per label of a photo.

All photos are read by scanning the table, which is the cheapest way. Photos under a prefix are listed
in the bucket and read by key, so that the cost depends on their number, not on the size of the table.

There may be millions of labels, so records are made directly from items in the form of DynamoDB's API:
{"labels": {"M": {"Dog": {"N": "98.1"}}}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.contract import schema
from labelctl.labels.reader import BATCH
from labelctl.labels.stored_item import damaged_photo
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from labelctl.labels.reader import Reader

_AHEAD = 4  # batches of photos read concurrently
_ATTRIBUTES = ("image", "status", "labels", "details", "uploaded_at", "done_at", "model_version")


class Record(NamedTuple):
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


class Batch(NamedTuple):
    """The labels of a batch of photos; the number of photos, with and without labels; of those with."""

    records: Sequence[Record]
    photos: int
    labelled: int


def photo_count_estimate(dynamodb: DynamoDBClient, table: str) -> int | None:
    """DynamoDB's item count of the table, updated every few hours; None if unknown."""
    from botocore.exceptions import ClientError

    try:
        return dynamodb.describe_table(TableName=table)["Table"].get("ItemCount") or None
    except ClientError:
        return None


def all_labels(reader: Reader, min_confidence: float = 0) -> Iterator[Batch]:
    """The labels of all photos, grouped by photo, most confident first."""
    decode = partial(_records, min_confidence=min_confidence)
    return (_batch(page) for page in reader.scan_and_decode_photos(_ATTRIBUTES, decode))


def labels_under_prefix(
    reader: Reader, s3: S3Client, bucket: str, prefix: str, min_confidence: float = 0
) -> Iterator[Batch]:
    """The labels of photos whose keys start with `prefix`, in key order."""
    keys = (each.key for each in versions.list_photos(s3, bucket, prefix))

    def decode(photo: Any) -> tuple[str, list[Record]]:
        records = _records(photo, min_confidence)
        return photo["image"]["S"], records

    def read(batch: list[str]) -> Batch:
        found = dict(reader.decode_photos(batch, _ATTRIBUTES, decode))
        return _batch([found[key] for key in batch if key in found])

    with pool(_AHEAD, "read") as threads:
        yield from map_in_order(threads, read, batches(keys, BATCH), _AHEAD)


def _batch(photos: Sequence[list[Record]]) -> Batch:
    records = [record for photo in photos for record in photo]
    return Batch(records, len(photos), sum(map(bool, photos)))


def _records(photo: Any, min_confidence: float) -> list[Record]:
    """The labels of a photo, most confident first, ties by name. Raises DamagedItemError."""
    try:
        return _read_records(photo, min_confidence)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise damaged_photo(photo) from None


def _read_records(photo: Any, min_confidence: float) -> list[Record]:
    if photo["status"]["S"] != schema.LABELLED:
        return []
    image, details = photo["image"]["S"], photo["details"]["M"]
    about = (photo["uploaded_at"]["S"], photo["done_at"]["S"], photo["model_version"]["S"])
    by_confidence = sorted((-float(each["N"]), name) for name, each in photo["labels"]["M"].items())
    return [
        Record(image, name, -negative, *_relations(details.get(name, _NO_DETAILS)["M"]), *about)
        for negative, name in by_confidence
        if -negative >= min_confidence
    ]


_NO_DETAILS: Any = {"M": {}}


def _relations(details: Any) -> tuple[list[str], list[str], list[str], list[dict[str, float]]]:
    """Categories, parents, aliases and boxes of a label."""
    boxes = details["boxes"]["L"] if "boxes" in details else ()
    return (
        _names(details, "categories"),
        _names(details, "parents"),
        _names(details, "aliases"),
        [{side: float(value["N"]) for side, value in box["M"].items()} for box in boxes],
    )


def _names(details: Any, relation: str) -> list[str]:
    return [each["S"] for each in details[relation]["L"]] if relation in details else []
