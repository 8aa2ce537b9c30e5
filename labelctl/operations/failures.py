"""Photos that cannot be labelled, and messages in the dead-letter queue.

The two are different. A *failed* photo has a final result: the reason why it has no labels. A *dead
letter* is a message that the function could not process; its photo may have no result because of that,
or may have received one since.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from labelctl.aws import queues
from labelctl.contract import schema
from labelctl.operations.dead_letters import MAX_LEASED, DeadLetter, UnreadMessages, lease

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from labelctl.labels.reader import Item, Reader

_WINDOW = 80  # dead letters deleted concurrently before they are reported

NEEDS_NEW_FILE = frozenset(
    (
        *("InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"),
        *("TooLarge", "Empty"),
    )
)
"""Error codes of photos whose content is the cause. [Rekognition, DetectLabels, Errors] Every other
error has a cause outside the photo, such as a permission, which may be gone by now."""

Remedy = Literal["retry", "new_file", "discard"]
"""What can fix a failure: a retry, uploading another file, or, as nothing can, deleting the message."""

State = Literal["waiting", "failed", "labelled", "removed", "unreadable"]


@dataclass(frozen=True)
class FailureFilter:
    """A filter for failures: by the start of a photo's key, and by the reason.

    `reason` matches any part of the error's code or of its sentence, ignoring case.
    """

    prefix: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.prefix or self.reason)

    def matches(self, images: Sequence[str], error: str, reason: str) -> bool:
        """Whether a failure of these photos with this error passes the filter."""
        if self.prefix and not any(image.startswith(self.prefix) for image in images):
            return False
        text = self.reason.casefold()
        return text in error.casefold() or text in reason.casefold()


@dataclass(frozen=True)
class Failure:
    """A photo that could not be labelled: an error code, a sentence, and when (ISO 8601, UTC)."""

    image: str
    error: str
    reason: str
    failed_at: str

    @property
    def remedy(self) -> Remedy:
        """What can fix it."""
        return "new_file" if self.error in NEEDS_NEW_FILE else "retry"

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return {**asdict(self), "remedy": self.remedy}


@dataclass(frozen=True)
class DeadLetterState:
    """A dead letter and the current state of its photos.

    `state` is waiting: a photo has no result for the event, and will not get one unless the message is
    retried; labelled, failed or removed: the event was handled in another way, and the message is no
    longer needed; unreadable: the message contains no photo event.
    """

    message: DeadLetter
    state: State

    @property
    def remedy(self) -> Remedy:
        """What can fix it; a retry also clears a message that is no longer needed."""
        return "discard" if self.state == "unreadable" else "retry"

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form. `body` is None unless the message is unreadable."""
        return {
            "message_id": self.message.message_id,
            "images": self.message.images,
            "error": self.message.error,
            "reason": self.message.reason,
            "sent_at": self.message.sent_at,
            "receives": self.message.receives,
            "state": self.state,
            "remedy": self.remedy,
            "body": self.message.body if self.state == "unreadable" else None,
        }


Report = Callable[[int], object]
"""Called with the number of failures read so far."""


def failed_photos(
    reader: Reader, choice: FailureFilter, report: Report = lambda _: None
) -> Iterator[Failure]:
    """The failed photos that match, latest first, read lazily.

    Reads an index, which lags slightly behind the table.
    """
    for number, item in enumerate(reader.photos_by_state(schema.FAILED), 1):
        report(number)
        failure = Failure(item["image"], item["error"], item["reason"], item["done_at"])
        if choice.matches([failure.image], failure.error, failure.reason):
            yield failure


def matching(messages: Iterable[DeadLetter], choice: FailureFilter) -> Iterator[DeadLetter]:
    """The dead letters that match."""
    return (each for each in messages if choice.matches(each.images, each.error, each.reason))


@dataclass(frozen=True)
class DeadLetterList:
    """The dead letters that match, latest first, up to a limit.

    `more`: there are, or may be, further ones. `unseen`: those that could not be read.
    """

    found: list[DeadLetterState]
    more: bool = False
    unseen: UnreadMessages = field(default_factory=UnreadMessages)


def list_dead_letters(
    sqs: SQSClient,
    url: str,
    reader: Reader,
    choice: FailureFilter,
    limit: int,
    report: Report = lambda _: None,
) -> DeadLetterList:
    """At most `limit` matching dead letters of the queue `url`, in memory proportional to `limit`.

    Without a filter, reading stops after `limit`, so the result may not hold the very latest.
    """
    before = queues.depth(sqs, url)
    one_more = limit + 1  # shows whether there are further ones
    lease_limit = MAX_LEASED if choice else min(one_more, MAX_LEASED)
    with lease(sqs, url, lease_limit) as leased:
        messages = _reported(leased, report)
        found = heapq.nlargest(one_more, matching(messages, choice), key=lambda each: each.sent_at)
        unseen = leased.unread(before)
    return DeadLetterList(
        classify(reader, found[:limit]),
        more=leased.more or len(found) > limit,
        unseen=UnreadMessages() if unseen.cut_off and lease_limit == one_more else unseen,
    )


def _reported(messages: Iterable[DeadLetter], report: Report) -> Iterator[DeadLetter]:
    for number, message in enumerate(messages, 1):
        report(number)
        yield message


def delete_unreadable(
    sqs: SQSClient, url: str, ids: Collection[str] | None = None
) -> Generator[DeadLetter | UnreadMessages, None, None]:
    """Delete unreadable dead letters, only those in `ids` if given, and yield each after deletion.

    Finally yields the messages that could not be read, if there are any.
    """
    before = queues.depth(sqs, url)
    with lease(sqs, url) as leased:
        candidates = (
            each for each in leased if not each.images and (ids is None or each.message_id in ids)
        )
        while window := list(islice(candidates, _WINDOW)):
            leased.delete(window)
            yield from window
        unseen = leased.unread(before)
    if unseen:
        yield unseen


def unreadable_ids(sqs: SQSClient, url: str) -> tuple[set[str], UnreadMessages]:
    """The ids of the dead letters that contain no photo event, and what could not be read."""
    before = queues.depth(sqs, url)
    with lease(sqs, url) as leased:
        return {each.message_id for each in leased if not each.images}, leased.unread(before)


def classify(reader: Reader, messages: Sequence[DeadLetter]) -> list[DeadLetterState]:
    """The dead letters with the current state of their photos."""
    images = (image for message in messages for image in message.images)
    photos = reader.photos(images, "status", "sequencer", consistent=True)
    return [DeadLetterState(message, _state(message, photos)) for message in messages]


def _state(message: DeadLetter, photos: Mapping[str, Item]) -> State:
    """The state of its photos; of several states, the one that needs most attention."""
    states = {_photo_state(photos.get(event.key), event.sequencer) for event in message.events}
    order: tuple[State, ...] = ("waiting", "failed", "labelled", "removed")
    return next((state for state in order if state in states), "unreadable")


def _photo_state(photo: Item | None, sequencer: str) -> State:
    if photo is None or photo["sequencer"] < sequencer:
        return "waiting"
    state: State = photo["status"]
    return state


def take(found: Iterator[Failure], limit: int) -> tuple[list[Failure], bool]:
    """The first `limit` failures, and whether there are more."""
    taken = list(islice(found, limit))
    return taken, next(found, None) is not None
