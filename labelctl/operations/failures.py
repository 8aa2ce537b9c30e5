"""What did not work out: the photos that cannot be labelled, and the messages that were set aside.

The two are different things. A *failed* photo has been judged: its result is a reason, and it is
done. A *dead letter* is a message that the function could not work off; its photo may be without a
result because of it, or may have got one since.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from labelctl.aws import queues
from labelctl.contract import schema
from labelctl.operations.dead_letters import MOST, DeadLetter, Unseen, held

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from labelctl.labels.tables import Item, Reader

_WINDOW = 80  # dead letters deleted side by side, before it is told of them

State = Literal["waiting", "failed", "labelled", "removed", "unreadable"]


@dataclass(frozen=True)
class Choice:
    """Which failures are meant: those of keys that begin with `prefix`, for a `reason`.

    `reason` is a part of the error's code or of the reason's sentence, in any case of the letters.
    """

    prefix: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.prefix or self.reason)

    def takes(self, images: Sequence[str], error: str, reason: str) -> bool:
        """Whether something that failed about these photos, with this error, is meant."""
        if self.prefix and not any(image.startswith(self.prefix) for image in images):
            return False
        wanted = self.reason.casefold()
        return wanted in error.casefold() or wanted in reason.casefold()


@dataclass(frozen=True)
class Failure:
    """A photo that could not be labelled: an error's code, a sentence, and when (ISO 8601, UTC)."""

    image: str
    error: str
    reason: str
    failed_at: str

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Aside:
    """A dead letter, and how its photos stand now.

    `state` is waiting: the photo has no result of what the message tells of, and will get none unless
    the message is put back to work; labelled, failed or removed: it was done with all the same, and
    the message can do nothing any more; unreadable: it tells of no photo.
    """

    letter: DeadLetter
    state: State

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form. The body is told where it says no more than that."""
        return {
            "message_id": self.letter.message_id,
            "images": self.letter.images,
            "error": self.letter.error,
            "reason": self.letter.reason,
            "sent_at": self.letter.sent_at,
            "receives": self.letter.receives,
            "state": self.state,
            "body": self.letter.body if self.state == "unreadable" else None,
        }


def failed(reader: Reader, choice: Choice) -> Iterator[Failure]:
    """The photos that failed, the latest first, read as far as they are taken.

    By the index, which is a moment behind the table.
    """
    for item in reader.photos_by_state(schema.FAILED):
        failure = Failure(item["image"], item["error"], item["reason"], item["done_at"])
        if choice.takes([failure.image], failure.error, failure.reason):
            yield failure


def chosen(letters: Iterable[DeadLetter], choice: Choice) -> Iterator[DeadLetter]:
    """Those of the dead letters that are meant."""
    return (each for each in letters if choice.takes(each.images, each.error, each.reason))


@dataclass(frozen=True)
class SetAside:
    """The dead letters that are meant, the latest first, as far as they are wanted.

    `more`: there are more of them, or may be. `unseen`: what was to be looked at, and could not be.
    """

    found: list[Aside]
    more: bool = False
    unseen: Unseen = field(default_factory=Unseen)


def set_aside(sqs: SQSClient, url: str, reader: Reader, choice: Choice, limit: int) -> SetAside:
    """The dead letters in the queue `url`, at most `limit` of them.

    Without a choice no more are looked at, so they may not be the very latest. Memory is for `limit`.
    """
    before = queues.depth(sqs, url)
    some = limit + 1  # which tells whether there are more
    most = MOST if choice else min(some, MOST)
    with held(sqs, url, most) as letters:
        found = heapq.nlargest(some, chosen(letters, choice), key=lambda each: each.sent_at)
        unseen = letters.unseen(before)
    return SetAside(
        judge(reader, found[:limit]),
        more=letters.more or len(found) > limit,
        unseen=Unseen() if unseen.cut_off and most == some else unseen,
    )


def discard(
    sqs: SQSClient, url: str, ids: Collection[str] | None = None
) -> Generator[DeadLetter | Unseen, None, None]:
    """Delete dead letters that tell of no photo, among these ids if given; tells of each that is gone.

    What was not looked at is told last, if anything.
    """
    before = queues.depth(sqs, url)
    with held(sqs, url) as letters:
        some = (each for each in letters if not each.images)
        going = (each for each in some if ids is None or each.message_id in ids)
        while window := list(islice(going, _WINDOW)):
            letters.delete(window)
            yield from window
        unseen = letters.unseen(before)
    if unseen:
        yield unseen


def unreadable(sqs: SQSClient, url: str) -> tuple[set[str], Unseen]:
    """The ids of the dead letters that tell of no photo, and what was not looked at."""
    before = queues.depth(sqs, url)
    with held(sqs, url) as letters:
        return {each.message_id for each in letters if not each.images}, letters.unseen(before)


def judge(reader: Reader, letters: Sequence[DeadLetter]) -> list[Aside]:
    """How the photos of dead letters stand, by their items."""
    images = (image for letter in letters for image in letter.images)
    photos = reader.photos(images, "status", "sequencer", consistent=True)
    return [Aside(letter, _state(letter, photos)) for letter in letters]


def _state(letter: DeadLetter, photos: Mapping[str, Item]) -> State:
    """The state of the photo that needs something most, where a message tells of several."""
    states = {_outcome(photos.get(event.key), event.sequencer) for event in letter.events}
    order: tuple[State, ...] = ("waiting", "failed", "labelled", "removed")
    return next((state for state in order if state in states), "unreadable")


def _outcome(photo: Item | None, sequencer: str) -> State:
    if photo is None or photo["sequencer"] < sequencer:
        return "waiting"
    state: State = photo["status"]
    return state


def first(found: Iterator[Failure], limit: int) -> tuple[list[Failure], bool]:
    """The first so many, and whether there are more."""
    taken = list(islice(found, limit))
    return taken, next(found, None) is not None
