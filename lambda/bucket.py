"""How a photo lies in the bucket now, where an event alone does not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


SETTLING = timedelta(minutes=20)
"""How old a photo must be for S3's 404 to prove that it is gone.

For up to 15 minutes after versions were turned on for a bucket, S3 may deny photos that are there
[S3 User Guide, "Enabling versioning on buckets"; S3 API, PutBucketVersioning]; and no photo of ours is
older than its bucket's versions.
"""


class Bucket:
    """The bucket that an event names. `client` makes the client when it is first needed."""

    def __init__(self, client: Callable[[], S3Client]) -> None:
        self._client = client

    def has(self, event: PhotoEvent) -> bool:
        """Whether the version (in a bucket without versions: the object) is still there.

        Raises TimeoutError for a young photo that S3 denies: if it was removed since, its own event
        tells so within seconds.
        """
        if event.version_id:
            which = {"VersionId": event.version_id}
        else:
            which = {"IfMatch": f'"{event.etag}"'} if event.etag else {}
        try:
            self._client().head_object(Bucket=event.bucket, Key=event.key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            # 412: another object lies in its place. Anything else is no proof that it is gone.
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404 and datetime.now(UTC) - datetime.fromisoformat(event.at) < SETTLING:
                raise TimeoutError("S3 does not show the photo yet, or no more.") from error
            if status in (404, 412):
                return False
            raise
        return True

    def current(self, event: PhotoEvent) -> PhotoEvent | None:
        """The photo as it lies there now, under the event's sequencer; None if it is gone.

        It is, too, if a folder lies in its place.

        In a bucket with versions, removing one that is not the newest changes nothing, and removing
        the newest (or a delete marker) shows the one before it, for which S3 sends no event of its
        own.
        """
        try:
            head = self._client().head_object(Bucket=event.bucket, Key=event.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        if s3_events.is_folder(event.key, head["ContentLength"]):
            return None
        return replace(
            event,
            kind="created",
            version_id=s3_events.known_version(head.get("VersionId")),
            etag=head["ETag"].strip('"'),
            size=head["ContentLength"],
            at=s3_events.iso(head["LastModified"]),
        )
