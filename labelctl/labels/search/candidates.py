"""Choosing the photos that a search reads: the smallest set that contains all matches.

Every match has a label of each group and a key with the prefix, so the photos with one of these
properties are a complete set of candidates. The smallest set costs least. Candidates are only hints,
because index items may belong to a replaced result: the search reads each photo's item before it
returns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from labelctl.contract import schema

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.labels.reader import Reader

Order = Literal["confidence", "newest"]

Rank = Any
"""The sort key of photos, in descending order: a confidence (Decimal) or a time (text)."""

COUNTED = 200
"""A set is counted up to this many photos, which reads about 30 KB of a label's index items.

Among larger sets, the one whose 200th index item has the lowest confidence is used: the faster the
confidence falls, the fewer photos probably have the label, and the sooner the order of results is
known.
"""

_AT_ONCE = 8  # labels counted concurrently


class Candidate(NamedTuple):
    """A photo that may match. `rank` never increases in a set; None for sets without an order."""

    rank: Rank | None
    image: str


@dataclass(frozen=True)
class Size:
    """The size of a set: the number of photos, or None if it exceeds the limit.

    In that case `reach` is the rank (as in the index) of the last counted item. A greater rank means
    that the set is probably smaller.
    """

    count: int | None
    reach: str = ""


class CandidateSet(Protocol):
    """A set of photos that contains all matches of a search."""

    def size(self, limit: int) -> Size:
        """The size, counted up to `limit`."""
        ...

    def photos(self, order: Order) -> Iterator[Candidate]:
        """The photos in the set, in `order` if it supports that. May contain duplicates."""
        ...


@dataclass
class WithLabel:
    """The photos with any of the labels, with at least this confidence.

    `first` is the expected number of photos to be read.
    """

    reader: Reader
    threads: Executor
    labels: Sequence[str]
    min_confidence: Decimal
    first: int

    def size(self, limit: int) -> Size:
        total = 0
        for start in range(0, len(self.labels), _AT_ONCE):
            chunk = self.labels[start : start + _AT_ONCE]
            at_most, least = repeat(limit + 1), repeat(self.min_confidence)
            counts = [*self.threads.map(self.reader.count_labels, chunk, at_most, least)]
            total += sum(count for count, _ in counts)
            if total > limit:
                return Size(None, min((last for _, last in counts if last), default=""))
        return Size(total)

    def photos(self, order: Order) -> Iterator[Candidate]:
        if order == "confidence":
            found = self.reader.labels_by_confidence(self.labels, self.min_confidence, self.first)
            for item in found:
                yield Candidate(schema.confidence_of(item["rank"]), item["image"])
            return
        for item in self.reader.labels_by_date(self.labels, self.first):
            if schema.confidence_of(item["rank"]) >= self.min_confidence:
                yield Candidate(item["uploaded_at"], item["image"])


@dataclass
class UnderPrefix:
    """The objects whose keys start with a prefix, if there are few of them."""

    s3: S3Client
    bucket: str
    prefix: str
    requests: int = 0
    _keys: list[str] = field(default_factory=list)

    def size(self, limit: int) -> Size:
        self.requests += 1
        response = self.s3.list_objects_v2(
            Bucket=self.bucket, Prefix=self.prefix, MaxKeys=limit + 1
        )
        self._keys = [each["Key"] for each in response.get("Contents", ())]
        return Size(len(self._keys) if len(self._keys) <= limit else None)

    def photos(self, order: Order) -> Iterator[Candidate]:  # noqa: ARG002 - S3 lists by key only
        return (Candidate(None, key) for key in self._keys)


def smallest(sets: Sequence[CandidateSet]) -> tuple[CandidateSet, Size]:
    """The smallest set and its size. No set is counted beyond the smallest size found so far."""
    limit = COUNTED
    best, best_size = sets[0], sets[0].size(limit)
    for each in sets[1:]:
        if best_size.count is not None:
            limit = best_size.count
        if not limit:
            break
        size = each.size(limit)
        fewer = size.count is not None
        if fewer or (best_size.count is None and size.reach > best_size.reach):
            best, best_size = each, size
    return best, best_size
