"""Deleting objects of a bucket, many at once."""

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

_PAGE = 1000  # the most objects in one listing or deletion [S3 API, DeleteObjects]
_PASSING = {"InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"}
_ATTEMPTS = 6  # over some 12 seconds
_NOT_XML = re.compile("[\x00-\x1f\ufffe\uffff]")


def hide(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[str]:
    """Delete objects by their keys, a thousand a request; yields each that is gone.

    In a bucket with versions S3 puts a delete marker over each. Raises RefusedError for one that S3
    will not delete, also when asked again.
    """
    waiting = iter(keys)
    while batch := list(islice(waiting, _PAGE)):
        yield from (key for key, _ in _delete(s3, bucket, [(key, None) for key in batch]))


def purge(
    s3: S3Client, bucket: str, prefix: str = "", *, exactly: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Delete every version and marker under a prefix (`exactly`: of that one key) for good.

    Yields with each request how many versions it deleted, and the keys that are gone now. Of each key
    the newest goes last: otherwise an older one would show again for a moment, or for good where this
    is cut off. It lists anew after each page, as a listing that is paged while things vanish may pass
    some over. Raises RefusedError for what S3 will not delete.
    """
    last: list[Any] = []
    while page := _whole_keys(s3, bucket, prefix, exactly):
        if page == last:
            raise RefusedError(
                f"S3 says that it has deleted {counted(len(last), 'object')} of the bucket {bucket},"
                f" and still lists {last[0]['Key']!r}.",
                "Delete them by other means, then run the command again.",
            )
        last = page
        for newest in (False, True):
            chosen = [
                (each["Key"], each["VersionId"]) for each in page if each["IsLatest"] is newest
            ]
            for start in range(0, len(chosen), _PAGE):
                gone = [key for key, _ in _delete(s3, bucket, chosen[start : start + _PAGE])]
                yield len(gone), gone if newest else []


def is_gone(s3: S3Client, bucket: str, key: str) -> bool:
    """Whether nothing is left of a key, no earlier version and no marker."""
    page = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=1)
    found: Any = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    return not found or found[0]["Key"] != key


def _whole_keys(s3: S3Client, bucket: str, prefix: str, exactly: bool) -> list[Any]:
    """The first versions and markers under a prefix, with each key all there are of it."""
    found: list[Any] = []
    where: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **where)  # type: ignore[arg-type]
        # Of all keys with that beginning, the key itself is the first.
        found += [
            each
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if not exactly or each["Key"] == prefix
        ]
        if not page.get("IsTruncated"):
            return found
        cut = page["NextKeyMarker"]
        if whole := [each for each in found if each["Key"] != cut]:
            return whole
        # One key with more versions than fit into a page.
        where = {"KeyMarker": cut, "VersionIdMarker": page["NextVersionIdMarker"]}


def _delete(
    s3: S3Client, bucket: str, objects: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[str, str | None]]:
    """Delete up to 1,000 objects, each a key and a version id; yields those that are gone."""
    # DeleteObjects is written in XML, which has no form for these; a URL has.
    odd = [each for each in objects if _NOT_XML.search(each[0])]
    for key, version in odd:
        s3.delete_object(Bucket=bucket, Key=key, **_version(version))  # type: ignore[arg-type]
        yield key, version
    plain = [each for each in objects if each not in odd]
    if not plain:
        return
    for attempt in range(_ATTEMPTS):
        wanted: list[Any] = [{"Key": key, **_version(version)} for key, version in plain]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True})
        errors = answer.get("Errors", ())
        kept = {(each.get("Key"), each.get("VersionId") or None) for each in errors}
        yield from (each for each in plain if each not in kept)
        if not errors:
            return
        lasting = [each for each in errors if each.get("Code") not in _PASSING]
        if lasting or attempt == _ATTEMPTS - 1:
            told = (lasting or errors)[0]
            raise RefusedError(
                f"{counted(len(errors), 'object')} of the bucket {bucket} cannot be deleted: "
                f"{told.get('Key')}: {told.get('Message')}",
                "Mend the cause and run the command again; it goes on from here.",
            )
        # The whole answer was a success, so that botocore has not tried again.
        plain = [each for each in plain if each in kept]
        time.sleep(0.4 * 2**attempt)


def _version(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}
