"""Clearing the dead letters about photos that were removed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.aws.threads import pool
from labelctl.operations.dead_letters import DeadLetter, Unseen, held
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack

_WINDOW = 80  # dead letters that are cleared before it is reported
_WORKERS = 16  # photos looked for at once: as many as a client has connections


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
