"""What lies in the bucket, page by page into a temporary SQLite database, and what was found of it.

Memory stays the same for a thousand photos and for a hundred million: SQLite keeps a few pages in
memory and the rest in a file that has no name (about 130 bytes a photo, and as much again for one that
is set aside; in SQLite's temporary folder: SQLITE_TMPDIR, TMPDIR, /var/tmp). So nothing is left behind,
however the process ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from labelctl.contract import is_folder
from labelctl.errors import RefusedError
from labelctl.reads import patiently

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_VARIABLES = 500  # SQLite takes 999 at least
_UNSEEN, _LABELLED, _FAILED, _DOUBTFUL, _ROWS_DOUBTFUL = range(5)
_LEFT = "(state >= 3 OR (state = 0 AND etag IS NOT NULL))"


@dataclass(frozen=True)
class There:
    """A key as it stands in the bucket.

    `etag` is None where there is no photo. `version_id` is None in a bucket without versions. `since`
    (seconds since 1970) is when it came to be so, None where nothing tells: an object that was removed
    together with all its versions. Of an upload in parts it is when that began.
    """

    version_id: str | None = None
    etag: str | None = None
    since: float | None = None

    @property
    def exists(self) -> bool:
        return self.etag is not None

    @property
    def dated(self) -> bool:
        """Whether `since` tells when it came to be so. [S3 User Guide, Multipart upload: LastModified
        is when it was initiated, and the ETag ends with a hyphen and the number of parts]"""
        return self.since is not None and "-" not in (self.etag or "")


@dataclass(frozen=True)
class Doubt:
    """A photo that needs a closer look: as it was listed, and whether its label rows are in doubt."""

    image: str
    there: There
    rows: bool


def newest(page: Any) -> Iterator[tuple[str, There]]:
    """The newest version of each key in a page of ListObjectVersions, delete markers included.

    A folder counts as such a marker: under that key there is no photo, whatever was there before.
    """
    for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
        if each["IsLatest"]:
            version = None if each["VersionId"] == "null" else each["VersionId"]
            gone = "ETag" not in each or is_folder(each["Key"], each.get("Size"))
            etag = None if gone else each["ETag"].strip('"')
            yield each["Key"], There(version, etag, each["LastModified"].timestamp())


def look(s3: S3Client, bucket: str, key: str) -> There:
    """How a key stands in the bucket now, told as the listing tells it.

    It costs as much as a page of the listing: 0.005 USD a thousand. HeadObject would cost a twelfth,
    but takes the right to read photos, and tells nothing of one that is gone. [S3 pricing, us-east-1]
    """
    # The key itself comes before all others that begin so, and its newest version first.
    page = patiently(s3.list_object_versions, Bucket=bucket, Prefix=key, MaxKeys=1)
    return next((there for name, there in newest(page) if name == key), There())


def _date(answer: Any) -> float | None:
    told = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(told).timestamp() if told else None


class Inventory:
    """The photos of one bucket under one prefix, and how each was found. Closed by `with`."""

    def __init__(self) -> None:
        import sqlite3

        self.date: float | None = None  # by S3's clock, when the listing began
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
            "CREATE TABLE photos (image TEXT PRIMARY KEY, version_id TEXT, etag TEXT, since REAL,"
            " state INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
            "CREATE TABLE aside (image TEXT PRIMARY KEY, version_id TEXT, etag TEXT, since REAL)"
            " WITHOUT ROWID"
        )

    def __enter__(self) -> Inventory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import sqlite3

        self._database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise RefusedError(
                f"The list of what the bucket holds could not be kept in a temporary file: {error}.",
                "It takes about 130 bytes a photo. Name a folder with room for it in TMPDIR.",
            ) from error

    def fill(self, s3: S3Client, bucket: str, prefix: str) -> Iterator[int]:
        """List the bucket; tells with each page how many photos it held."""
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            if self.date is None:
                self.date = _date(page)
            listed = [
                (image, there.version_id, there.etag, there.since) for image, there in newest(page)
            ]
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO photos (image, version_id, etag, since) VALUES (?, ?, ?, ?)",
                listed,
            )
            self._database.execute("COMMIT")
            yield sum(etag is not None for _, _, etag, _ in listed)

    def find(self, images: Sequence[str]) -> dict[str, tuple[There, bool]]:
        """Photos as they were listed, and whether they were met in the table before.

        A page at a time: each question to SQLite lets other threads go first.
        """
        found = {}
        for start in range(0, len(images), _VARIABLES):
            part = images[start : start + _VARIABLES]
            rows = self._database.execute(
                "SELECT image, version_id, etag, since, state FROM photos"
                f" WHERE image IN ({', '.join('?' * len(part))})",
                part,
            )
            found.update({row[0]: (There(*row[1:4]), row[4] != _UNSEEN) for row in rows})
        return found

    def settle(self, photos: Sequence[tuple[str, bool]]) -> None:
        """All is well with these photos, labelled (True) or failed."""
        self._mark([(_LABELLED if labelled else _FAILED, image) for image, labelled in photos])

    def doubt(self, photos: Sequence[tuple[str, bool]]) -> None:
        """These need a closer look: their rows (True), or their result."""
        self._mark([(_ROWS_DOUBTFUL if rows else _DOUBTFUL, image) for image, rows in photos])

    def _mark(self, marks: Sequence[tuple[int, str]]) -> None:
        if not marks:
            return
        self._database.execute("BEGIN")
        # What is in the table but not in the bucket has no row here yet.
        self._database.executemany(
            "INSERT INTO photos (state, image) VALUES (?, ?)"
            " ON CONFLICT (image) DO UPDATE SET state = max(state, excluded.state)",
            marks,
        )
        self._database.execute("COMMIT")

    def settled(self) -> tuple[int, int]:
        """How many photos are labelled and how many failed, of those that all is well with."""
        counts = dict(
            self._database.execute(
                "SELECT state, COUNT(*) FROM photos WHERE state IN (?, ?) GROUP BY state",
                (_LABELLED, _FAILED),
            ).fetchall()
        )
        return counts.get(_LABELLED, 0), counts.get(_FAILED, 0)

    def doubts(self) -> int:
        """How many photos need a closer look: those in doubt, and those without anything stored."""
        found = self._database.execute(f"SELECT COUNT(*) FROM photos WHERE {_LEFT}")
        count: int = found.fetchone()[0]
        return count

    def set_aside(self, photos: Sequence[tuple[str, There]]) -> None:
        """These need a second look: how each stood at the first one."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO aside VALUES (?, ?, ?, ?)",
            [(image, there.version_id, there.etag, there.since) for image, there in photos],
        )
        self._database.execute("COMMIT")

    def doubtful(self, size: int, *, again: bool = False) -> Iterator[list[Doubt]]:
        """The photos that need a closer look, in the order of their keys, a few at a time.

        With `again` these are the ones that were set aside.
        """
        found = self._database.execute(f"{_doubts(again)} ORDER BY image")
        with closing(found):
            while rows := found.fetchmany(size):
                yield [_doubt(row) for row in rows]

    def doubtful_among(self, images: Sequence[str], *, again: bool = False) -> list[Doubt]:
        """Those of the images (at most 500) that need a closer look."""
        found = self._database.execute(
            f"{_doubts(again)} AND image IN ({', '.join('?' * len(images))}) ORDER BY image", images
        )
        return [_doubt(row) for row in found]


def _doubts(again: bool) -> str:
    if again:
        return (
            "SELECT image, aside.version_id, aside.etag, aside.since, state"
            " FROM aside JOIN photos USING (image) WHERE TRUE"
        )
    return f"SELECT image, version_id, etag, since, state FROM photos WHERE {_LEFT}"


def _doubt(row: Sequence[Any]) -> Doubt:
    return Doubt(row[0], There(*row[1:4]), row[4] == _ROWS_DOUBTFUL)
