"""Photos by what is on them: what somebody asks for, and the photos that answer, best first.

A query is a conjunction of groups of labels: a photo has at least one of each, and none of those that
are excluded. An index leads to photos that may be meant (see `candidates`), and one look at the header
of each settles it, as that names all labels. The order is exact although photos are told of as they
are found: one waits until nothing that is still to come can be ahead of it, which is the threshold
algorithm [Fagin, Lotem, Naor: Optimal aggregation algorithms for middleware, 2003].
"""

from __future__ import annotations

import shlex
from bisect import insort_left
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.candidates import Entry, Labels, Listed, Order, Rank, Set, leading
from labelctl.errors import LabelNotFoundError, UsageError
from labelctl.reads import BATCH
from labelctl.words import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.reads import Item, Reader
    from labelctl.vocabulary import Vocabulary, Word

_THREADS = 8
_REMEMBERED = 100_000
"""Photos that are not looked at twice when they come again by another label, 100 bytes each."""


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for, in their words. All `labels`, or `any_label` of them."""

    labels: Sequence[str] = ()
    any_label: bool = False
    without: Sequence[str] = ()
    categories: Sequence[str] = ()
    min_confidence: float = 0
    prefix: str = ""
    order: Order = "surest"

    def command(self, word: str = "", instead: str = "") -> str:
        """The command line that asks for it, with another word in one's place."""

        def words(some: Sequence[str]) -> list[str]:
            return [shlex.quote(instead if each == word else each) for each in some]

        parts = ["labelctl search", *words(self.labels), *(["--any"] if self.any_label else [])]
        parts += [f"--not {each}" for each in words(self.without)]
        parts += [f"--category {each}" for each in words(self.categories)]
        if self.min_confidence:
            parts.append(f"--min-confidence {self.min_confidence:g}")
        if self.prefix:
            parts.append(f"--prefix {shlex.quote(self.prefix)}")
        if self.order != "surest":
            parts.append(f"--sort {self.order}")
        return " ".join(parts)


@dataclass(frozen=True)
class Group:
    """Labels of which a photo has at least one; `name` is how somebody would call them."""

    name: str
    words: tuple[Word, ...]

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(word.label for word in self.words)


@dataclass(frozen=True)
class Query:
    """What is asked for, in labels that there are.

    On no photo are `unknown`, which were to be excluded; `absent` is what is to be said of those that
    are on none, where any of several would have done.
    `least` (0 to 100) is the confidence from which on a label counts, whether wanted or not.
    """

    groups: tuple[Group, ...]
    without: frozenset[str] = frozenset()
    least: Decimal = Decimal(0)
    prefix: str = ""
    order: Order = "surest"
    unknown: tuple[str, ...] = ()
    absent: tuple[LabelNotFoundError, ...] = ()


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


def plan(vocabulary: Vocabulary, wanted: Wanted) -> Query:
    """The query that somebody means.

    Raises UsageError where nothing is asked for, LabelNotFoundError for a label or a category that no
    photo has or had; where any of several labels will do, only if there is none of them.
    """
    if not wanted.labels and not wanted.categories:
        raise UsageError(
            "Nothing to search for.", "Name a label, such as dog, or a category with --category."
        )
    if not all(contract.label_of(each) for each in (*wanted.labels, *wanted.without)):
        raise UsageError("A label has no name.", "Name one, such as dog.")
    known = vocabulary.find([*wanted.labels, *wanted.without])
    nobodys = [text for text in wanted.labels if not known[text]]
    absent = [
        _not_found("label", text, vocabulary, vocabulary.near(text), wanted) for text in nobodys
    ]
    if absent and not (wanted.any_label and len(absent) < len(wanted.labels)):
        raise absent[0]
    groups = [_group(known[text]) for text in wanted.labels]
    if wanted.any_label and groups:
        groups = [_group(word for text in wanted.labels for word in known[text])]
    for text in wanted.categories:
        if not (some := vocabulary.in_category(text)):
            near = vocabulary.near_categories(text)
            raise _not_found("category", text, vocabulary, near, wanted)
        groups.append(Group(_category(some, text), some))
    return Query(
        groups=tuple({group.labels: group for group in groups}.values()),
        without=frozenset(word.label for text in wanted.without for word in known[text]),
        least=Decimal(str(wanted.min_confidence)),
        prefix=wanted.prefix,
        order=wanted.order,
        unknown=tuple(text for text in wanted.without if not known[text]),
        absent=tuple(absent),
    )


def _group(words: Iterable[Word]) -> Group:
    some = tuple(dict.fromkeys(words))
    return Group(" or ".join(word.name for word in some), some)


def _category(words: Sequence[Word], text: str) -> str:
    """A category as it is written."""
    wanted = contract.label_of(text)
    return next(each for each in words[0].categories if contract.label_of(each) == wanted)


