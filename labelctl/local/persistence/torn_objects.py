"""Objects that a killed engine had written half, made whole.

The emulator writes an object's bytes and then, into a file beside, its version and the rest. Killed in
between, it would later show bytes without that version, to which no event belongs: the photo could
never be labelled, and sending it again would find it unchanged. But its notification is in the
journal by then, which names the version and the bytes' MD5. A private working of ministack (pinned
exactly).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from labelctl.local.persistence.journal import Event


def repair(events: Iterable[Event]) -> None:
    """Finish writing the objects that these notifications tell of, where it was begun.

    After the state was restored, before anybody asks. Where the bytes are not those of the
    notification, the object was not written at all, and nobody was told that it was.
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
            if any(each["version_id"] == version for each in known):
                continue
            content = Path(path).read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != etag.strip('"'):
                continue
            photo = s3._build_object_record(content, {}, etag=etag)
            photo["version_id"] = version
            for each in known:
                each["is_latest"] = False
            entry = s3._version_entry_from_record(photo, version, None)
            s3._object_versions[(bucket, key)] = [*known, {**entry, "is_latest": True}]
            s3._buckets[bucket]["objects"][key] = photo
            s3._persist_object(bucket, key, photo)
