"""Putting photos back to work: those that failed, and the messages that were set aside.

A failed photo is asked for anew, by a request in the work queue; a dead letter is moved back there as
it is. Both may be done twice, as the function passes over what it has done already. So this can be
cut off anywhere and begun again. What is told of is in the queue by then.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from labelctl.aws import queues
from labelctl.aws.threads import batches
from labelctl.contract import s3_events, schema
from labelctl.errors import PhotoNotFoundError, RefusedError
from labelctl.labels import tables
from labelctl.labels.tables import Reader
from labelctl.operations import failures, reprocess
from labelctl.operations.dead_letters import DeadLetter, Held, Unseen, held
from labelctl.operations.failures import Choice
from labelctl.operations.reprocess import Wanted
from labelctl.photos import versions
from labelctl.photos.versions import Awaited, ObjectVersion, would_resolve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack

_WINDOW = 80
"""Dead letters that are moved side by side, before it is told of them."""

Outcome = Literal["queued", "labelled", "left"]


@dataclass(frozen=True)
class Retried:
    """What became of one photo, or of one dead letter that tells of none (then `image` is None).

    `outcome` is queued: put back to work; labelled: it is, and nothing was done; left: the dead letter
    stays where it is. `why` says in a few words what it was or what is wrong. `awaited` is what to
    wait for; None where nothing comes of it.
    """

    image: str | None
    outcome: Outcome
    why: str
    awaited: Awaited | None = None
    message_id: str | None = None


def meant(aws: Aws, stack: Stack, images: Iterable[str]) -> list[Awaited]:
    """The photos that the user means, each as it lies in the bucket (see `versions.resolve`).

    One that is gone will do, without a version, while the table or a dead letter knows its key.
    Raises PhotoNotFoundError.
    """
    found: dict[str, Awaited] = {}
    missing: dict[str, PhotoNotFoundError] = {}
    for image in images:
        try:
            photo = versions.resolve(aws.s3, stack.bucket, image)
            found[photo.key] = photo
        except PhotoNotFoundError as error:
            missing[image] = error
    if missing:
        maybe = {image: list(versions.candidates(image)) for image in missing}
        known, unseen = _known_of(aws, stack, {key for keys in maybe.values() for key in keys})
        for image, keys in maybe.items():
            key = next((key for key in keys if key in known), None)
            if key is None:
                hint = " ".join(unseen.sentences()) or missing[image].hint
                raise PhotoNotFoundError(missing[image].message, hint)
            found[key] = Awaited(key, None, None)
    return list(found.values())


def _known_of(aws: Aws, stack: Stack, keys: set[str]) -> tuple[set[str], Unseen]:
    """Those of the keys that the table or a dead letter knows."""
    known = set(_reader(aws, stack).photos(sorted(keys), "status", consistent=True))
    before = queues.depth(aws.sqs, stack.dead_letters)
    with held(aws.sqs, stack.dead_letters) as letters:
        for letter in letters:
            known.update(keys.intersection(letter.images))
        return known, letters.unseen(before)


def these(aws: Aws, stack: Stack, photos: Iterable[Awaited]) -> Iterator[Retried]:
    """Put photos back to work that lie in the bucket so (see `meant`).

    The dead letters that tell of them are moved, for which all of them are looked at. A photo that
    failed is asked for; and so is one without a result, or of which something may be left, unless a
    letter that was moved leads to that. It may wait in the queue, which nobody can look into; asking
    once too often costs a call at most.
    """
    found = {photo.key: photo for photo in photos}
    items = _reader(aws, stack).photos(found, *versions.ANSWERING, consistent=True)
    answered = {
        key
        for key, photo in found.items()
        if key in items and not _is_gone(photo) and versions.answers(items[key], photo)
    }
    moved: set[str] = set()
    with held(aws.sqs, stack.dead_letters) as letters:
        for window in batches((each for each in letters if {*each.images} & {*found}), _WINDOW):
            letters.move(window, stack.queue)
            moved.update(
                event.key
                for letter in window
                for event in letter.events
                if (photo := found.get(event.key))
                and would_resolve(event, ObjectVersion(photo.version_id, photo.etag))
            )
    wanted: dict[str, tuple[Wanted, str]] = {}
    for key, photo in found.items():
        failed = key in answered and items[key]["status"] == schema.FAILED
        if key in moved and not failed:
            yield Retried(key, "queued", "dead letter", None if _is_gone(photo) else photo)
        elif key in answered and not failed:
            yield Retried(key, "labelled", "It is labelled already.", photo)
        else:
            last = items[key]["sequencer"] if key in items else ""
            gone = "gone from the bucket" if _is_gone(photo) else "no result yet"
            why = "failed" if failed else gone
            wanted[key] = Wanted(key, s3_events.next_sequencer(last)), why
    asked = [each for each, _ in wanted.values()]
    for sent in reprocess.send(aws.sqs, stack.queue, stack.bucket, asked, _now()):
        photo = found[sent.key]
        awaited = None if _is_gone(photo) else replace(photo, sequencer=sent.sequencer)
        yield Retried(sent.key, "queued", wanted[sent.key][1], awaited)
    _refuse_if_cut_off(letters)


def _is_gone(photo: Awaited) -> bool:
    return not (photo.version_id or photo.etag)


def every(aws: Aws, stack: Stack, choice: Choice) -> Generator[Retried | Unseen, None, None]:
    """Put all that failed back to work, as far as it is meant: first photos, then dead letters.

    Memory does not grow with their number. Dead letters that tell of no photo are told of and left.
    What somebody else holds is told last, if anything.
    """
    reader = _reader(aws, stack)
    for window in batches(failures.failed(reader, choice), tables.BATCH):
        yield from _ask(aws, stack, reader, [failure.image for failure in window])
    before = queues.depth(aws.sqs, stack.dead_letters)
    with held(aws.sqs, stack.dead_letters) as letters:
        for batch in batches(failures.chosen(letters, choice), _WINDOW):
            letters.move([letter for letter in batch if letter.images], stack.queue)
            for letter in batch:
                yield from _told(letter)
    _refuse_if_cut_off(letters)
    if unseen := letters.unseen(before):
        yield unseen


def _ask(aws: Aws, stack: Stack, reader: Reader, images: Sequence[str]) -> Iterator[Retried]:
    items = reader.photos(images, *versions.ANSWERING, consistent=True)
    # The index, by which they were found, is a moment behind.
    wanted = [
        Wanted(image, s3_events.next_sequencer(item["sequencer"]))
        for image, item in items.items()
        if item["status"] == schema.FAILED
    ]
    for sent in reprocess.send(aws.sqs, stack.queue, stack.bucket, wanted, _now()):
        item = items[sent.key]
        awaited = Awaited(sent.key, item.get("version_id"), item.get("etag"), sent.sequencer)
        yield Retried(sent.key, "queued", "failed", awaited)


def _reader(aws: Aws, stack: Stack) -> Reader:
    return Reader(aws.dynamodb, stack.table, stack.labels_table)


def _told(letter: DeadLetter) -> Iterator[Retried]:
    if not letter.images:
        yield Retried(None, "left", letter.reason, message_id=letter.message_id)
    for event in letter.events:
        awaited = Awaited(event.key, event.version_id, event.etag, event.sequencer)
        if event.kind != "created":
            # A version's removal may well leave the result that there is.
            sequencer = event.sequencer if event.kind == "requested" else ""
            awaited = Awaited(event.key, None, None, sequencer)
        gone = event.kind == "removed"
        yield Retried(event.key, "queued", "dead letter", None if gone else awaited)


def known(s3: S3Client, bucket: str, photo: Awaited) -> Awaited | None:
    """The photo with its version, which not every message tells; None for one that is gone."""
    if not _is_gone(photo):
        return photo
    there = versions.current(s3, bucket, photo.key)
    return replace(there, sequencer=photo.sequencer) if there else None


def _now() -> str:
    return s3_events.iso(datetime.now(UTC))


def _refuse_if_cut_off(letters: Held) -> None:
    if letters.more:
        raise RefusedError(
            "There are too many dead letters that stay where they are: not all were looked at.",
            "Put all of them back to work with --all, or remove those that cannot be read: "
            "labelctl failures --discard",
        )
