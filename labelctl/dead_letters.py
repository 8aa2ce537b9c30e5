"""The dead-letter queue: what the function gave up on, and what it was given up for.

SQS cannot show a message without handing it out. So reading *holds* each dead letter for a while
(others do not see it meanwhile), and then gives it back; if the reading is killed, SQS gives it back
by itself after HOLD seconds. Nothing leaves the queue but by `move` and `delete`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.contract import PhotoEvent
from labelctl.errors import RefusedError
from labelctl.words import counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HOLD = 300
"""Seconds for which a dead letter that was read stays hidden, if it is not given back before."""

MOST = 10_000
"""Dead letters held at once: of each that is, a few hundred bytes are kept, and SQS hands out 120,000
at the most. [SQS Developer Guide, Quotas related to messages]"""

WORKERS = 8
"""Requests at once, as soon as there is work for so many."""

LONG_POLL = 1
"""Seconds to wait for a message. Without waiting, SQS asks a part of its servers only, and an empty
answer says nothing. [SQS Developer Guide, Short and long polling]"""

NO_REASON = "The function failed or was stopped each time, and could not say why."

_BATCH = 10  # the most messages that one request receives, sends, deletes or gives back
_BATCH_BYTES = 250_000  # of bodies in one request: less than any limit that SQS ever had
_ATTEMPTS = 5


@dataclass(frozen=True)
class DeadLetter:
    """One message that was set aside.

    `images` are the keys that its body tells of, none where it cannot be read (or tells of none).
    `error` (a code) and `reason` (a sentence) are the function's; where SQS set the message aside by
    itself, after too many receives, `error` is empty. `sent_at` is ISO 8601 in UTC: when the message
    was sent, or the function set it aside. `receives` counts these looks as well.
    """

    message_id: str
    images: tuple[str, ...]
    error: str
    reason: str
    sent_at: str
    receives: int
    body: str
    receipt: str

    @cached_property
    def events(self) -> tuple[PhotoEvent, ...]:
        """What its body tells of the photos; nothing where it cannot be read."""
        return _events(self.body)


class Held:
    """The dead letters while they are held. Made by `held`; for one thread.

    `more` tells, after the iteration, that it ended at the limit: there may be more dead letters.
    """

    def __init__(
        self, sqs: SQSClient, url: str, limit: int, sleep: Callable[[float], None]
    ) -> None:
        self.more = False
        self._sleep = sleep
        self._sqs = sqs
        self._url = url
        self._limit = limit
        self._receipts: dict[str, str] = {}  # by message id, the newest
        self._began: datetime | None = None
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters")

    def __iter__(self) -> Iterator[DeadLetter]:
        """Each dead letter once, as they come, which is in no order.

        Those that were sent after it began are held, but not told of: one that was moved may come
        straight back, and there would be no end.
        """
        width = 1
        while sizes := self._room(width):
            pages = list(self._pool.map(self._receive, sizes))
            if not any(pages):
                return
            yield from (letter for letter, is_new in chain.from_iterable(pages) if is_new)
            width = min(2 * width, WORKERS)
        self.more = True

    def _room(self, width: int) -> list[int]:
        """How many to receive with each of at most `width` requests, before the limit is reached."""
        room = self._limit - len(self._receipts)
        return [min(_BATCH, room - start) for start in range(0, room, _BATCH)][:width]

    def _receive(self, most: int) -> list[tuple[DeadLetter, bool]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=HOLD,
            WaitTimeSeconds=LONG_POLL,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=[contract.ERROR_ATTRIBUTE, contract.REASON_ATTRIBUTE],
        )
        if self._began is None:
            self._began = _clock(answer)
        found = []
        for message in answer.get("Messages", ()):
            letter = _letter(message)
            # One held for longer than HOLD is received again.
            is_new = letter.message_id not in self._receipts and _sent(message) <= self._began
            self._receipts[letter.message_id] = letter.receipt
            found.append((letter, is_new))
        return found

    def move(self, letters: Iterable[DeadLetter], queue: str) -> None:
        """Send what the letters say into another queue, by its URL, and delete them here.

        In this order: cut off in between, a message is there twice, which does no harm. What SQS
        hands back because it is busy is sent again, for about 6 seconds. Raises RefusedError for
        what it will not take, which stays where it is.
        """

        self._side_by_side(lambda batch: self._move(batch, queue), _batches(letters))

    def _move(self, batch: list[DeadLetter], queue: str) -> None:
        for attempt in range(_ATTEMPTS):
            answer = self._sqs.send_message_batch(
                QueueUrl=queue,
                Entries=[
                    {"Id": str(number), "MessageBody": letter.body}
                    for number, letter in enumerate(batch)
                ],
            )
            failed = {int(each["Id"]): each for each in answer.get("Failed", ())}
            self._delete([each for number, each in enumerate(batch) if number not in failed])
            batch = [batch[number] for number in sorted(failed)]
            if not batch:
                return
            if any(each["SenderFault"] for each in failed.values()):
                break
            self._sleep(0.2 * 2**attempt)
        _refuse(answer["Failed"], "take")

    def delete(self, letters: Iterable[DeadLetter]) -> None:
        """Remove the letters for good. Raises RefusedError for those that SQS would not remove."""
        self._side_by_side(self._delete, _batches(letters))

    def _delete(self, batch: list[DeadLetter]) -> None:
        if not batch:
            return
        ids = [letter.message_id for letter in batch]
        answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=self._entries(ids))
        failed = {int(each["Id"]) for each in answer.get("Failed", ())}
        for number, message_id in enumerate(ids):
            if number not in failed:
                self._receipts.pop(message_id, None)
        _refuse(answer.get("Failed"), "remove")

    def give_back(self) -> None:
        """Make all that are left visible again, at once."""
        self._pool.shutdown(cancel_futures=True)  # what is being received right now is ours as well
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters")
        ids = list(self._receipts)

        def one(start: int) -> None:
            entries: Any = self._entries(ids[start : start + _BATCH])
            for entry in entries:
                entry["VisibilityTimeout"] = 0
            # One that failed was visible already, or will be after HOLD seconds.
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        with self._pool:
            list(self._pool.map(one, range(0, len(ids), _BATCH)))
        self._receipts.clear()

    def _entries(self, ids: Iterable[str]) -> Any:
        return [
            {"Id": str(number), "ReceiptHandle": self._receipts[message_id]}
            for number, message_id in enumerate(ids)
        ]

    def _side_by_side(
        self, work: Callable[[list[DeadLetter]], None], batches: Iterable[list[DeadLetter]]
    ) -> None:
        """All of the batches, also where one of them fails: then the first failure is raised."""
        working = [self._pool.submit(work, batch) for batch in batches]
        failures = [failure for each in working if (failure := each.exception())]
        if failures:
            raise failures[0]


@contextmanager
def held(
    sqs: SQSClient,
    url: str,
    limit: int = MOST,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Held]:
    """Hold the dead letters of the queue `url`, at most `limit` at once, until the `with` is left.

    Then all are given back but for those that were moved or deleted, on errors and Ctrl-C too.
    """
    letters = Held(sqs, url, limit, sleep)
    try:
        yield letters
    except BaseException:
        with suppress(Exception):  # what went wrong first is what is told
            letters.give_back()
        raise
    letters.give_back()


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    told = {
        name: attribute.get("StringValue", "")
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    images = dict.fromkeys(event.key for event in _events(message["Body"]))
    return DeadLetter(
        message_id=message["MessageId"],
        images=tuple(images),
        error=told.get(contract.ERROR_ATTRIBUTE, ""),
        reason=told.get(contract.REASON_ATTRIBUTE, "") or NO_REASON,
        sent_at=_sent(message).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        receives=int(message["Attributes"]["ApproximateReceiveCount"]),
        body=message["Body"],
        receipt=message["ReceiptHandle"],
    )


def _sent(message: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _clock(answer: Mapping[str, Any]) -> datetime:
    """SQS's own time, since this machine's clock may be wrong: the end of the second that it tells."""
    told = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    seconds = parsedate_to_datetime(told).timestamp() + 1 if told else time.time()
    return datetime.fromtimestamp(seconds, UTC)


def _events(body: str) -> tuple[PhotoEvent, ...]:
    try:
        return tuple(contract.parse_message(body))
    except ValueError:
        return ()


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        length = len(letter.body.encode())
        if batch and (len(batch) == _BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += length
    if batch:
        yield batch


def _refuse(failed: Any, what: str) -> None:
    if failed:
        told = failed[0].get("Message") or failed[0]["Code"]
        raise RefusedError(
            f"SQS did not {what} {counted(len(failed), 'dead letter')}: {told}",
            "They are still there. The same command goes on with them.",
        )
