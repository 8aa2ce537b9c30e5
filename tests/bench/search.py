"""What a search reads: requests and capacity, by AWS's rules, on a table in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labelctl.errors import LabelNotFoundError
from labelctl.reads import Reader
from labelctl.search import Search, Wanted, plan
from labelctl.vocabulary import Vocabulary
from tests.unit.table_fake import TableFake, made

LIMIT = 100

SEARCHES = (
    ("a common label", Wanted(labels=["thing 0"])),
    ("the same, newest first", Wanted(labels=["thing 0"], order="newest")),
    ("… from 90 % on", Wanted(labels=["thing 0"], order="newest", min_confidence=90)),
    ("… from 99.9 % on", Wanted(labels=["thing 0"], order="newest", min_confidence=99.9)),
    ("a rare label", Wanted(labels=["thing 490"])),
    ("by an alias", Wanted(labels=["item 490"])),
    ("a common one and a rare one", Wanted(labels=["thing 0", "thing 490"])),
    ("two common ones", Wanted(labels=["thing 0", "thing 1"])),
    ("any of two", Wanted(labels=["thing 0", "thing 1"], any_label=True)),
    ("one without another, common", Wanted(labels=["thing 0"], without=["thing 1"])),
    ("--category of 50 labels", Wanted(categories=["tens"])),
    ("--prefix with 10 photos", Wanted(labels=["thing 0"], prefix="07/photo-0000")),
    ("an unknown label", Wanted(labels=["thimg 0"])),
)


def search(rows: int) -> None:
    """Make a table of so many label rows, search it, and print what each search reads."""
    table = made(rows)
    print(f"{rows:,} label rows of {rows // 20:,} photos; the first {LIMIT} photos of each answer.")
    print("Requests and read units are by AWS's rules. Seconds are those of a table in memory:")
    print("of what labelctl itself does, without the way to AWS and back.\n")
    print(f"{'':30}{'photos':>8}{'requests':>10}{'units':>9}{'seconds':>9}")
    for name, wanted in SEARCHES:
        photos, spent, seconds = _measured(table, wanted)
        print(f"{name:30}{photos:>8,}{spent.requests:>10,}{spent.units:>9,.1f}{seconds:>9.3f}")
    count, reader, seconds = _timed(_scanned, table)
    print(f"\n{'for comparison: a scan':30}{count:>8,}", end="")
    print(f"{reader.spent.requests:>10,}{reader.spent.units:>9,.1f}{seconds:>9.3f}")


def _measured(table: TableFake, wanted: Wanted) -> tuple[int, Any, float]:
    count, reader, seconds = _timed(lambda reader: _answered(reader, table, wanted), table)
    return count, reader.spent, seconds


def _answered(reader: Reader, table: TableFake, wanted: Wanted) -> int:
    try:
        query = plan(Vocabulary(reader), wanted)
    except LabelNotFoundError:
        return 0
    matches = Search(reader, table.bucket, "photos", query).matches(LIMIT + 1)
    return min(LIMIT, sum(1 for _ in matches))


def _scanned(reader: Reader) -> int:
    header = {"ExpressionAttributeNames": {"#row": "row"}, "FilterExpression": "#row = :row"}
    pages = reader.scan(**header, ExpressionAttributeValues={":row": {"S": "#"}})
    return sum(len(page.items) for page in pages)


def _timed(run: Callable[[Reader], int], table: TableFake) -> tuple[int, Reader, float]:
    reader = Reader(table, table.name)
    started = time.perf_counter()
    count = run(reader)
    return count, reader, time.perf_counter() - started
