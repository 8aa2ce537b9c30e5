"""Retrying failed photos and dead letters.

For a failed photo a new request is sent to the work queue; a dead letter is moved back to it unchanged.
Doing either twice is harmless, because the function ignores what it has already done, so a command can
be interrupted anywhere and run again. A photo is reported once its message is in the queue.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from labelctl.aws import queues
from labelctl.aws.threads import batches
from labelctl.contract import s3_events, schema
from labelctl.errors import Command, PhotoNotFoundError, RefusedError
from labelctl.labels.reader import BATCH, Reader
from labelctl.operations import failures, reprocess
from labelctl.operations.dead_letters import DeadLetter, DeadLetterLease, UnreadMessages, lease
from labelctl.operations.failures import FailureFilter
from labelctl.operations.reprocess import ReprocessRequest
from labelctl.photos import lookup, versions
from labelctl.photos.versions import ObjectVersion, would_resolve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack

_WINDOW = 80
"""Dead letters moved concurrently before they are reported."""

Outcome = Literal["queued", "labelled", "left"]


@dataclass(frozen=True)
class RetryResult:
    """What happened to one photo, or to one unreadable dead letter (then `image` is None).

    `outcome` is queued: its message is in the work queue; labelled: it has labels already, and nothing
    was done; left: the dead letter stays where it is. `why` says in a few words what was wrong.
    `awaited` is the photo to wait for; None if no result will follow.
    """

    image: str | None
    outcome: Outcome
    why: str
    awaited: ObjectVersion | None = None
    message_id: str | None = None


def resolve_images(aws: Aws, stack: Stack, images: Iterable[str]) -> list[ObjectVersion]:
    """The photos a user named, with their current versions in the bucket (see `lookup.find`).

    A photo that was removed is included, without a version, if the table or a dead letter contains its
    key. Raises PhotoNotFoundError.
    """
    found: dict[str, ObjectVersion] = {}
    missing: list[str] = []
    for image in images:
        if photo := lookup.find(aws.s3, stack.bucket, image):
            found[photo.key] = photo
        else:
            missing.append(image)
    if missing:
        candidates = {image: _missing_keys(aws, stack, image) for image in missing}
        all_keys = {key for keys in candidates.values() for key in keys}
        recorded, unseen = _recorded_keys(aws, stack, all_keys)
        for image, keys in candidates.items():
            key = next((key for key in keys if key in recorded), None)
            if key is None:
                error = lookup.not_found(aws.s3, stack.bucket, image)
                hint = [" ".join(unseen.sentences())] if unseen else error.hint_parts
                raise PhotoNotFoundError(error.message, *hint)
            found[key] = ObjectVersion(key)
    return list(found.values())


def _missing_keys(aws: Aws, stack: Stack, image: str) -> list[str]:
    """The possible keys for `image` that no photo has; another photo of that name may have one."""
    keys = lookup.key_candidates(image)
    return [key for key in keys if not versions.current_photo(aws.s3, stack.bucket, key)]


def _recorded_keys(aws: Aws, stack: Stack, keys: set[str]) -> tuple[set[str], UnreadMessages]:
    """Those of the keys that are in the table or in a dead letter."""
    recorded = set(_reader(aws, stack).photos(sorted(keys), "status", consistent=True))
    before = queues.depth(aws.sqs, stack.dead_letter_queue)
    with lease(aws.sqs, stack.dead_letter_queue) as leased:
        for message in leased:
            recorded.update(keys.intersection(message.images))
        return recorded, leased.unread(before)


def retry_images(aws: Aws, stack: Stack, photos: Iterable[ObjectVersion]) -> Iterator[RetryResult]:
    """Retry the given photos (see `resolve_images`).

    All dead letters are read, and those about these photos are redriven. A request is sent for each
    photo that failed, has no result, or was removed with its result possibly still stored, unless a
    redriven dead letter takes care of it. The photo's message may already be in the work queue, which
    cannot be searched; a redundant request costs at most one Rekognition call.
    """
    found = {photo.key: photo for photo in photos}
    items = _reader(aws, stack).photos(found, *versions.RESULT_ATTRIBUTES, consistent=True)
    answered = {
        key
        for key, photo in found.items()
        if key in items and not _is_gone(photo) and versions.is_result_of(items[key], photo)
    }
    redriven: set[str] = set()
    with lease(aws.sqs, stack.dead_letter_queue) as leased:
        for window in batches((each for each in leased if {*each.images} & {*found}), _WINDOW):
            leased.redrive(window, stack.queue)
            redriven.update(
                event.key
                for message in window
                for event in message.events
                if (photo := found.get(event.key)) and would_resolve(event, photo)
            )
    requests: dict[str, ReprocessRequest] = {}
    reasons: dict[str, str] = {}
    for key, photo in found.items():
        failed = key in answered and items[key]["status"] == schema.FAILED
        if key in redriven and not failed:
            yield RetryResult(key, "queued", "dead letter", None if _is_gone(photo) else photo)
        elif key in answered and not failed:
            yield RetryResult(
                key, "labelled", "It is labelled already, so it was not requeued.", photo
            )
        else:
            last = items[key]["sequencer"] if key in items else ""
            gone = "gone from the bucket" if _is_gone(photo) else "no result yet"
            reasons[key] = "failed" if failed else gone
            requests[key] = ReprocessRequest(key, s3_events.next_sequencer(last))
    for sent in reprocess.send(aws.sqs, stack.queue, stack.bucket, requests.values(), _now()):
        photo = found[sent.key]
        awaited = None if _is_gone(photo) else replace(photo, sequencer=sent.sequencer)
        yield RetryResult(sent.key, "queued", reasons[sent.key], awaited)
    _check_all_read(leased)


def _is_gone(photo: ObjectVersion) -> bool:
    return not (photo.version_id or photo.etag)


def retry_all(
    aws: Aws, stack: Stack, choice: FailureFilter
) -> Generator[RetryResult | UnreadMessages, None, None]:
    """Retry all failures that match: first failed photos, then dead letters.

    Memory use does not depend on their number. Unreadable dead letters are reported and left in place.
    Finally yields the dead letters that could not be read, if there are any.
    """
    reader = _reader(aws, stack)
    for window in batches(failures.failed_photos(reader, choice), BATCH):
        yield from _request(aws, stack, reader, [failure.image for failure in window])
    before = queues.depth(aws.sqs, stack.dead_letter_queue)
    with lease(aws.sqs, stack.dead_letter_queue) as leased:
        for batch in batches(failures.matching(leased, choice), _WINDOW):
            leased.redrive([message for message in batch if message.images], stack.queue)
            for message in batch:
                yield from _report(message)
    _check_all_read(leased)
    if unseen := leased.unread(before):
        yield unseen


def _request(
    aws: Aws, stack: Stack, reader: Reader, images: Sequence[str]
) -> Iterator[RetryResult]:
    items = reader.photos(images, *versions.RESULT_ATTRIBUTES, consistent=True)
    # The photos were found in an index, which lags slightly behind: check the status again.
    requests = [
        ReprocessRequest(image, s3_events.next_sequencer(item["sequencer"]))
        for image, item in items.items()
        if item["status"] == schema.FAILED
    ]
    for sent in reprocess.send(aws.sqs, stack.queue, stack.bucket, requests, _now()):
        item = items[sent.key]
        awaited = ObjectVersion(
            sent.key, item.get("version_id"), item.get("etag"), sequencer=sent.sequencer
        )
        yield RetryResult(sent.key, "queued", "failed", awaited)


def _reader(aws: Aws, stack: Stack) -> Reader:
    return Reader(aws.dynamodb, stack.table, stack.labels_table)


def _report(message: DeadLetter) -> Iterator[RetryResult]:
    """One result for each photo event in the message, or one for an unreadable message."""
    if not message.images:
        yield RetryResult(None, "left", message.reason, message_id=message.message_id)
    for event in message.events:
        awaited = ObjectVersion(event.key, event.version_id, event.etag, sequencer=event.sequencer)
        if event.kind != "created":
            # Removing a version may leave the stored result unchanged, with its older sequencer.
            sequencer = event.sequencer if event.kind == "requested" else ""
            awaited = ObjectVersion(event.key, sequencer=sequencer)
        gone = event.kind == "removed"
        yield RetryResult(event.key, "queued", "dead letter", None if gone else awaited)


def with_version(s3: S3Client, bucket: str, photo: ObjectVersion) -> ObjectVersion | None:
    """The photo with its version, which not every message contains; None if it was removed."""
    if not _is_gone(photo):
        return photo
    current = versions.current_photo(s3, bucket, photo.key)
    return replace(current, sequencer=photo.sequencer) if current else None


def _now() -> str:
    return s3_events.format_time(datetime.now(UTC))


def _check_all_read(leased: DeadLetterLease) -> None:
    if leased.more:
        raise RefusedError(
            "The dead-letter queue is too long: some dead letters were not read.",
            "Retry all of them with --all, or delete the unreadable ones: ",
            Command("failures", "--discard"),
        )
