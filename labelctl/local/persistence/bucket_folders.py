"""Finds buckets whose files were deleted by another program.

The emulator creates a bucket's folder with the bucket, and deletes it with the bucket.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

from labelctl.local.persistence.snapshots import CURRENT, SnapshotStore


def missing(snapshots: SnapshotStore, objects: Path) -> list[Path]:
    """The folders in `objects`, the stored objects, that the current state's buckets lack."""
    try:
        saved = json.loads((snapshots.folder / CURRENT / "s3.json").read_bytes())
        keys = saved["payload"]["buckets_meta"]["data"]  # account, NUL, the bucket's name in quotes
        accounts_and_names = [key.split("\0") for key in keys]
        folders = [
            objects / account / ast.literal_eval(name) for account, name in accounts_and_names
        ]
    except (OSError, ValueError, LookupError, TypeError, SyntaxError):  # no snapshot
        return []
    return [folder for folder in folders if not folder.is_dir()]
