"""Looking up photos in the bucket, where the event is not enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent

if TYPE_CHECKING:
    from labeller.clients import Clients

SETTLING = timedelta(minutes=20)
"""Age of a photo from which S3's 404 proves that it was removed.

For up to 15 minutes after versioning was enabled for a bucket, S3 may return 404 for existing photos
[S3 User Guide, "Enabling versioning on buckets"; S3 API, PutBucketVersioning]. The template enables
versioning when it creates the bucket, so that affects only young photos.
"""


class Bucket:
    """Access to the bucket named in an event."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def has(self, event: PhotoEvent) -> bool:
        """Return whether the version (in an unversioned bucket: the object) still exists.

        Raises TimeoutError if S3 does not find a young photo. If it was removed, the event of its
        removal arrives within seconds.
        """
        if event.version_id:
            condition = {"VersionId": event.version_id}
        else:
            condition = {"IfMatch": f'"{event.etag}"'} if event.etag else {}
        try:
            self._clients.s3.head_object(Bucket=event.bucket, Key=event.key, **condition)  # type: ignore[arg-type]
        except ClientError as error:
            # 412: it was replaced by another object. Other errors do not prove that it was removed.
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404 and datetime.now(UTC) - datetime.fromisoformat(event.at) < SETTLING:
                raise TimeoutError(
                    "S3 cannot find the photo: it is not visible yet, or was removed."
                ) from error
            if status in (404, 412):
                return False
            raise
        return True

    def current(self, event: PhotoEvent) -> PhotoEvent | None:
        """Return an event for the current version of the photo, with the event's sequencer.

        Returns None if the photo is gone or replaced by a folder. Removing the newest version (or a
        delete marker) makes the previous version current, for which S3 sends no event. Raises
        TimeoutError if the photo is listed, but S3 does not find it yet (see `SETTLING`).
        """
        try:
            head = self._clients.s3.head_object(Bucket=event.bucket, Key=event.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            if self._is_listed(event):
                raise TimeoutError("S3 cannot find the photo yet.") from error
            return None
        if s3_events.is_folder(event.key, head["ContentLength"]):
            return None
        return replace(
            event,
            kind="created",
            version_id=s3_events.normalize_version_id(head.get("VersionId")),
            etag=head["ETag"].strip('"'),
            size=head["ContentLength"],
            at=s3_events.format_time(head["LastModified"]),
        )

    def _is_listed(self, event: PhotoEvent) -> bool:
        # The key itself is listed before all longer keys.
        page = self._clients.s3.list_objects_v2(Bucket=event.bucket, Prefix=event.key, MaxKeys=1)
        return any(each["Key"] == event.key for each in page.get("Contents", ()))
