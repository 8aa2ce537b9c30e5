"""Which object lies in the bucket under a photo's key, and whether a stored result is of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import is_missing
from labelctl.aws.throttling import patiently
from labelctl.contract import s3_events, schema
from labelctl.errors import PhotoNotFoundError
from labelctl.text import quoted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.contract.s3_events import PhotoEvent

ANSWERING = ("status", "sequencer", "version_id", "etag")
"""The attributes of a photo's item that `answers` looks at."""


@dataclass(frozen=True)
class Awaited:
    """A photo that was sent, as S3 named the version.

    With a `sequencer` only a result that is not older than this one counts: that of a request.
    """

    key: str
    version_id: str | None
    etag: str | None
    sequencer: str = ""


@dataclass(frozen=True)
class ObjectVersion:
    """A key as it stands in the bucket.

    `etag` is None where there is no photo. `version_id` is None in a bucket without versions. `since`
    (seconds since 1970) is when it came to be so, None where it is not known: an object that was
    removed together with all its versions.
    """

    version_id: str | None = None
    etag: str | None = None
    since: float | None = None

    @property
    def exists(self) -> bool:
        return self.etag is not None


def resolve(s3: S3Client, bucket: str, image: str) -> Awaited:
    """The photo that the user means: a key, or the longest trailing part of a path that is one.

    Raises PhotoNotFoundError.
    """
    for key in candidates(image):
        if found := current(s3, bucket, key):
            return found
    raise PhotoNotFoundError(
        f'There is no photo "{image}" in the bucket.',
        f"Upload it first: labelctl upload {quoted(image)}\n"
        "After an upload with --prefix its key begins with that: `labelctl images` shows the keys."
        if Path(image).is_file()
        else "IMAGE is the photo's key, such as holiday/beach.jpg, or the path that was uploaded."
        "\n`labelctl images` shows the keys.",
    )


def candidates(image: str) -> Iterator[str]:
    """Keys that the user may mean: the text itself, then ever shorter trailing parts of the path."""
    seen = set()
    parts = [part for part in PurePath(image).parts if part not in ("/", ".", "..")]
    for key in (image, *("/".join(parts[start:]) for start in range(len(parts)))):
        if key and key not in seen and is_key(key):
            seen.add(key)
            yield key


def is_key(key: str) -> bool:
    """Whether S3 takes the text as a key at all."""
    try:
        return 0 < len(key.encode()) <= s3_events.MAX_KEY
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return False


def current(s3: S3Client, bucket: str, key: str) -> Awaited | None:
    """The photo as it lies in the bucket now, or None; a folder is none."""
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    if s3_events.is_folder(key, head["ContentLength"]):
        return None
    version = s3_events.known_version(head.get("VersionId"))
    return Awaited(key, version, head["ETag"].strip('"'))


def answers(item: Any, sent: Awaited) -> bool:
    """Whether a photo's item is the result of this version of the photo."""
    if item["status"] == schema.REMOVED or item["sequencer"] < sent.sequencer:
        return False
    if sent.version_id and item.get("version_id"):
        return bool(item["version_id"] == sent.version_id)
    return bool(item.get("etag") == sent.etag)


def newest(page: Any) -> Iterator[tuple[str, ObjectVersion]]:
    """The newest version of each key in a page of ListObjectVersions, delete markers included.

    A folder counts as such a marker: under that key there is no photo, whatever was there before.
    """
    for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
        if each["IsLatest"]:
            version = None if each["VersionId"] == "null" else each["VersionId"]
            gone = "ETag" not in each or s3_events.is_folder(each["Key"], each.get("Size"))
            etag = None if gone else each["ETag"].strip('"')
            yield each["Key"], ObjectVersion(version, etag, each["LastModified"].timestamp())


def look(s3: S3Client, bucket: str, key: str) -> ObjectVersion:
    """How a key stands in the bucket now, as the listing would have it.

    It costs as much as a page of the listing: 0.005 USD a thousand. HeadObject would cost a twelfth,
    but takes the right to read photos, and says nothing of one that is gone. [S3 pricing, us-east-1]
    """
    # The key itself comes before all others that begin so, and its newest version first.
    page = patiently(s3.list_object_versions, Bucket=bucket, Prefix=key, MaxKeys=1)
    return next((there for name, there in newest(page) if name == key), ObjectVersion())


def would_resolve(event: PhotoEvent, there: ObjectVersion) -> bool:
    """Whether the function, handling the event, would store the result of what is in the bucket.

    It looks at how the photo lies in the bucket only if the event is a request, or says that a version
    was removed: the one before it may show again. Otherwise it goes by what the event says.
    """
    if event.kind in ("requested", "version_removed"):
        return True
    if event.kind == "removed" or not there.exists:
        return event.kind == "removed" and not there.exists
    if event.version_id and there.version_id:
        return event.version_id == there.version_id
    return event.etag == there.etag
