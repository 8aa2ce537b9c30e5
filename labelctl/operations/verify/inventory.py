"""The objects in the bucket and the stored results, joined in a temporary SQLite file.

Memory use is the same for a thousand photos and for a hundred million: SQLite keeps a few pages in
memory and the rest in an unnamed file of about 330 bytes a photo, in its temporary folder
(SQLITE_TMPDIR, TMPDIR, or /var/tmp). The file disappears however the process ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from labelctl.errors import RefusedError
from labelctl.operations.verify.rules import PhotoState
from labelctl.photos.versions import ObjectVersion

if TYPE_CHECKING:
    from labelctl.labels.reader import Item

ATTRIBUTES = ("status", "sequencer", "attempt", "version_id", "etag", "done_at", "label_count")
"""The attributes of a photo's item that are kept, besides its key."""

_MAX_VARIABLES = 500  # per statement; SQLite allows at least 999
_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;
CREATE TABLE objects (image TEXT PRIMARY KEY, version_id TEXT, etag TEXT, since REAL) WITHOUT ROWID;
CREATE TABLE results (image TEXT PRIMARY KEY, status TEXT, sequencer TEXT, attempt TEXT,
    version_id TEXT, etag TEXT, done_at TEXT, label_count INTEGER, indexed INTEGER DEFAULT 0)
    WITHOUT ROWID;
CREATE TABLE problems (kind TEXT, image TEXT, detail TEXT, sequencer TEXT);
CREATE TABLE unmatched (image TEXT, label TEXT, rank TEXT, PRIMARY KEY (image, label, rank))
    WITHOUT ROWID;
"""
_COLUMNS = ", ".join(f"results.{name}" for name in ATTRIBUTES)
_PHOTOS = f"""
SELECT image, objects.version_id, objects.etag, since, {_COLUMNS}
    FROM objects LEFT JOIN results USING (image)
UNION ALL
SELECT image, NULL, NULL, NULL, {_COLUMNS}
    FROM results WHERE NOT EXISTS (SELECT 1 FROM objects WHERE objects.image = results.image)
"""


class Problem(NamedTuple):
    """A problem with a photo, in a sentence, and the sequencer of the event that repairs it."""

    kind: str
    image: str
    detail: str
    sequencer: str


class Inventory:
    """The photos of one bucket and their results. Created by `open_inventory`."""

    def __init__(self, database: Any) -> None:
        self._database = database
        database.executescript(_TABLES)

    def add_objects(self, objects: Iterable[ObjectVersion]) -> None:
        """Add the current versions of keys in the bucket."""
        rows = [(each.key, each.version_id, each.etag, each.since) for each in objects]
        self._write("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", rows)

    def add_results(self, items: Iterable[Item]) -> None:
        """Add photos' items, keeping only `ATTRIBUTES`."""
        rows = [
            (item["image"], *(_value(item.get(name)) for name in ATTRIBUTES), 0) for item in items
        ]
        self._write("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def photos(self) -> Iterator[PhotoState]:
        """Every key with its object in the bucket and its item, first the keys with an object."""
        for row in self._database.execute(_PHOTOS):
            stored = dict(zip(ATTRIBUTES, row[4:], strict=True)) if row[4] else None
            yield PhotoState(ObjectVersion(*row[:3], since=row[3]), stored)

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Store problems for a later repair."""
        self._write("INSERT INTO problems VALUES (?, ?, ?, ?)", [*problems])

    def problems(self) -> Iterator[Problem]:
        """The problems that were added."""
        return (Problem(*row) for row in self._database.execute("SELECT * FROM problems"))

    def attempts(self, images: Iterable[str]) -> dict[str, str]:
        """The attempts that stored the current labels, by the photos' keys."""
        keys = [*dict.fromkeys(images)]
        found: dict[str, str] = {}
        for start in range(0, len(keys), _MAX_VARIABLES):
            part = keys[start : start + _MAX_VARIABLES]
            found |= self._database.execute(
                "SELECT image, attempt FROM results WHERE status = 'labelled'"
                f" AND image IN ({', '.join('?' * len(part))})",
                part,
            ).fetchall()
        return found

    def count_labels(self) -> int:
        """The number of labels of all photos that were added."""
        [(count,)] = self._database.execute("SELECT COALESCE(SUM(label_count), 0) FROM results")
        return int(count)

    def count_indexed(self, counts: Iterable[tuple[str, int]]) -> None:
        """Add to the number of index items of each photo's result."""
        rows = [(count, image) for image, count in counts]
        self._write("UPDATE results SET indexed = indexed + ? WHERE image = ?", rows)

    def add_unmatched(self, items: Iterable[Item]) -> None:
        """Add index items that belong to no stored result."""
        rows = [(item["image"], item["label"], item["rank"]) for item in items]
        self._write("INSERT OR REPLACE INTO unmatched VALUES (?, ?, ?)", rows)

    def unmatched(self) -> Iterator[list[Item]]:
        """The index items that belong to no stored result, one list per photo."""
        rows = self._database.execute("SELECT image, label, rank FROM unmatched ORDER BY image")
        items = (dict(zip(("image", "label", "rank"), row, strict=True)) for row in rows)
        return ([*group] for _, group in groupby(items, key=itemgetter("image")))

    def incompletely_indexed(self) -> Iterator[str]:
        """The keys of labelled photos with fewer index items than labels."""
        query = "SELECT image FROM results WHERE status = 'labelled' AND indexed < label_count"
        return (image for (image,) in self._database.execute(query))

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


@contextmanager
def open_inventory() -> Iterator[Inventory]:
    """An empty inventory, deleted on exit. Raises RefusedError if its file cannot be written."""
    import sqlite3

    with closing(sqlite3.connect("", isolation_level=None)) as database:
        try:
            yield Inventory(database)
        except sqlite3.OperationalError as error:
            raise RefusedError(
                f"Could not write the list of photos to a temporary file: {error}.",
                "It takes about 330 bytes a photo. Set TMPDIR to a folder with enough free space.",
            ) from error


def _value(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else int(value)
