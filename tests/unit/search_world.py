"""Tables to search, and the expected results from reading every photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from labelctl.contract import schema
from labelctl.labels.reader import Reader
from labelctl.labels.search.query import SearchRequest, plan
from labelctl.labels.search.run import Match, Search
from labelctl.labels.search.vocabulary import Vocabulary
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, made

RARE = 30
"""Photos of `weathered` with the label "Rarity"."""

LATE = "2026-12-31T00:00:00.000Z"


def reader_of(tables: PhotoTables) -> Reader:
    """A new reader with no consumed capacity."""
    return Reader(tables, PHOTOS, LABELS)  # type: ignore[arg-type]


def search_of(tables: PhotoTables, request: SearchRequest) -> tuple[Search, Reader]:
    """A new search and its reader."""
    reader = reader_of(tables)
    query = plan(Vocabulary(reader), request)
    return Search(reader, tables.bucket, "photos", query), reader  # type: ignore[arg-type]


def search(
    tables: PhotoTables, request: SearchRequest, most: int = 10**6
) -> tuple[list[Match], Reader]:
    """The matches of a search, and its reader with the consumed capacity."""
    searching, reader = search_of(tables, request)
    return [*searching.matches(most)], reader


def weathered(entries: int) -> PhotoTables:
    """Tables as they are in life: photos were replaced, failed or were removed.

    After half of these changes the old index items are still there.
    """
    tables = made(entries)
    images = tables.bucket.keys()
    for number in range(RARE):
        at = f"2025-06-01T00:00:{number:02}.000Z"
        labels = {"Rarity": 60 + number, "Thing 0": 99.5}
        tables.put_photo(f"rare/{number:02}.jpg", labels, at=at)
    for number, image in enumerate(images[:: len(images) // 60]):
        kind = number % 6
        if kind in (0, 1):
            tables.put_photo(image, {"Thing 0": 77.5, "Thing 3": 88}, at=LATE, leave=kind == 0)
        elif kind in (2, 3):
            tables.fail_photo(image, at=LATE, leave=kind == 2)
        else:
            tables.remove_photo(image, at=LATE, leave=kind == 4)
    return tables


@dataclass(frozen=True)
class Known:
    """A labelled photo as its item has it."""

    image: str
    uploaded_at: str
    labels: dict[str, Decimal]


def labelled_photos(tables: PhotoTables) -> list[Known]:
    """All labelled photos, read without any index."""
    return [
        Known(
            item["image"],
            item["uploaded_at"],
            {schema.label_of(name): confidence for name, confidence in item["labels"].items()},
        )
        for item in tables.items(PHOTOS)
        if item["status"] == schema.LABELLED
    ]


def groups_of(request: SearchRequest) -> list[set[str]]:
    """The requested groups of labels, without the vocabulary. For tables of `made`."""
    groups = [{schema.label_of(label)} for label in request.labels]
    if request.any_label:
        groups = [set().union(*groups)] if groups else []
    tens = {f"thing {number}" for number in range(0, 500, 10)}
    others = {f"thing {number}" for number in range(500)} - tens
    return groups + [tens if name.lower() == "tens" else others for name in request.categories]


def brute(known: Sequence[Known], request: SearchRequest) -> list[tuple[str, Decimal, str]]:
    """Key, confidence and time of all matching photos, in the expected order."""
    least = Decimal(str(request.min_confidence))
    groups = groups_of(request)
    without = {schema.label_of(label) for label in request.without}
    found = []
    for photo in known:
        labels = {label for label, confidence in photo.labels.items() if confidence >= least}
        shown = [group & labels for group in groups]
        if photo.image.startswith(request.prefix) and not labels & without and all(shown):
            best = min(max(photo.labels[label] for label in group) for group in shown)
            found.append((photo.image, best, photo.uploaded_at))
    found.sort()
    by = 1 if request.order == "confidence" else 2
    return sorted(found, key=lambda each: each[by], reverse=True)


def answer_of(matches: Sequence[Match]) -> list[tuple[str, Decimal, str]]:
    """The same of what a search found."""
    return [(match.image, match.confidence, match.uploaded_at) for match in matches]
