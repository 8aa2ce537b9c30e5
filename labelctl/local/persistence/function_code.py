"""The saved code of Lambda functions, checked at a start and restored from a copy where it is damaged.

A file of code is named by its SHA-256, so damage to it shows, and any file with that digest is the
same code: the one in the bucket that it was deployed from, or the one that this labelctl deploys.
Without this a function would fail in silence, while its stack looks well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from labelctl.deploy import package
from labelctl.local.persistence.snapshots import SnapshotStore

_ZIP = b"PK"


def repair(snapshots: SnapshotStore, objects: Path) -> str:
    """Restore code that is damaged or missing, from `objects` (the folder of stored objects) too.

    Returns what the user should know: "" when nothing was wrong, or all of it was restored.
    """
    damaged = {
        digest
        for digest in snapshots.blob_references()
        if not _is_whole(snapshots.blobs / f"{digest}.zip", digest)
    }
    for content in _copies(objects) if damaged else ():
        digest = hashlib.sha256(content).hexdigest()
        if digest in damaged:
            snapshots.write_blob(digest, content)
            damaged.remove(digest)
        if not damaged:
            break
    if not damaged:
        return ""
    return (
        "The code of a Lambda function is damaged, and no copy of it is left, so it does no work. "
        "Photos and labels are kept. Deploy it again: labelctl deploy --local"
    )


def _is_whole(blob: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(blob.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _copies(objects: Path) -> Iterator[bytes]:
    yield package.build().content
    for path in objects.rglob("*"):
        if path.is_file() and _starts_as_zip(path):
            yield path.read_bytes()


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_ZIP)) == _ZIP
