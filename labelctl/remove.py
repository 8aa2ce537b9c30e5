"""Removing photos: the object, and with it labels, failure record and dead letters.

The object's removal is told to the queue like any other, and the function takes the labels away. So
nothing but the bucket and the dead letters is touched from here, and it may be cut off and repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from labelctl import objects, results
from labelctl.dead_letters import held
from labelctl.errors import PhotoNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def check(s3: S3Client, bucket: str, image: str) -> str:
    """The key of a photo to remove, which must be given exactly. Raises PhotoNotFoundError."""
    if results.is_key(image) and results.current(s3, bucket, image):
        return image
    try:
        meant = results.resolve(s3, bucket, image).key
    except PhotoNotFoundError:
        raise PhotoNotFoundError(
            f'There is no photo "{image}" in the bucket.',
            "What is stored of one that is gone is removed by `labelctl verify --repair`.",
        ) from None
    raise PhotoNotFoundError(
        f'There is no photo "{image}" in the bucket; there is "{meant}".',
        "To remove a photo, give its key exactly.",
    )


def find(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """The keys of the photos whose keys begin with the prefix, in their order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    yield from (each["Key"] for page in pages for each in page.get("Contents", ()))


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
    last = None
    for keys in objects.purge(s3, bucket, prefix):
        for key in dict.fromkeys(keys):
            if key != last:
                yield key
            last = key


def drop_dead_letters(sqs: SQSClient, url: str, gone: str | Collection[str]) -> int:
    """Delete the dead letters about photos that are gone: those keys, or all with that prefix.

    Returns how many they were. One that tells of another photo as well stays.
    """

    def is_gone(key: str) -> bool:
        return key.startswith(gone) if isinstance(gone, str) else key in gone

    with held(sqs, url) as letters:
        over = [each for each in letters if each.images and all(map(is_gone, each.images))]
        letters.delete(over)
    return len(over)
