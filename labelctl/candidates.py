"""Which photos may be what a search looks for: sets of them, of which the smallest leads.

A photo that is found is in each of the sets: of each group of labels, and of the keys under a prefix.
So it is enough to go through one of them, and the smallest costs least. How large they are is found
out by a race, in which no set is counted much further than the smallest. What is told here is a hint
only: the index is a moment behind the table, and holds rows of versions that are gone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from labelctl import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.reads import Item, Reader

Order = Literal["surest", "newest"]

Rank = Any
"""What photos are ordered by, the greatest first: a confidence (Decimal) or a moment (text)."""

_FIRST_COUNT = 100
_SMALLEST_PAGE = 32  # index entries: about what is billed as one
_LARGEST_PAGE = 1000
_AT_ONCE = 8  # labels counted side by side


class Set(Protocol):
    """Photos that a search looks for, or some of them, are all in it."""

    @property
    def parts(self) -> int:
        """About how many entries it has at least: each is a request to begin with."""
        ...

    def within(self, most: int) -> int | None:
        """How many entries there are, None if there are more than `most`."""
        ...

    def entries(self) -> Iterator[tuple[Rank | None, str]]:
        """Photos, each with its rank, greatest first; None where they come in another order."""
        ...


@dataclass(frozen=True)
class Labels:
    """The photos with any of some labels, each of at least this confidence. One may come twice.

    `first`: how many are likely to be wanted.
    """

    reader: Reader
    pool: Executor
    labels: Sequence[str]
    least: Decimal
    order: Order
    first: int

    @property
    def parts(self) -> int:
        return len(self.labels)

    def within(self, most: int) -> int | None:
        total = 0
        for start in range(0, len(self.labels), _AT_ONCE):
            part = self.labels[start : start + _AT_ONCE]
            total += sum(self.pool.map(lambda label: self._count(label, most + 1), part))
            if total > most:
                return None
        return total

    def _count(self, label: str, most: int) -> int:
        return self.reader.count(most, **self._sure_enough(label))

    def entries(self) -> Iterator[tuple[Rank | None, str]]:
        # All begin at once, since nothing can be told before each has told its first.
        begun = [self._begin(label) for label in self.labels]
        walks = [self._walk(pages, first) for pages, first in begun]
        yield from heapq.merge(*walks, key=itemgetter(0), reverse=True)

    def _begin(self, label: str) -> tuple[Iterator[list[Item]], Future[list[Item] | None]]:
        wanted = self.first * 5 // 4 // len(self.labels)
        request: dict[str, Any] = {
            "ScanIndexForward": False,
            "Limit": max(_SMALLEST_PAGE, min(wanted, _LARGEST_PAGE)),
            **(self._sure_enough(label) if self.order == "surest" else self._dated(label)),
        }
        pages = self.reader.query(grow=4, **request)
        return pages, self.pool.submit(next, pages, None)

    def _walk(
        self, pages: Iterator[list[Item]], coming: Future[list[Item] | None]
    ) -> Iterator[tuple[Rank, str]]:
        rank = "confidence" if self.order == "surest" else "uploaded_at"
        page, number = coming.result(), 1
        while page is not None:
            if number > 1:  # who needs a second page is likely to need a third
                coming = self.pool.submit(next, pages, None)
            yield from ((item[rank], item["image"]) for item in page)
            page = coming.result() if number > 1 else next(pages, None)
            number += 1

    def _sure_enough(self, label: str) -> dict[str, Any]:
        return {
            "IndexName": contract.CONFIDENCE_INDEX,
            "KeyConditionExpression": "label = :label AND confidence >= :least",
            "ExpressionAttributeValues": self._values(label),
        }

    def _dated(self, label: str) -> dict[str, Any]:
        return {
            "IndexName": contract.DATE_INDEX,
            "KeyConditionExpression": "label = :label",
            "FilterExpression": "confidence >= :least",
            "ExpressionAttributeValues": self._values(label),
        }

    def _values(self, label: str) -> dict[str, Any]:
        return {":label": {"S": label}, ":least": {"N": str(self.least)}}


class Listed:
    """The objects of the bucket whose keys begin with a prefix. `requests` counts the listings."""

    parts = 1

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self.requests = 0
        self._keys = self._list(s3, bucket, prefix)
        self._ahead: list[str] = []  # that were counted, and are kept so that no page is paid twice

    def _list(self, s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            self.requests += 1
            yield from (each["Key"] for each in page.get("Contents", ()))

    def within(self, most: int) -> int | None:
        self._ahead += islice(self._keys, max(0, most + 1 - len(self._ahead)))
        return len(self._ahead) if len(self._ahead) <= most else None

    def entries(self) -> Iterator[tuple[None, str]]:
        return ((None, key) for key in chain(self._ahead, self._keys))


def leading(sets: Sequence[Set]) -> Iterator[tuple[Rank | None, str]]:
    """Photos that may be what is looked for, with the rank that none after it exceeds (None: unknown).

    As long as none of the sets is known to be the smallest, the first is gone through between the
    rounds of the race, which may be all that is wanted. Each round counts ten times as far as the one
    before, and what is read besides the smallest set is no more than about the size of it.
    """
    first = sets[0].entries()
    if len(sets) == 1:
        yield from first
        return
    most = _FIRST_COUNT
    while (leader := _smallest(sets, most)) is None:
        ahead = 0
        for entry in islice(first, most):
            ahead += 1
            yield entry
        if ahead < most:
            return
        most *= 10
    yield from first if leader is sets[0] else leader.entries()


def _smallest(sets: Iterable[Set], most: int) -> Set | None:
    """The smallest of those that have up to `most` entries. None is counted beyond the best so far."""
    leader = None
    for each in sets:
        if each.parts <= most and (count := each.within(most)) is not None:
            leader, most = each, count - 1
            if not count:
                break
    return leader
