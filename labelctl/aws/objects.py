"""Deleting objects from a bucket in batches."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from labelctl.errors import RefusedError
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PAGE = 1000  # maximum number of objects in one listing or deletion [S3 API, DeleteObjects]
_TEMPORARY = {"InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"}
_ATTEMPTS = 6  # over about 12 seconds
_INVALID_IN_XML = re.compile("[\x00-\x1f\ufffe\uffff]")


def delete_objects(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[str]:
    """Delete objects by key, 1,000 per request; yields each deleted key.

    In a versioned bucket S3 adds a delete marker and keeps the versions. Raises RefusedError if S3
    still refuses after retries.
    """
    remaining = iter(keys)
    while batch := list(islice(remaining, _PAGE)):
        yield from (key for key, _ in _delete(s3, bucket, [(key, None) for key in batch]))


def delete_all_versions(
    s3: S3Client, bucket: str, prefix: str = "", *, exactly: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Permanently delete all versions and delete markers under a prefix (`exactly`: of that one key).

    Yields for each request the number of deleted versions and the keys that no longer exist. The
    newest version of a key is deleted last: otherwise an older one would reappear, permanently if
    the command is interrupted. Each page is a new listing, because continuing a listing during
    deletion may skip objects. Raises RefusedError if S3 does not delete an object.
    """
    previous: list[Any] = []
    while page := _whole_keys(s3, bucket, prefix, exactly):
        if page == previous:
            raise RefusedError(
                f"S3 reported {counted(len(page), 'object')} of the bucket {bucket} as deleted"
                f" but still lists {page[0]['Key']!r}.",
                "Delete them with another tool, then run the command again.",
            )
        previous = page
        for newest in (False, True):
            selected = [
                (each["Key"], each["VersionId"]) for each in page if each["IsLatest"] is newest
            ]
            for start in range(0, len(selected), _PAGE):
                gone = [key for key, _ in _delete(s3, bucket, selected[start : start + _PAGE])]
                yield len(gone), gone if newest else []


def is_gone(s3: S3Client, bucket: str, key: str) -> bool:
    """Return whether a key has no versions and no delete markers."""
    page = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=1)
    found: Any = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    return not found or found[0]["Key"] != key


def _whole_keys(s3: S3Client, bucket: str, prefix: str, exactly: bool) -> list[Any]:
    """Return the first versions and delete markers under a prefix, complete for each key."""
    found: list[Any] = []
    position: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **position)  # type: ignore[arg-type]
        # The key equal to the prefix is listed first, so it is complete.
        found += [
            each
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if not exactly or each["Key"] == prefix
        ]
        if not page.get("IsTruncated"):
            return found
        incomplete = page["NextKeyMarker"]
        if complete := [each for each in found if each["Key"] != incomplete]:
            return complete
        # A single key has more versions than fit into a page.
        position = {"KeyMarker": incomplete, "VersionIdMarker": page["NextVersionIdMarker"]}


def _delete(
    s3: S3Client, bucket: str, objects: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[str, str | None]]:
    """Delete up to 1,000 objects, each a key and a version id; yields those that were deleted."""
    # The XML body of DeleteObjects cannot represent some characters that a URL can.
    invalid = [each for each in objects if _INVALID_IN_XML.search(each[0])]
    for key, version in invalid:
        s3.delete_object(Bucket=bucket, Key=key, **_version(version))  # type: ignore[arg-type]
        yield key, version
    remaining = [each for each in objects if each not in invalid]
    if not remaining:
        return
    for attempt in range(_ATTEMPTS):
        requested: list[Any] = [{"Key": key, **_version(version)} for key, version in remaining]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": requested, "Quiet": True})
        errors = response.get("Errors", ())
        kept = {(each.get("Key"), each.get("VersionId") or None) for each in errors}
        yield from (each for each in remaining if each not in kept)
        if not errors:
            return
        permanent = [each for each in errors if each.get("Code") not in _TEMPORARY]
        if permanent or attempt == _ATTEMPTS - 1:
            error = (permanent or errors)[0]
            raise RefusedError(
                f"{counted(len(errors), 'object')} of the bucket {bucket} cannot be deleted: "
                f"{error.get('Key')}: {error.get('Message')}",
                "Fix the cause, then run the same command to resume.",
            )
        # botocore does not retry: the response as a whole was a success.
        remaining = [each for each in remaining if each in kept]
        time.sleep(0.4 * 2**attempt)


def _version(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}
