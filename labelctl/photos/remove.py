"""Removing photos from the bucket.

S3 notifies the queue of each removal, and the function then removes the photo's result. Removing
photos can therefore be interrupted and repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from labelctl.aws import objects
from labelctl.errors import Command, PhotoNotFoundError
from labelctl.photos import lookup, suggestions, versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def exists(s3: S3Client, bucket: str, image: str, *, permanently: bool = False) -> bool:
    """Return whether `image` is exactly the key of a photo.

    With `permanently`, a photo of which only earlier versions exist counts, too.
    """
    if not versions.is_key(image):
        return False
    if permanently and not objects.is_gone(s3, bucket, image):
        return True
    return versions.current_photo(s3, bucket, image) is not None


def not_found(s3: S3Client, bucket: str, image: str) -> PhotoNotFoundError:
    """The error for a key that does not exist, with hints."""
    message = f'There is no photo "{image}" in the bucket'
    if found := lookup.find(s3, bucket, image):
        message += f'; there is "{found.key}"'
        if suggestions.looks_equal(found.key, image):
            message += " in another Unicode form"
        return PhotoNotFoundError(f"{message}.", "To remove a photo, give its exact key.")
    did_you_mean = suggestions.question(suggestions.similar_keys(s3, bucket, image), image)
    if did_you_mean:
        return PhotoNotFoundError(f"{message}.", did_you_mean)
    return PhotoNotFoundError(
        f"{message}.",
        "Run `",
        Command("images"),
        "` to list the keys, or, after deleting photos elsewhere, `",
        Command("verify", "--repair"),
        "`.",
    )


def find(s3: S3Client, bucket: str, prefix: str, *, permanently: bool = False) -> Iterator[str]:
    """Yield the keys of the photos whose keys start with the prefix, in order.

    With `permanently`, photos of which only earlier versions exist are included.
    """
    if not permanently:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        yield from (each["Key"] for page in pages for each in page.get("Contents", ()))
        return
    last = None
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        entries = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        for key in sorted({each["Key"] for each in entries}, key=str.encode):
            if key != last:
                yield key
            last = key


def remove(s3: S3Client, bucket: str, keys: Iterable[str], *, permanently: bool) -> Iterator[str]:
    """Remove photos by key; yields the key of each removed photo.

    S3 keeps a removed photo as an earlier version, for as long as the template specifies. With
    `permanently` all versions are deleted. Raises RefusedError if S3 does not delete an object.
    """
    if not permanently:
        yield from objects.delete_objects(s3, bucket, keys)
        return
    for key in keys:
        for _ in objects.delete_all_versions(s3, bucket, key, exactly=True):
            pass
        yield key


def remove_prefix(s3: S3Client, bucket: str, prefix: str, *, permanently: bool) -> Iterator[str]:
    """Remove all photos whose keys start with the prefix, as `remove` does.

    With `permanently`, the versions of photos that were removed earlier are deleted, too.
    """
    if not permanently:
        yield from objects.delete_objects(s3, bucket, find(s3, bucket, prefix))
        return
    for _, keys in objects.delete_all_versions(s3, bucket, prefix):
        yield from keys
