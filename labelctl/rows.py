"""What the table holds of each photo, counted but not read: for whoever checks or clears it.

A scan hands out the rows of one photo together and in the order of their sort keys, the header first,
so that one photo at a time is held in memory. Only the cost of a check may lean on this order, never
what it tells: a photo that comes in two parts is looked at more closely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.reads import SEGMENTS, Reader, plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ATTRIBUTES = ("status", "version", "sequencer", "version_id", "etag", "label_count", "done_at")
_NAMES = {"#row": "row", "#status": "status"}
_HEADER = "image, #row, #status, version, sequencer, version_id, etag, label_count, done_at"


@dataclass(frozen=True)
class Header:
    """The part of a photo's header that tells whose result it is, and when it came (ISO 8601, UTC)."""

    status: str
    version: str
    sequencer: str
    version_id: str | None
    etag: str | None
    labels: int
    done_at: str

    def __getitem__(self, name: str) -> str | None:
        """So that it can be asked as the whole header is (see `results.answers`)."""
        value: str | None = getattr(self, name)
        return value

    get = __getitem__

    @property
    def removed(self) -> bool:
        return self.status == contract.REMOVED


@dataclass(frozen=True)
class Stored:
    """What the table holds of one photo: its header, and how many label rows of which version."""

    image: str
    header: Header | None
    versions: Mapping[str, int]

    @property
    def own(self) -> int:
        """The label rows of the header's version."""
        return self.versions.get(self.header.version, 0) if self.header else 0

    @property
    def others(self) -> int:
        """The label rows of other versions, which no reader sees."""
        return sum(self.versions.values()) - self.own

    @property
    def sequencer(self) -> str:
        """The greatest sequencer known of the photo, "" for none."""
        known = [contract.sequencer_of_row(version) for version in self.versions]
        if self.header:
            known.append(self.header.sequencer)
        return max(filter(_is_sequencer, known), default="")

    @property
    def foreign(self) -> str | None:
        """A version that the function never wrote rows of, and so never removes, if there is one."""
        odd = (each for each in self.versions if not _is_sequencer(contract.sequencer_of_row(each)))
        return next(odd, None)


def _is_sequencer(text: str) -> bool:
    try:
        return contract.pad_sequencer(text) == text
    except ValueError:
        return False


@dataclass(frozen=True)
class Page:
    """Photos from one page of a scan; `units` is what reading it cost, None where nobody tells."""

    photos: Sequence[Stored]
    units: float | None


def scan(dynamodb: DynamoDBClient, table: str, prefix: str = "") -> Iterator[Page]:
    """All photos of the table whose keys begin with `prefix`, a page at a time.

    Eventually consistent, at half the price: what is told may be a moment old. DynamoDB reads (and
    bills) the whole table, whatever the prefix.
    """
    request: dict[str, Any] = {"ProjectionExpression": _HEADER, "ExpressionAttributeNames": _NAMES}
    if prefix:
        request["FilterExpression"] = "begins_with(image, :prefix)"
        request["ExpressionAttributeValues"] = {":prefix": {"S": prefix}}
    reader = Reader(dynamodb, table)
    parts = [_Part() for _ in range(SEGMENTS)]
    before = 0.0
    for page in reader.scan(**request):
        photos = [*parts[page.segment].take(page.items)]
        if page.last:
            photos += parts[page.segment].end()
        units = reader.spent.units
        yield Page(photos, units - before if reader.spent.is_told else None)
        before = units


def read(dynamodb: DynamoDBClient, table: str, image: str) -> Stored:
    """What the table holds of one photo now."""
    pages = Reader(dynamodb, table).pages(
        KeyConditionExpression="image = :image",
        ProjectionExpression=_HEADER,
        ExpressionAttributeNames=_NAMES,
        ExpressionAttributeValues={":image": {"S": image}},
        ConsistentRead=True,
    )
    part = _Part()
    for page in pages:
        list(part.take(page))
    return next(part.end(), Stored(image, None, {}))


def headers(dynamodb: DynamoDBClient, table: str, images: Iterable[str]) -> dict[str, Header]:
    """The headers of any number of photos now, by their keys; those without one are left out."""
    found = Reader(dynamodb, table).headers(images, *_ATTRIBUTES, consistent=True)
    return {image: _header(item) for image, item in found.items()}


def _header(item: Mapping[str, Any]) -> Header:
    return Header(
        status=item.get("status", ""),
        version=item.get("version", ""),
        sequencer=item.get("sequencer", ""),
        version_id=item.get("version_id"),
        etag=item.get("etag"),
        labels=int(item.get("label_count", 0)),
        done_at=item.get("done_at", ""),
    )


class _Part:
    """Brings the rows of each photo together, across the borders of pages."""

    def __init__(self) -> None:
        self._image: str | None = None
        self._header: Header | None = None
        self._versions: Counter[str] = Counter()

    def take(self, items: Iterable[Any]) -> Iterator[Stored]:
        """The photos that are complete with these rows."""
        for item in items:
            image, row = item["image"]["S"], item["row"]["S"]
            if row.startswith(contract.WORD):
                continue
            if image != self._image:
                yield from self.end()
                self._image = image
            if row == contract.HEADER:
                self._header = _header(*plain([item]))
            else:
                self._versions[contract.version_of_row(row)] += 1

    def end(self) -> Iterator[Stored]:
        """The last photo, if there was one."""
        if self._image is not None:
            yield Stored(self._image, self._header, self._versions)
        self._image, self._header, self._versions = None, None, Counter()
