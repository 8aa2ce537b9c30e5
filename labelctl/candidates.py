"""Which photos may be what a search looks for: sets of them, of which the smallest leads.

A photo that is found is in each of the sets: of each group of labels, and of the keys under a prefix.
So it is enough to go through one of them, and the smallest costs least. How large they are is found
out by a race, in which no set is counted much further than the smallest. What is told here is a hint
only: the index is a moment behind the table, and holds rows of versions that are gone.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from labelctl import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.reads import Item, Reader

Order = Literal["surest", "newest"]

Rank = Any
"""What photos are ordered by, the greatest first: a confidence (Decimal) or a moment (text)."""

Entry = tuple[Rank | None, str | None]
"""A photo and its rank (None: they come in no such order); no photo where one is read past."""

_LOOK = 32
"""Index entries that cost what a look at one header costs: half a unit, for 4 KB."""

_KEPT = 5000  # keys of the bucket that are not listed again, of 1 KB at most
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

    def entries(self) -> Generator[Entry, None, None]:
        """The photos, the greatest rank first."""
        ...

    def forget(self) -> None:
        """Another set leads: let go of what was kept for this one."""
        ...


@dataclass
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
    _size: int | None = field(default=None, init=False)

    @property
    def parts(self) -> int:
        return len(self.labels)

    def within(self, most: int) -> int | None:
        if self._size is None:
            total = 0
            for start in range(0, len(self.labels), _AT_ONCE):
                part = self.labels[start : start + _AT_ONCE]
                total += sum(self.pool.map(lambda label: self._count(label, most + 1), part))
                if total > most:
                    return None
            self._size = total
        return self._size if self._size <= most else None

    def _count(self, label: str, most: int) -> int:
        return self.reader.count(most, **self._sure_enough(label))

    def entries(self) -> Generator[Entry, None, None]:
        if self.order == "newest" and self.least:
            return self._newest()
        return self._ranked("confidence" if self.order == "surest" else "uploaded_at")

    def forget(self) -> None:
        """Nothing is kept but a number."""

    def _newest(self) -> Generator[Entry, None, None]:
        """By date one may stop early, but pays for all that is not sure enough, too.

        By confidence one pays for none of those, but has to look at every photo, as its date is in
        its header only. So that is done at once where all may be wanted, or they are few. Else it
        goes by date, but changes over when that has cost what the other would: it is not known which
        is better, and so both together are at most some three times the better one.
        """
        dated, most = self._ranked("uploaded_at"), max(self.first, _SMALLEST_PAGE)
        while self.parts > most or self.within(most) is None:
            left = most * _LOOK
            for entry in islice(dated, left):
                left -= 1
                yield entry
            if left:
                return
            most *= 2
        dated.close()
        yield from ((None, image) for _, image in self._ranked("confidence"))

    def _ranked(self, rank: str) -> Generator[Entry, None, None]:
        # All begin at once, since nothing can be told before each has told its first.
        begun = [self._begin(label, rank) for label in self.labels]
        walks = [self._walk(pages, first, rank) for pages, first in begun]
        yield from heapq.merge(*walks, key=itemgetter(0), reverse=True)

    def _begin(
        self, label: str, rank: str
    ) -> tuple[Iterator[list[Item]], Future[list[Item] | None]]:
        wanted = self.first * 5 // 4 // len(self.labels)
        request: dict[str, Any] = {
            "ScanIndexForward": False,
            "Limit": max(_SMALLEST_PAGE, min(wanted, _LARGEST_PAGE)),
            **(self._sure_enough(label) if rank == "confidence" else self._dated(label)),
        }
        pages = self.reader.query(grow=4, **request)
        return pages, self.pool.submit(next, pages, None)

    def _walk(
        self, pages: Iterator[list[Item]], coming: Future[list[Item] | None], rank: str
    ) -> Iterator[Entry]:
        page, number = coming.result(), 1
        while page is not None:
            if number > 1:  # who needs a second page is likely to need a third
                coming = self.pool.submit(next, pages, None)
            for item in page:
                yield item[rank], item["image"] if item["confidence"] >= self.least else None
            page = coming.result() if number > 1 else next(pages, None)
            number += 1

    def _sure_enough(self, label: str) -> dict[str, Any]:
        return {
            "IndexName": contract.CONFIDENCE_INDEX,
            "KeyConditionExpression": "label = :label AND confidence >= :least",
            "ExpressionAttributeValues": {
                ":label": {"S": label},
                ":least": {"N": str(self.least)},
            },
        }

    def _dated(self, label: str) -> dict[str, Any]:
        # Without a filter, which is billed all the same: it is to be seen how much is read.
        return {
            "IndexName": contract.DATE_INDEX,
            "KeyConditionExpression": "label = :label",
            "ExpressionAttributeValues": {":label": {"S": label}},
        }


class Listed:
    """The objects of the bucket whose keys begin with a prefix. `requests` counts the listings.

    Keys that were counted are kept, so that no listing is paid twice, unless there are many.
    """

    parts = 1

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self.requests = 0
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self._coming = self._list()
        self._counted = 0
        self._kept: list[str] = []

    def _list(self) -> Generator[str, None, None]:
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            self.requests += 1
            yield from (each["Key"] for each in page.get("Contents", ()))

    def within(self, most: int) -> int | None:
        for key in islice(self._coming, max(0, most + 1 - self._counted)):
            self._counted += 1
            if self._counted <= _KEPT:
                self._kept.append(key)
            else:
                self._kept.clear()
        return self._counted if self._counted <= most else None

    def entries(self) -> Generator[Entry, None, None]:
        again = self._counted > _KEPT
        yield from ((None, key) for key in (self._list() if again else self._kept))
        if not again:
            yield from ((None, key) for key in self._coming)

    def forget(self) -> None:
        self._kept.clear()
        self._coming.close()


def leading(sets: Sequence[Set]) -> Iterator[Entry]:
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
    for each in sets:
        if each is not leader:
            each.forget()
    if leader is not sets[0]:
        first = leader.entries()
    yield from first


def _smallest(sets: Iterable[Set], most: int) -> Set | None:
    """The smallest of those that have up to `most` entries. None is counted beyond the best so far."""
    leader = None
    for each in sets:
        if each.parts <= most and (count := each.within(most)) is not None:
            leader, most = each, count - 1
            if not count:
                break
    return leader
