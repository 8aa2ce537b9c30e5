"""Deleting objects of a bucket, many at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from labelctl.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PAGE = 1000  # the most objects in one listing or deletion [S3 API, DeleteObjects]
_NOT_XML = re.compile("[\x00-\x1f\ufffe\uffff]")


def hide(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[str]:
    """Delete objects by their keys, a thousand a request; yields each that is gone.

    In a bucket with versions S3 puts a delete marker over each. Raises RefusedError for one that S3
    will not delete.
    """
    waiting = iter(keys)
    while batch := list(islice(waiting, _PAGE)):
        yield from (key for key, _ in _delete(s3, bucket, [(key, None) for key in batch]))


def purge(
    s3: S3Client, bucket: str, prefix: str = "", *, exactly: bool = False
) -> Iterator[list[str]]:
    """Delete every version and marker under a prefix (`exactly`: of that one key) for good.

    Yields the keys that each request deleted. It lists anew after each, as a listing that is paged
    while things vanish may pass some over. Raises RefusedError for what S3 will not delete.
    """
    last: list[tuple[str, str | None]] = []
    while True:
        page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE)
        found: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        # Of all keys with that beginning, the key itself is the first.
        versions: list[tuple[str, str | None]] = [
            (each["Key"], each["VersionId"])
            for each in found
            if not exactly or each["Key"] == prefix
        ]
        if not versions:
            return
        if versions == last:
            raise RefusedError(
                f"{len(last)} objects of the bucket {bucket} do not go away: {last[0][0]!r}",
                "Delete them by other means, then run the command again.",
            )
        last = versions
        yield [key for key, _ in _delete(s3, bucket, versions)]


def _delete(
    s3: S3Client, bucket: str, objects: Sequence[tuple[str, str | None]]
) -> Sequence[tuple[str, str | None]]:
    """Delete up to 1,000 objects, each a key and a version id."""
    # DeleteObjects is written in XML, which has no form for these; a URL has.
    odd = [each for each in objects if _NOT_XML.search(each[0])]
    for key, version in odd:
        s3.delete_object(Bucket=bucket, Key=key, **_version(version))  # type: ignore[arg-type]
    plain: list[Any] = [
        {"Key": key, **_version(version)} for key, version in objects if (key, version) not in odd
    ]
    if plain:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": plain, "Quiet": True})
        if errors := answer.get("Errors"):
            raise RefusedError(
                f"{len(errors)} objects of the bucket {bucket} cannot be deleted: "
                f"{errors[0].get('Key')}: {errors[0].get('Message')}",
                "Mend the cause and run the command again; it goes on from here.",
            )
    return objects


def _version(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}
