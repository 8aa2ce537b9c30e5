"""Running a query: yields the matching photos in order.

The index yields candidates (see `candidates`), and each photo's item decides whether it matches.
Matches are yielded early but in exact order: a match is held back until no later candidate can precede
it. This is the threshold algorithm [Fagin, Lotem, Naor: Optimal aggregation algorithms for middleware,
2003].
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, pool
from labelctl.contract import schema
from labelctl.labels.reader import BATCH
from labelctl.labels.search.candidates import (
    Candidate,
    CandidateSet,
    Rank,
    UnderPrefix,
    WithLabel,
    smallest,
)
from labelctl.text import counted

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mypy_boto3_s3 import S3Client

    from labelctl.labels.reader import Item, Reader
    from labelctl.labels.search.query import Query

_THREADS = 8
_MAX_WIDTH = 4  # batches of photos read concurrently, reached step by step
_MAX_SEEN = 100_000
"""Number of photos remembered to skip duplicate candidates, at about 100 bytes each."""


@dataclass(frozen=True)
class Found:
    """A label by which a photo matched; confidence 0 to 100."""

    name: str
    confidence: Decimal


@dataclass(frozen=True)
class Match:
    """A photo that matches a query.

    `found` has, for each group, the photo's labels in it, most confident first. `confidence` is that of
    the least confident group, by which photos are sorted. `uploaded_at` is ISO 8601 in UTC.
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
    """One run of a query. `photos_read` is the number of photos read so far."""

    def __init__(self, reader: Reader, s3: S3Client, bucket: str, query: Query) -> None:
        self.photos_read = 0
        self._reader = reader
        self._query = query
        self._groups = [group.labels - query.without for group in query.groups]
        self._prefix = UnderPrefix(s3, bucket, query.prefix) if query.prefix else None
        self._seen: set[str] = set()

    @property
    def spent(self) -> str:
        """The read capacity and requests used so far."""
        lists = self._prefix.requests if self._prefix else 0
        listed = f", and {counted(lists, 'listing')} of the bucket" if lists else ""
        return f"{self._reader.spent}{listed}"

    def matches(self, limit: int) -> Generator[Match, None, None]:
        """Up to `limit` matches in order.

        Memory use grows up to `limit` only where the order is known at the end: newest first with a
        minimum confidence.
        """
        if not all(self._groups):  # all labels of a group are excluded
            return
        rank = attrgetter("confidence" if self._query.order == "confidence" else "uploaded_at")
        with pool(_THREADS, "search") as threads:
            candidates = self._candidates(threads, limit)
            held: list[Match] = []  # matches held back, in order
            latest: Match | None = None  # the match yielded last

            def is_new(match: Match) -> bool:
                """Whether it was not yielded: all that precede the latest one were."""
                if latest is None or rank(match) < rank(latest):
                    return True
                return bool(rank(match) == rank(latest)) and match.image > latest.image

            width, found, ended = 1, 0, False
            while not ended and found < limit:
                # Read only as many as are probably needed, from the share of matches so far.
                likely = -(-(limit - found) * (self.photos_read + 1) // (found + 1))
                images, last, ended = self._next_images(candidates, min(width * BATCH, likely))
                width = min(width * 2, _MAX_WIDTH)
                by_image = {each.image: each for each in held}
                by_image |= {
                    each.image: each for each in self._read_matches(threads, images) if is_new(each)
                }
                held = sorted(by_image.values(), key=attrgetter("image"))
                held.sort(key=rank, reverse=True)
                del held[limit - found :]
                settled = len(held)
                if not ended:
                    settled = sum(self._is_settled(rank(each), each.image, last) for each in held)
                yield from held[:settled]
                latest = held[settled - 1] if settled else latest
                del held[:settled]
                found += settled

    def _candidates(self, threads: Executor, limit: int) -> Iterator[Candidate]:
        query = self._query
        sets: list[CandidateSet] = [
            WithLabel(self._reader, threads, sorted(group), query.min_confidence, limit)
            for group in sorted(self._groups, key=len)
        ]
        if self._prefix:  # first: one request counts it, and limits the counting of the others
            sets.insert(0, self._prefix)
        if len(sets) == 1 and (query.order == "confidence" or not query.min_confidence):
            return sets[0].photos(query.order)
        chosen, size = smallest(sets)
        if query.order == "newest" and size.count is not None:
            # Cheaper than reading by date all items below the minimum confidence.
            return (Candidate(None, each.image) for each in chosen.photos("confidence"))
        return chosen.photos(query.order)

    def _is_settled(self, rank: Rank, image: str, last: Candidate | None) -> bool:
        """Whether no photo after the candidate `last` can precede this one in the results."""
        if last is None or last.rank is None:
            return False
        if rank == last.rank and self._query.order == "confidence":
            return image <= last.image  # candidates of equal confidence are sorted by key
        return bool(rank > last.rank)

    def _next_images(
        self, candidates: Iterator[Candidate], size: int
    ) -> tuple[list[str], Candidate | None, bool]:
        """The next photos to read, the last candidate consumed, and whether it was the last of all."""
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
        if len(self._seen) > _MAX_SEEN:
            self._seen.clear()
        return images, last, False

    def _read_matches(self, threads: Executor, images: Sequence[str]) -> Iterator[Match]:
        """The photos that match according to their items."""
        read, attributes = self._reader.photos, ("status", "labels", "uploaded_at")
        reading = [threads.submit(read, batch, *attributes) for batch in batches(images, BATCH)]
        for items in (each.result() for each in reading):
            self.photos_read += len(items)
            yield from filter(None, map(self._match, items.values()))

    def _match(self, photo: Item) -> Match | None:
        if photo["status"] != schema.LABELLED:
            return None
        labels = {
            schema.label_of(name): Found(name, confidence)
            for name, confidence in photo["labels"].items()
            if confidence >= self._query.min_confidence
        }
        if not self._query.without.isdisjoint(labels):
            return None
        found = tuple(
            tuple(sorted((labels[label] for label in group & labels.keys()), key=_by_confidence))
            for group in self._groups
        )
        if not all(found):
            return None
        confidence = min(group[0].confidence for group in found)
        return Match(photo["image"], photo["uploaded_at"], confidence, found)


def _by_confidence(found: Found) -> tuple[Decimal, str]:
    return -found.confidence, found.name
