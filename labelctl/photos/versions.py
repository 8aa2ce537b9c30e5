"""Looking up photos in the bucket, and checking whether a stored result belongs to a version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import is_missing
from labelctl.aws.throttling import call_with_backoff
from labelctl.contract import s3_events, schema

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.contract.s3_events import PhotoEvent

MAX_PAGE = 1000
"""Objects per listing request. [S3 API, ListObjectsV2]"""

RESULT_ATTRIBUTES = ("status", "sequencer", "version_id", "etag")
"""The attributes of a photo's item that `is_result_of` needs."""


@dataclass(frozen=True)
class ObjectVersion:
    """One version of a key in the bucket.

    `etag` is None if there is no photo: the key was removed, is a folder, or is unknown.
    `version_id` is None in an unversioned bucket, or if unknown. `since` is when this version was
    created or removed, in seconds since 1970; `size` is in bytes; both are None if unknown. With
    `sequencer`, only a result with this sequencer or a later one is a result of this version.
    """

    key: str
    version_id: str | None = None
    etag: str | None = None
    since: float | None = field(default=None, kw_only=True)
    size: int | None = field(default=None, kw_only=True, compare=False)
    sequencer: str = field(default="", kw_only=True)

    @property
    def exists(self) -> bool:
        return self.etag is not None


def is_key(key: str) -> bool:
    """Return whether S3 accepts the text as a key."""
    try:
        return 0 < len(key.encode()) <= s3_events.MAX_KEY
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False


def current_photo(s3: S3Client, bucket: str, key: str) -> ObjectVersion | None:
    """Return the current version of a photo, or None if there is none (or only a folder).

    For up to 15 minutes after versioning was enabled, S3 may answer 404 for an existing object. So the
    bucket's listing confirms a 404; it has no version id. [S3 User Guide, "Enabling versioning on
    buckets"]
    """
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return _listed_photo(s3, bucket, key)
        raise
    if s3_events.is_folder(key, head["ContentLength"]):
        return None
    return of_response(key, head)


def _listed_photo(s3: S3Client, bucket: str, key: str) -> ObjectVersion | None:
    # The key itself is listed before all longer keys.
    page = call_with_backoff(s3.list_objects_v2, Bucket=bucket, Prefix=key, MaxKeys=1)
    photos = (of_listing(each) for each in page.get("Contents", ()) if each["Key"] == key)
    return next((photo for photo in photos if photo.exists), None)


def of_response(key: str, response: Any) -> ObjectVersion:
    """Return the version of `key` in a response of HeadObject or PutObject."""
    version = s3_events.normalize_version_id(response.get("VersionId"))
    return ObjectVersion(key, version, response["ETag"].strip('"'))


def is_result_of(item: Any, sent: ObjectVersion) -> bool:
    """Return whether a photo's item is the result of this version of the photo."""
    if item["status"] == schema.REMOVED or item["sequencer"] < sent.sequencer:
        return False
    if sent.version_id and item.get("version_id"):
        return bool(item["version_id"] == sent.version_id)
    return bool(item.get("etag") == sent.etag)


def list_photos(
    s3: S3Client, bucket: str, prefix: str, page: int = MAX_PAGE
) -> Iterator[ObjectVersion]:
    """List the photos whose keys start with `prefix`, in key order, lazily, without version ids.

    `page` is the number of objects per request: use a small one if only a few are needed.
    """
    pages: Any = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": min(page, MAX_PAGE)}
    )
    listed = (each for page in pages for each in page.get("Contents", ()))
    return (photo for photo in map(of_listing, listed) if photo.exists)


def list_newest(s3: S3Client, bucket: str, prefix: str) -> Iterator[list[ObjectVersion]]:
    """List the newest version of each key that starts with `prefix`, lazily, one list per request.

    Removed photos and folders are included, as versions that do not exist.
    """
    pages: Any = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return map(_newest, pages)


def newest_version(s3: S3Client, bucket: str, key: str) -> ObjectVersion:
    """Return the newest version of a key, by ListObjectVersions.

    A thousand calls cost 0.005 USD. HeadObject costs a twelfth of that, but needs permission to read
    photos and has no details of a removed one. [S3 pricing, us-east-1]
    """
    # The key itself is listed before all longer keys, with its newest version first.
    page = call_with_backoff(s3.list_object_versions, Bucket=bucket, Prefix=key, MaxKeys=1)
    return next((version for version in _newest(page) if version.key == key), ObjectVersion(key))


def _newest(page: Any) -> list[ObjectVersion]:
    entries = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    return [of_listing(each) for each in entries if each["IsLatest"]]


def of_listing(entry: Any) -> ObjectVersion:
    """The version in an entry of a listing; a delete marker and a folder are no photos."""
    key, size = entry["Key"], entry.get("Size")
    is_photo = "ETag" in entry and not s3_events.is_folder(key, size)
    return ObjectVersion(
        key,
        s3_events.normalize_version_id(entry.get("VersionId")),
        entry["ETag"].strip('"') if is_photo else None,
        since=entry["LastModified"].timestamp(),
        size=size,
    )


def would_resolve(event: PhotoEvent, there: ObjectVersion) -> bool:
    """Return whether the function, processing the event, would store the result of version `there`.

    The function looks up the current version only for a request, an event without a sequencer, or a
    removed version, which may make the previous version current again. Otherwise it processes the
    version in the event.
    """
    if event.kind in ("requested", "unordered", "version_removed"):
        return True
    if event.kind == "removed" or not there.exists:
        return event.kind == "removed" and not there.exists
    if event.version_id and there.version_id:
        return event.version_id == there.version_id
    return event.etag == there.etag
