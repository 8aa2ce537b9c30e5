"""All labels of all photos, or of those under a prefix, as records: a label of a photo each.

Everything is read by one scan, which is the cheapest way there is; it hands out the rows of a photo
together, so that a few photos at a time are held in memory. Photos under a prefix are listed in the
bucket and read one by one: that costs as much as they hold, and not as the table does. Either way
only the rows of the version that the header names count, and all of them: of a photo that changed
while it was read the rows are read again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from labelctl import contract, walk
from labelctl.reads import SEGMENTS, Item, Reader, plain
from labelctl.threads import pool

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_READS = 5  # fewer rows than counted so often in a row is no coincidence
_WORKERS = 8  # photos that are read at once
_AHEAD = 200  # photos that are asked for before they are wanted
_NAMES = {
    f"#{name}": name
    for name in (
        *("image", "row", "status", "version", "label_count", "done_at", "model_version"),
        *("name", "confidence", "uploaded_at", "categories", "parents", "aliases", "boxes"),
    )
}
_READ: dict[str, Any] = {
    "ProjectionExpression": ", ".join(_NAMES),
    "ExpressionAttributeNames": _NAMES,
}


@dataclass(frozen=True)
class Record:
    """One label of one photo, with all that is stored of it.

    `confidence` is 0 to 100; boxes have left, top, width and height as ratios (0 to 1) of the upright
    picture, and their own confidence. Times are ISO 8601, in UTC.
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
class Part:
    """The labels of some photos, and how far the reading is: so many more rows, or photos, are done.

    `broken` are photos whose labels are not whole in the table, and are left out.
    """

    records: Sequence[Record]
    done: int
    broken: Sequence[str] = ()


def size(dynamodb: DynamoDBClient, table: str) -> int | None:
    """How many rows the table has, as DynamoDB counted some hours ago; None where nobody says."""
    from botocore.exceptions import ClientError

    try:
        return dynamodb.describe_table(TableName=table)["Table"].get("ItemCount") or None
    except ClientError:
        return None


def everything(reader: Reader, min_confidence: float = 0) -> Iterator[Part]:
    """The labels of all photos, those of one together and surest first; `done` is in rows."""
    least = Decimal(str(min_confidence))
    segments = [_Photos() for _ in range(SEGMENTS)]
    for page in reader.scan(**_READ):
        photos = segments[page.segment]
        found = [*photos.take(page.items), *(photos.end() if page.last else ())]
        yield _part((_whole(reader, *each) for each in found), least, len(page.items))


def under(
    reader: Reader, s3: S3Client, bucket: str, prefix: str, min_confidence: float = 0
) -> Iterator[Part]:
    """The same of the photos whose keys begin so, in the order of the keys; `done` is in photos."""
    least = Decimal(str(min_confidence))
    keys = (each.key for each in walk.objects(s3, bucket, prefix))
    ahead: deque[Future[_Whole | str | None]] = deque()
    with pool(_WORKERS, "read") as threads:
        while True:
            wanted = islice(keys, _AHEAD - len(ahead))
            ahead.extend(threads.submit(_read, reader, key) for key in wanted)
            if not ahead:
                return
            some = [ahead.popleft() for _ in range(min(len(ahead), _AHEAD // 2))]
            yield _part((each.result() for each in some), least, len(some))


@dataclass(frozen=True)
class _Whole:
    """A labelled photo's header and all its label rows."""

    header: Item
    rows: Sequence[Item]


def _part(photos: Iterable[_Whole | str | None], least: Decimal, done: int) -> Part:
    found = list(photos)
    whole = (each for each in found if isinstance(each, _Whole))
    records = [record for each in whole for record in _records(each, least)]
    return Part(records, done, [each for each in found if isinstance(each, str)])


def _records(photo: _Whole, least: Decimal) -> Iterator[Record]:
    for row in contract.surest(photo.rows):
        if row["confidence"] < least:
            return
        yield Record(
            image=row["image"],
            label=row["name"],
            confidence=float(row["confidence"]),
            categories=row["categories"],
            parents=row["parents"],
            aliases=row["aliases"],
            boxes=[{side: float(value) for side, value in box.items()} for box in row["boxes"]],
            uploaded_at=row["uploaded_at"],
            labelled_at=photo.header["done_at"],
            model_version=photo.header["model_version"],
        )


class _Photos:
    """Brings the rows of each photo together, across the borders of pages."""

    def __init__(self) -> None:
        self._image: str | None = None
        self._rows: list[Any] = []

    def take(self, items: Iterable[Any]) -> Iterator[tuple[str, list[Item]]]:
        """The photos that are complete with these rows, each with its rows as values."""
        for item in items:
            if item["image"]["S"] != self._image:
                yield from self.end()
                self._image = item["image"]["S"]
            self._rows.append(item)

    def end(self) -> Iterator[tuple[str, list[Item]]]:
        """The last photo, if there was one."""
        if self._image is not None:
            yield self._image, plain(self._rows)
        self._image, self._rows = None, []


def _whole(reader: Reader, image: str, rows: list[Item]) -> _Whole | str | None:
    """A photo, read again until its rows are whole; None if it is not labelled; its key if broken."""
    for _ in range(_READS):
        header = next((row for row in rows if row["row"] == contract.HEADER), None)
        if header is None or header["status"] != contract.LABELLED:
            return None
        own = [row for row in rows if contract.version_of_row(row["row"]) == header["version"]]
        # Fewer rows than the header counts: it was replaced while the pages were read.
        if len(own) == header["label_count"]:
            return _Whole(header, own)
        rows = _query(reader, image, consistent=True)
    return image


def _read(reader: Reader, image: str) -> _Whole | str | None:
    return _whole(reader, image, _query(reader, image, consistent=False))


def _query(reader: Reader, image: str, *, consistent: bool) -> list[Item]:
    pages = reader.query(
        KeyConditionExpression="#image = :image",
        ExpressionAttributeValues={":image": {"S": image}},
        ConsistentRead=consistent,
        **_READ,
    )
    return [row for page in pages for row in page]