def _not_found(
    kind: str, text: str, vocabulary: Vocabulary, near: Sequence[str], wanted: Wanted
) -> LabelNotFoundError:
    what = "has the label" if kind == "label" else "has a label in the category"
    message = f'No photo {what} "{text}".'
    if not vocabulary.words:
        hint = "No photo has been labelled yet. Next: labelctl upload PATH"
        return LabelNotFoundError(message, hint)
    if not near:
        return LabelNotFoundError(message, "`labelctl stats` shows the commonest labels.")
    some = near[0] if len(near) == 1 else f"{', '.join(near[:-1])} or {near[-1]}"
    return LabelNotFoundError(message, f"Did you mean {some}? {wanted.command(text, near[0])}")


class Search:
    """One query, being answered. `looked` counts the photos whose headers were looked at so far."""

    def __init__(self, reader: Reader, s3: S3Client, bucket: str, query: Query) -> None:
        self.looked = 0
        self._reader = reader
        self._query = query
        self._groups = [group.labels - query.without for group in query.groups]
        self._listed = Listed(s3, bucket, query.prefix) if query.prefix else None
        self._seen: dict[str, None] = {}

    @property
    def spent(self) -> str:
        """What was read so far."""
        lists = self._listed.requests if self._listed else 0
        listed = f", and {counted(lists, 'listing')} of the bucket" if lists else ""
        return f"{self._reader.spent}{listed}"

    def matches(self, most: int) -> Generator[Match, None, None]:
        """The photos that answer it, best first, up to `most`, which is what memory grows with."""
        if not all(self._groups):  # what is wanted is excluded
            return
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")
        try:
            yield from self._matches(pool, most)
            pool.shutdown(cancel_futures=True)  # what is still under way is on the bill
        finally:  # but nobody who leaves early waits for it
            pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, pool: Executor, most: int) -> Iterator[Match]:
        rank = attrgetter("confidence" if self._query.order == "surest" else "uploaded_at")
        candidates = leading(self._sets(pool, most))
        reading: deque[Any] = deque()  # headers that are on their way, and what can come after them
        known: set[str] = set()  # what was told or is held, so that nothing is told twice
        held: list[Match] = []  # those that wait, the best at the end
        told, depth, ended = 0, 1, False
        while True:
            # At first no more is read than may be wanted; the longer it takes, the more at once.
            batch = min(BATCH, -(-(most - told) * (self.looked + 1) // (told + 1)))
            while not ended and len(reading) < (depth if batch == BATCH else 1):
                images, bound, ended = self._draw(candidates, batch)
                reading.append((pool.submit(self._headers, images), bound, ended))
            if not reading:
                return
            headers, bound, last = reading.popleft()
            for header in headers.result().values():
                self.looked += 1
                match = self._judge(header)
                if match and match.image not in known:
                    known.add(match.image)
                    insort_left(held, match, key=rank)
            for match in held[: max(0, len(held) - (most - told))]:
                known.discard(match.image)
            del held[: max(0, len(held) - (most - told))]
            while held and (last or (bound is not None and rank(held[-1]) >= bound)):
                yield held.pop()
                told += 1
            if told == most:
                return
            depth = min(depth * 2, _THREADS // 2)

    def _sets(self, pool: Executor, most: int) -> list[Set]:
        query = self._query
        labels: list[Set] = [
            Labels(self._reader, pool, sorted(group), query.least, query.order, most)
            for group in sorted(self._groups, key=len)
        ]
        return labels + ([self._listed] if self._listed else [])

    def _draw(self, candidates: Iterator[Entry], size: int) -> tuple[list[str], Rank | None, bool]:
        """The next photos to look at, the greatest rank that can come after them, and if none can."""
        images: list[str] = []
        bound: Rank | None = None
        for rank, image in candidates:
            bound = rank
            if image and image not in self._seen and image.startswith(self._query.prefix):
                self._seen[image] = None
                images.append(image)
                if len(images) == size:
                    break
        else:
            return images, bound, True
        for old in [*islice(self._seen, max(0, len(self._seen) - _REMEMBERED))]:
            del self._seen[old]
        return images, bound, False

    def _headers(self, images: list[str]) -> dict[str, Item]:
        return self._reader.headers(images, "status", "labels", "uploaded_at")

    def _judge(self, header: Item) -> Match | None:
        """What a header says of the query: it is the photo's as it stands, whatever the index said."""
        if header["status"] != contract.LABELLED:
            return None
        labels = {
            contract.label_of(name): Found(name, confidence)
            for name, confidence in header["labels"].items()
            if confidence >= self._query.least
        }
        if not self._query.without.isdisjoint(labels):
            return None
        found = tuple(
            tuple(each for label, each in labels.items() if label in group)
            for group in self._groups
        )
        if not all(found):
            return None
        found = tuple(tuple(sorted(group, key=_surest_first)) for group in found)
        surest = min(group[0].confidence for group in found)
        return Match(header["image"], header["uploaded_at"], surest, found)


def _surest_first(found: Found) -> tuple[Decimal, str]:
    return -found.confidence, found.name
