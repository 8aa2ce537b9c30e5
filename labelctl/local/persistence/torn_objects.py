"""Repairs objects that were only partly written when the engine was killed.

The emulator writes an object's bytes first and its version and other metadata, in a second file, later.
If it is killed in between, the object has no version that matches an event, so the photo would never be
labelled, and a new upload would find it unchanged. But by then its notification is in the journal, with
the version and the bytes' MD5. This relies on private functions of ministack (pinned exactly).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from labelctl.local.persistence.journal import Event


def repair(events: Iterable[Event]) -> None:
    """Add the missing metadata of the objects in these notifications.

    Call it after the state is restored and before the first request. If the bytes do not match the
    notification, the object was not written, and the upload was never confirmed.
    """
    from ministack.core.responses import request_scope
    from ministack.services import s3

    for event in events:
        bucket, key, name, _, etag, _ = event["about"]
        version = event["options"].get("version_id")
        if not name.startswith("s3:ObjectCreated:") or not version:
            continue
        with request_scope(event["account"], event["region"]):
            path = s3._object_disk_path(bucket, key)
            known = s3._object_versions.get((bucket, key)) or []
            if bucket not in s3._buckets or path is None or not Path(path).is_file():
                continue
            if any(entry["version_id"] == version for entry in known):
                continue
            content = Path(path).read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != etag.strip('"'):
                continue
            photo = s3._build_object_record(content, {}, etag=etag)
            photo["version_id"] = version
            for older in known:
                older["is_latest"] = False
            entry = s3._version_entry_from_record(photo, version, None)
            s3._object_versions[(bucket, key)] = [*known, {**entry, "is_latest": True}]
            s3._buckets[bucket]["objects"][key] = photo
            s3._persist_object(bucket, key, photo)
