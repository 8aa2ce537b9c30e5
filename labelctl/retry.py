"""Putting photos back to work: those that failed, and the messages that were set aside.

A failed photo is asked for anew, by a request in the work queue; a dead letter is moved back there as
it is. Both may be done twice, as the function passes over what it has done already. So this can be
cut off anywhere and begun again. What is told of is in the queue by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeVar

from labelctl import contract, failures, requests, results, rows, status
from labelctl.dead_letters import DeadLetter, Held, held
from labelctl.errors import RefusedError
from labelctl.failures import Choice
from labelctl.requests import Wanted
from labelctl.results import Awaited

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws import Aws
    from labelctl.stack import Stack

T = TypeVar("T")

_WINDOW = 80
"""Dead letters that are moved side by side, before it is told of them."""

Outcome = Literal["queued", "labelled", "waiting", "left"]


@dataclass(frozen=True)
class Retried:
    """What became of one photo, or of one dead letter that tells of none (then `image` is None).

    `outcome` is queued: put back to work; labelled: it is, and nothing was done; waiting: it is in the
    queue anyway; left: the dead letter stays where it is. `why` says in a few words what it was or
    what is wrong. `awaited` is what to wait for; None where nothing comes of it.
    """

    image: str | None
    outcome: Outcome
    why: str
    awaited: Awaited | None = None
    message_id: str | None = None


def these(aws: Aws, stack: Stack, photos: Iterable[Awaited]) -> Iterator[Retried]:
    """Put photos back to work that lie in the bucket so (see `results.resolve`).

    The dead letters that tell of them are moved, for which all of them are looked at. A photo that
    failed is asked for, and so is one without a result while the queue is empty.
    """
    found = {photo.key: photo for photo in photos}
    headers = {
        image: header
        for batch in _windows(found, rows.BATCH)
        for image, header in rows.headers(aws.dynamodb, stack.table, batch).items()
    }
    answered = {
        key
        for key, photo in found.items()
        if key in headers and results.answers(headers[key], photo)
    }
    # Before anything is put into it.
    busy = len(answered) < len(found) and status.depth(aws.sqs, stack.queue).depth > 0
    moved: set[str] = set()
    with held(aws.sqs, stack.dead_letters) as letters:
        for window in _windows((each for each in letters if {*each.images} & {*found}), _WINDOW):
            letters.move(window, stack.queue)
            moved.update(image for letter in window for image in letter.images)
    wanted: dict[str, tuple[Wanted, str]] = {}
    for key, photo in found.items():
        if key in answered and headers[key].status == contract.FAILED:
            sequencer = contract.next_sequencer(headers[key].sequencer)
            wanted[key] = Wanted(key, sequencer), "failed"
        elif key in moved:
            yield Retried(key, "queued", "dead letter", photo)
        elif key in answered:
            yield Retried(key, "labelled", "It is labelled already.", photo)
        elif busy:
            yield Retried(key, "waiting", "It waits in the queue.", photo)
        else:
            last = rows.read(aws.dynamodb, stack.table, key).sequencer
            wanted[key] = Wanted(key, contract.next_sequencer(last)), "nothing waited for it"
    asked = [each for each, _ in wanted.values()]
    for sent in requests.send(aws.sqs, stack.queue, stack.bucket, asked, _now()):
        awaited = replace(found[sent.key], sequencer=sent.sequencer)
        yield Retried(sent.key, "queued", wanted[sent.key][1], awaited)
    _refuse_if_cut_off(letters)


def every(aws: Aws, stack: Stack, choice: Choice) -> Iterator[Retried]:
    """Put all that failed back to work, as far as it is meant: first photos, then dead letters.

    Memory does not grow with their number. Dead letters that tell of no photo are told of and left.
    """
    for window in _windows(failures.failed(aws.dynamodb, stack.table, choice), rows.BATCH):
        yield from _ask(aws, stack, [failure.image for failure in window])
    with held(aws.sqs, stack.dead_letters) as letters:
        for batch in _windows(failures.chosen(letters, choice), _WINDOW):
            letters.move([letter for letter in batch if letter.images], stack.queue)
            for letter in batch:
                yield from _told(letter)
    _refuse_if_cut_off(letters)


def _ask(aws: Aws, stack: Stack, images: Sequence[str]) -> Iterator[Retried]:
    headers = rows.headers(aws.dynamodb, stack.table, images)
    # The index, by which they were found, is a moment behind.
    wanted = [
        Wanted(image, contract.next_sequencer(header.sequencer))
        for image, header in headers.items()
        if header.status == contract.FAILED
    ]
    for sent in requests.send(aws.sqs, stack.queue, stack.bucket, wanted, _now()):
        header = headers[sent.key]
        awaited = Awaited(sent.key, header.version_id, header.etag, sent.sequencer)
        yield Retried(sent.key, "queued", "failed", awaited)


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
    if photo.version_id or photo.etag:
        return photo
    there = results.current(s3, bucket, photo.key)
    return replace(there, sequencer=photo.sequencer) if there else None


def _windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while window := list(islice(rest, size)):
        yield window


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_if_cut_off(letters: Held) -> None:
    if letters.more:
        raise RefusedError(
            "There are too many dead letters that stay where they are: not all were looked at.",
            "Put all of them back to work with --all, or remove those that cannot be read: "
            "labelctl failures --discard",
        )
