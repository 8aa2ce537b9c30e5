"""Removing photos: the object, and with it labels, failure record and dead letters.

The object's removal is told to the queue like any other, and the function takes the labels away. So
nothing but the bucket and the dead letters is touched from here, and it may be cut off and repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from labelctl.aws import objects
from labelctl.errors import PhotoNotFoundError
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def check(s3: S3Client, bucket: str, image: str, *, for_good: bool = False) -> None:
    """Raise PhotoNotFoundError unless this is the key of a photo, exactly.

    `for_good`: one of which nothing but earlier versions is left will do.
    """
    if versions.is_key(image):
        if for_good and not objects.is_gone(s3, bucket, image):
            return
        if versions.current(s3, bucket, image):
            return
    try:
        meant = versions.resolve(s3, bucket, image).key
    except PhotoNotFoundError:
        raise PhotoNotFoundError(
            f'There is no photo "{image}" in the bucket.',
            "What is stored of one that is gone is removed by `labelctl verify --repair`.",
        ) from None
    raise PhotoNotFoundError(
        f'There is no photo "{image}" in the bucket; there is "{meant}".',
        "To remove a photo, give its key exactly.",
    )


def find(s3: S3Client, bucket: str, prefix: str, *, for_good: bool = False) -> Iterator[str]:
    """The keys of the photos whose keys begin with the prefix, in their order.

    `for_good`: those of which nothing but earlier versions is left, too.
    """
    if not for_good:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        yield from (each["Key"] for page in pages for each in page.get("Contents", ()))
        return
    last = None
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        both = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        for key in sorted({each["Key"] for each in both}, key=str.encode):
            if key != last:
                yield key
            last = key


def remove(s3: S3Client, bucket: str, keys: Iterable[str], *, for_good: bool) -> Iterator[str]:
    """Remove photos by their keys; yields each that is gone.

    S3 keeps what is removed as an earlier version, as long as the template says, unless `for_good`.
    Raises RefusedError where S3 will not.
    """
    if not for_good:
        yield from objects.hide(s3, bucket, keys)
        return
    for key in keys:
        for _ in objects.purge(s3, bucket, key, exactly=True):
            pass
        yield key


def under(s3: S3Client, bucket: str, prefix: str, *, for_good: bool) -> Iterator[str]:
    """Remove all photos whose keys begin with the prefix, as `remove` does.

    `for_good` takes along the versions of those that were removed before.
    """
    if not for_good:
        yield from objects.hide(s3, bucket, find(s3, bucket, prefix))
        return
    for _, keys in objects.purge(s3, bucket, prefix):
        yield from keys
