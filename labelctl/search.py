"""Photos by what is on them: those that match a query, best first.

The index leads to photos that may match (see `candidates`), and the item of each decides. The order is
exact although photos are yielded as they are found: one is held until no photo still to come can be
ahead of it, which is the threshold algorithm [Fagin, Lotem, Naor: Optimal aggregation algorithms for
middleware, 2003].
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from labelctl import schema
from labelctl.candidates import Candidate, CandidateSet, Rank, UnderPrefix, WithLabel, smallest
from labelctl.reads import BATCH
from labelctl.threads import batches
from labelctl.words import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.query import Query
    from labelctl.reads import Item, Reader

_THREADS = 8
_AT_ONCE = 4  # batches of photos that are read at once, after the first few
_REMEMBERED = 100_000  # photos that are not read again when another label leads to them


@dataclass(frozen=True)
class Found:
    """A label that a photo was found by; confidence 0 to 100."""

    name: str
    confidence: Decimal


@dataclass(frozen=True)
class Match:
    """A photo that answers a query. `found` has for each group its labels on the photo, surest first.

    `confidence` is that of the least sure group, which the photo is ordered by; `uploaded_at` is
    ISO 8601, in UTC.
    """

    image: str
    uploaded_at: str
    confidence: Decimal
    found: tuple[tuple[Found, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        labels = dict.fromkeys(each for group in self.found for each in group)
        return {
            "image": self.image,
            "uploaded_at": self.uploaded_at,
            "confidence": self.confidence,
            "labels": [{"name": each.name, "confidence": each.confidence} for each in labels],
        }


class Search:
    """One query, being answered. `looked` counts the photos that were read so far."""

    def __init__(self, reader: Reader, s3: S3Client, bucket: str, query: Query) -> None:
        self.looked = 0
        self._reader = reader
        self._query = query
        self._groups = [group.labels - query.without for group in query.groups]
        self._prefix = UnderPrefix(s3, bucket, query.prefix) if query.prefix else None
        self._seen: set[str] = set()

    @property
    def spent(self) -> str:
        """What was read so far."""
        lists = self._prefix.requests if self._prefix else 0
        listed = f", and {counted(lists, 'listing')} of the bucket" if lists else ""
        return f"{self._reader.spent}{listed}"

    def matches(self, limit: int) -> Generator[Match, None, None]:
        """The photos that match, best first, up to `limit`, which is what memory grows with."""
        if not all(self._groups):  # what is asked for is excluded
            return
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")
        try:
            yield from self._matches(threads, limit)
        finally:  # nobody who leaves early waits for what is still under way
            threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, threads: ThreadPoolExecutor, limit: int) -> Iterator[Match]:
        rank = attrgetter("confidence" if self._query.order == "surest" else "uploaded_at")
        candidates = self._candidates(threads, limit)
        held: list[Match] = []  # best first
        known: set[str] = set()  # photos that are held or were yielded
        width, found, ended = 1, 0, False
        while not ended and found < limit:
            # At first no more is read than may be wanted; the longer it takes, the more at once.
            likely = -(-(limit - found) * (self.looked + 1) // (found + 1))
            images, last, ended = self._draw(candidates, min(width * BATCH, likely))
            width = min(width * 2, _AT_ONCE)
            new = [each for each in self._look(threads, images) if each.image not in known]
            held = sorted(sorted([*held, *new], key=attrgetter("image")), key=rank, reverse=True)
            known.update(each.image for each in new)
            known.difference_update(each.image for each in held[limit - found :])
            del held[limit - found :]
            settled = len(held)
            if not ended:
                settled = sum(self._is_settled(rank(each), each.image, last) for each in held)
            yield from held[:settled]
            del held[:settled]
            found += settled

    def _candidates(self, threads: ThreadPoolExecutor, limit: int) -> Iterator[Candidate]:
        query = self._query
        sets: list[CandidateSet] = [
            WithLabel(self._reader, threads, sorted(group), query.least, limit)
            for group in sorted(self._groups, key=len)
        ]
        if self._prefix:  # first, as one listing counts it, and the others only up to its size
            sets.insert(0, self._prefix)
        if len(sets) == 1 and (query.order == "surest" or not query.least):
            return sets[0].photos(query.order)
        chosen, size = smallest(sets)
        if query.order == "newest" and size.count is not None:
            # Reading these few costs less than passing over all that are not confident enough.
            return (Candidate(None, each.image) for each in chosen.photos("surest"))
        return chosen.photos(query.order)

    def _is_settled(self, rank: Rank, image: str, last: Candidate | None) -> bool:
        """Whether no photo that comes after the candidate `last` can be ahead of this one."""
        if last is None or last.rank is None:
            return False
        if rank == last.rank and self._query.order == "surest":
            return image <= last.image  # candidates of the same confidence come by their keys
        return bool(rank > last.rank)

    def _draw(
        self, candidates: Iterator[Candidate], size: int
    ) -> tuple[list[str], Candidate | None, bool]:
        """The next photos to read, the last candidate that was taken, and whether none follow."""
        images: list[str] = []
        last: Candidate | None = None
        for last in candidates:
            image = last.image
            if image not in self._seen and image.startswith(self._query.prefix):
                self._seen.add(image)
                images.append(image)
                if len(images) == size:
                    break
        else:
            return images, last, True
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()
        return images, last, False

    def _look(self, threads: ThreadPoolExecutor, images: Sequence[str]) -> Iterator[Match]:
        """Those of the photos that match, by their items as they are now."""
        for items in threads.map(self._read, batches(images, BATCH)):
            self.looked += len(items)
            yield from filter(None, map(self._match, items.values()))

    def _read(self, images: Sequence[str]) -> dict[str, Item]:
        return self._reader.photos(images, "status", "labels", "uploaded_at")

    def _match(self, photo: Item) -> Match | None:
        if photo["status"] != schema.LABELLED:
            return None
        labels = {
            schema.label_of(name): Found(name, confidence)
            for name, confidence in photo["labels"].items()
            if confidence >= self._query.least
        }
        if not self._query.without.isdisjoint(labels):
            return None
        found = tuple(
            tuple(sorted((labels[label] for label in group & labels.keys()), key=_surest_first))
            for group in self._groups
        )
        if not all(found):
            return None
        surest = min(group[0].confidence for group in found)
        return Match(photo["image"], photo["uploaded_at"], surest, found)


def _surest_first(found: Found) -> tuple[Decimal, str]:
    return -found.confidence, found.name
