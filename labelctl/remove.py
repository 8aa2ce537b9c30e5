"""Removing photos: the object, and with it labels, failure record and dead letters.

The object's removal is told to the queue like any other, and the function takes the labels away. So
nothing but the bucket and the dead letters is touched from here, and it may be cut off and repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from labelctl import objects, queues, versions
from labelctl.dead_letters import DeadLetter, Unseen, held
from labelctl.errors import PhotoNotFoundError
from labelctl.threads import pool

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws import Aws
    from labelctl.stack import Stack

_WINDOW = 80  # dead letters that are cleared before it is told of them
_WORKERS = 16  # photos looked for at once: as many as a client has connections


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


@dataclass(frozen=True)
class Cleared:
    """How far the dead letters are: so many of `total` (about) were looked at, so many cleared.

    `unseen`: at the end, what was not looked at.
    """

    looked_at: int
    total: int
    cleared: int
    unseen: Unseen = field(default_factory=Unseen)


def drop_dead_letters(
    aws: Aws, stack: Stack, chosen: Callable[[str], bool]
) -> Generator[Cleared, None, None]:
    """Clear the dead letters about chosen photos that are gone; tells how far it is, a few at a time.

    One about a photo that is in the bucket stays. One that tells of a removal goes back to work: what
    is stored of its photo may still have to go.
    """
    before = queues.depth(aws.sqs, stack.dead_letters)
    if not before.depth:
        return
    seen = cleared = 0
    with held(aws.sqs, stack.dead_letters) as letters, pool(_WORKERS, "look") as threads:
        rest = iter(letters)
        while window := list(islice(rest, _WINDOW)):
            about = [each for each in window if each.images and all(map(chosen, each.images))]
            gone = _gone(threads, aws.s3, stack.bucket, about)
            over = [each for each in about if gone.issuperset(each.images)]
            letters.delete(each for each in over if not _tells_of_a_removal(each))
            letters.move((each for each in over if _tells_of_a_removal(each)), stack.queue)
            seen, cleared = seen + len(window), cleared + len(over)
            yield Cleared(seen, before.depth, cleared)
        unseen = letters.unseen(before)
    yield Cleared(seen, before.depth, cleared, unseen)


def _gone(threads: Executor, s3: S3Client, bucket: str, letters: Sequence[DeadLetter]) -> set[str]:
    """The keys among the letters' that are no photo's in the bucket."""
    keys = list(dict.fromkeys(image for letter in letters for image in letter.images))
    found = threads.map(lambda key: versions.current(s3, bucket, key), keys)
    return {key for key, photo in zip(keys, found, strict=True) if photo is None}


def _tells_of_a_removal(letter: DeadLetter) -> bool:
    return not {event.kind for event in letter.events} <= {"created", "requested"}
