"""Removing the dead letters of photos that were removed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.aws.threads import pool
from labelctl.operations.dead_letters import DeadLetter, UnreadMessages, lease
from labelctl.photos import versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack

_WINDOW = 80  # dead letters handled before progress is reported
_WORKERS = 16  # concurrent lookups: as many as a client has connections


@dataclass(frozen=True)
class Cleared:
    """Progress: how many dead letters were looked at, of about `total`, and how many were removed.

    `unseen`: in the last report, the dead letters that could not be read.
    """

    looked_at: int
    total: int
    cleared: int
    unseen: UnreadMessages = field(default_factory=UnreadMessages)


def remove_obsolete_dead_letters(
    aws: Aws, stack: Stack, chosen: Callable[[str], bool]
) -> Generator[Cleared, None, None]:
    """Remove dead letters whose photos all match `chosen` and are gone; yields progress.

    A dead letter of a photo still in the bucket stays. One about a removal is retried instead, because
    the photo's result may still have to be removed.
    """
    before = queues.depth(aws.sqs, stack.dead_letter_queue)
    if not before.depth:
        return
    looked_at = cleared = 0
    with lease(aws.sqs, stack.dead_letter_queue) as leased, pool(_WORKERS, "look") as threads:
        unhandled = iter(leased)
        while window := list(islice(unhandled, _WINDOW)):
            selected = [each for each in window if each.images and all(map(chosen, each.images))]
            gone = _gone(threads, aws.s3, stack.bucket, selected)
            obsolete = [each for each in selected if gone.issuperset(each.images)]
            leased.delete(each for each in obsolete if not _has_removal(each))
            leased.redrive((each for each in obsolete if _has_removal(each)), stack.queue)
            looked_at, cleared = looked_at + len(window), cleared + len(obsolete)
            yield Cleared(looked_at, before.depth, cleared)
        unseen = leased.unread(before)
    yield Cleared(looked_at, before.depth, cleared, unseen)


def _gone(threads: Executor, s3: S3Client, bucket: str, messages: Sequence[DeadLetter]) -> set[str]:
    """The keys in the messages for which there is no photo in the bucket."""
    keys = list(dict.fromkeys(image for message in messages for image in message.images))
    found = threads.map(lambda key: versions.current_photo(s3, bucket, key), keys)
    return {key for key, photo in zip(keys, found, strict=True) if photo is None}


def _has_removal(message: DeadLetter) -> bool:
    return not {event.kind for event in message.events} <= {"created", "requested"}
