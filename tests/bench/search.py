"""What a search reads: requests and read units, by AWS's rules, on tables in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labelctl.errors import LabelNotFoundError
from labelctl.labels.reader import Reader
from labelctl.labels.search.query import SearchRequest, plan
from labelctl.labels.search.run import Search
from labelctl.labels.search.vocabulary import Vocabulary
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, made

LIMIT = 100

SEARCHES = (
    ("a common label", SearchRequest(labels=["thing 0"])),
    ("the same, newest first", SearchRequest(labels=["thing 0"], order="newest")),
    ("… at least 90 %", SearchRequest(labels=["thing 0"], order="newest", min_confidence=90)),
    ("… from 99.9 % on", SearchRequest(labels=["thing 0"], order="newest", min_confidence=99.9)),
    ("a rare label", SearchRequest(labels=["thing 490"])),
    ("by an alias", SearchRequest(labels=["item 490"])),
    ("a common one and a rare one", SearchRequest(labels=["thing 0", "thing 490"])),
    ("a common and a less common one", SearchRequest(labels=["thing 0", "thing 60"])),
    ("the same, the other way round", SearchRequest(labels=["thing 60", "thing 0"])),
    ("the same, newest first", SearchRequest(labels=["thing 0", "thing 60"], order="newest")),
    ("two common ones", SearchRequest(labels=["thing 0", "thing 1"])),
    ("any of two", SearchRequest(labels=["thing 0", "thing 1"], any_label=True)),
    ("one without another, common", SearchRequest(labels=["thing 0"], without=["thing 1"])),
    ("--category of 50 labels", SearchRequest(categories=["tens"])),
    ("--prefix with 10 photos", SearchRequest(labels=["thing 0"], prefix="07/photo-0000")),
    ("an unknown label", SearchRequest(labels=["thimg 0"])),
)


def search(rows: int) -> None:
    """Make tables with so many index items, search them, and print what each search reads."""
    table = made(rows)
    print(f"{rows:,} labels of {rows // 20:,} photos; the first {LIMIT} photos of each answer.")
    print("Requests and read units are by AWS's rules. Seconds are those of tables in memory:")
    print("of what labelctl itself does, without the way to AWS and back.\n")
    print(f"{'':32}{'photos':>8}{'requests':>10}{'units':>9}{'seconds':>9}")
    for name, request in SEARCHES:
        photos, spent, seconds = _measured(table, request)
        print(f"{name:32}{photos:>8,}{spent.requests:>10,}{spent.units:>9,.1f}{seconds:>9.3f}")
    count, reader, seconds = _timed(_scanned, table)
    print(f"\n{'for comparison: a scan':32}{count:>8,}", end="")
    print(f"{reader.spent.requests:>10,}{reader.spent.units:>9,.1f}{seconds:>9.3f}")


def _measured(table: PhotoTables, request: SearchRequest) -> tuple[int, Any, float]:
    count, reader, seconds = _timed(lambda reader: _answered(reader, table, request), table)
    return count, reader.spent, seconds


def _answered(reader: Reader, table: PhotoTables, request: SearchRequest) -> int:
    try:
        query = plan(Vocabulary(reader), request)
    except LabelNotFoundError:
        return 0
    matches = Search(reader, table.bucket, "photos", query).matches(LIMIT + 1)  # type: ignore[arg-type]
    return min(LIMIT, sum(1 for _ in matches))


def _scanned(reader: Reader) -> int:
    return sum(map(len, reader.scan_photos("status")))


def _timed(run: Callable[[Reader], int], table: PhotoTables) -> tuple[int, Reader, float]:
    reader = Reader(table, PHOTOS, LABELS)  # type: ignore[arg-type]
    started = time.perf_counter()
    count = run(reader)
    return count, reader, time.perf_counter() - started
