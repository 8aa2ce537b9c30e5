"""What lists and pictures read: requests and read units, by AWS's rules, on tables in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from labelctl.labels import export, export_formats, images, listing, results, stats
from labelctl.labels.reader import Reader
from labelctl.photos import versions
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, made

LIMIT = 100


@dataclass(frozen=True)
class Cost:
    """What a command read: requests to the table and read units, listings of the bucket, seconds."""

    what: str
    requests: int
    units: float
    listings: int
    seconds: float


def costs(table: PhotoTables) -> Iterator[Cost]:
    """The cost of each of the commands on a table that `made` made, or one like it."""
    s3: Any = table.bucket
    bucket = "photos"

    def some(reader: Reader, state: str | None, prefix: str = "") -> int:
        found = images.by_key(s3, bucket, reader, prefix, state, LIMIT + 1)
        return len([*islice(found, LIMIT + 1)])

    def latest(reader: Reader) -> int:
        return len([*islice(images.by_status(reader, "labelled", LIMIT + 1), LIMIT + 1)])

    def counted(reader: Reader, prefix: str = "") -> int:
        tally = stats.Tally()
        for page in listing.photos(
            reader, versions.list_photos(s3, bucket, prefix), *stats.ATTRIBUTES
        ):
            tally.add(page)
        return tally.photos

    def exported(reader: Reader, prefix: str = "") -> int:
        parts = (
            export.labels_under_prefix(reader, s3, bucket, prefix)
            if prefix
            else export.all_labels(reader)
        )
        with tempfile.TemporaryFile() as file, export_formats.writer("csv", file) as writer:
            return sum(_written(writer, part) for part in parts)

    def shown(reader: Reader) -> int:
        return len(results.read(reader, first).labels)

    def read(reader: Reader) -> int:
        """The labels with their boxes, as `gallery` reads them."""
        some = islice(versions.list_photos(s3, bucket, "", LIMIT), LIMIT)
        return len([*results.read_many(reader, some)])

    first = next(versions.list_photos(s3, bucket, "", 1))
    runs: dict[str, Callable[[Reader], int]] = {
        "images": lambda reader: some(reader, None),
        "images --status labelled": latest,
        "images --status waiting": lambda reader: some(reader, "waiting"),
        "stats": counted,
        "stats --prefix, 1 % of it": lambda reader: counted(reader, "07/"),
        "export": exported,
        "export --prefix, 1 % of it": lambda reader: exported(reader, "07/"),
        "show": shown,
        "gallery --limit 100": read,
    }
    for what, run in runs.items():
        calls, units = table.calls.total(), table.read_units
        listings = table.bucket.calls["ListObjectsV2"]
        started = time.perf_counter()
        run(Reader(table, PHOTOS, LABELS))  # type: ignore[arg-type]
        yield Cost(
            what,
            table.calls.total() - calls,
            table.read_units - units,
            table.bucket.calls["ListObjectsV2"] - listings,
            time.perf_counter() - started,
        )


def _written(writer: export_formats.Writer, part: export.Batch) -> int:
    writer.write(part.records)
    return len(part.records)


def lists(rows: int) -> None:
    """Print what each command reads of `rows` labels."""
    table = made(rows)
    print(f"{rows:,} labels of {rows // 20:,} photos; images: the first {LIMIT}.")
    print("show and gallery fetch each photo besides: one HEAD and GET, one GET.\n")
    print(f"{'':30}{'requests':>10}{'units':>10}{'listings':>10}{'seconds':>9}")
    for cost in costs(table):
        print(f"{cost.what:30}{cost.requests:>10,}{cost.units:>10,.1f}", end="")
        print(f"{cost.listings:>10,}{cost.seconds:>9.3f}")
