"""Which photos a search looks at: those of the smallest set that every photo it finds is in.

Every such photo has a label of each group, and a key under the prefix. Going through one of these sets
is enough, and the smallest costs least. What a set yields are hints: index items may be of a result
that was replaced, so the search reads the photo's own item before it shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from labelctl.contract import schema

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.labels.tables import Reader

Order = Literal["surest", "newest"]

Rank = Any
"""What photos are ordered by, the greatest first: a confidence (Decimal) or a time (text)."""

COUNTED = 200
"""Photos up to which a set is counted, which reads about 30 KB of a label's index items.

Of sets that are larger the one whose index item number 200 is the least confident leads: the sooner
the confidence falls, the fewer photos have the label, and the sooner the order of the answer is known.
"""

_AT_ONCE = 8  # labels counted side by side


class Candidate(NamedTuple):
    """A photo that may match. No photo after it has a greater `rank` (None: they come in any order)."""

    rank: Rank | None
    image: str


@dataclass(frozen=True)
class Size:
    """How large a set is: how many photos, None for more than were counted.

    `reach` is then the rank (as in the index) of the last item counted: the greater, the smaller the
    set is likely to be.
    """

    count: int | None
    reach: str = ""


class CandidateSet(Protocol):
    """Photos among which all are that a search finds."""

    def size(self, limit: int) -> Size:
        """How large it is, counted up to `limit`."""
        ...

    def photos(self, order: Order) -> Iterator[Candidate]:
        """The photos in it, best first where it knows that order. One may come twice."""
        ...


@dataclass
class WithLabel:
    """The photos with any of some labels, each of at least this confidence.

    `first` is how many are likely to be wanted.
    """

    reader: Reader
    threads: Executor
    labels: Sequence[str]
    min_confidence: Decimal
    first: int

    def size(self, limit: int) -> Size:
        total = 0
        for start in range(0, len(self.labels), _AT_ONCE):
            part = self.labels[start : start + _AT_ONCE]
            counts = [*self.threads.map(lambda label: self._count(label, limit + 1), part)]
            total += sum(count for count, _ in counts)
            if total > limit:
                return Size(None, min((last for _, last in counts if last), default=""))
        return Size(total)

    def _count(self, label: str, limit: int) -> tuple[int, str | None]:
        return self.reader.count_labels(label, limit, self.min_confidence)

    def photos(self, order: Order) -> Iterator[Candidate]:
        if order == "surest":
            found = self.reader.labels_by_confidence(self.labels, self.min_confidence, self.first)
            for item in found:
                yield Candidate(schema.confidence_of(item["rank"]), item["image"])
            return
        for item in self.reader.labels_by_date(self.labels, self.first):
            if schema.confidence_of(item["rank"]) >= self.min_confidence:
                yield Candidate(item["uploaded_at"], item["image"])


@dataclass
class UnderPrefix:
    """The objects of the bucket whose keys begin with a prefix, if they are few."""

    s3: S3Client
    bucket: str
    prefix: str
    requests: int = 0
    _keys: list[str] = field(default_factory=list)

    def size(self, limit: int) -> Size:
        self.requests += 1
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=limit + 1)
        self._keys = [each["Key"] for each in answer.get("Contents", ())]
        return Size(len(self._keys) if len(self._keys) <= limit else None)

    def photos(self, order: Order) -> Iterator[Candidate]:  # noqa: ARG002 - S3 knows one order
        return (Candidate(None, key) for key in self._keys)


def smallest(sets: Sequence[CandidateSet]) -> tuple[CandidateSet, Size]:
    """The set to go through, and its size. None is counted beyond the smallest so far."""
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
