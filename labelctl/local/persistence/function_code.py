"""Checks the saved code of Lambda functions at startup, and restores damaged code from a copy.

A code file is named by its SHA-256, which reveals damage. Any file with the same digest is a copy: the
zip in the deployment bucket, or the one that this version of labelctl deploys. Otherwise a function
would fail without notice while its stack looks healthy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from labelctl.deploy import package
from labelctl.local.persistence.snapshots import SnapshotStore

_ZIP = b"PK"


def repair(snapshots: SnapshotStore, objects: Path) -> str:
    """Restore missing or damaged code from labelctl's own zip or from `objects`, the stored objects.

    Returns a notice for the user, "" if no code is damaged any more.
    """
    damaged = {
        digest
        for digest in snapshots.blob_references()
        if not _is_intact(snapshots.blobs / f"{digest}.zip", digest)
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
        "The code of a Lambda function is damaged and there is no copy, so the function cannot run. "
        "Photos and labels are kept. Deploy it again: labelctl deploy --local"
    )


def _is_intact(blob: Path, digest: str) -> bool:
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
