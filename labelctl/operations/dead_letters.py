"""The dead-letter queue: what the function gave up on, and what it was given up for.

SQS cannot show a message without handing it out. So reading *holds* each dead letter for a while
(others do not see it meanwhile), and then gives it back; if the reading is killed, SQS gives it back
by itself, after HOLD seconds, or LONG_HOLD where it held many. A reading that takes longer holds it
anew, and ends even where it cannot do so in time. Nothing leaves the queue but by `move` and `delete`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from queue import PriorityQueue
from typing import TYPE_CHECKING, Any

from labelctl.aws import queues
from labelctl.aws.queues import BATCH, Queue
from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent
from labelctl.errors import RefusedError
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HOLD = 60
"""Seconds for which a dead letter that was read stays hidden, if it is neither given back before nor
held anew. It is held anew after a third of that, so a call that fails can be made up for."""

LONG_HOLD = 600
"""The same, where more than FEW are held. To hold MOST anew takes 50 s at 40 ms a call, and may take
two thirds of it."""

FEW = 1000
"""So many are held anew in time for HOLD even at a second a call."""

MOST = 100_000
"""Dead letters held at once: of each that is, its id and receipt are kept (some hundred bytes), and SQS
hands out 120,000 at the most. [SQS Developer Guide, Quotas related to messages]"""

WORKERS = 8
"""Requests at once, as soon as there is work for so many."""

LONG_POLL = 1
"""Seconds to wait for a message. Without waiting, SQS asks a part of its servers only, and an empty
answer says nothing. [SQS Developer Guide, Short and long polling]"""

TICK = 1.0
"""Seconds between two looks at what is to be held anew."""

NO_REASON = "The function failed or was stopped each time, and could not say why."

_BATCH_BYTES = 250_000  # of bodies in one request: less than any limit that SQS ever had
_ROUNDS = 3  # of receives in a row that may bring nothing but what is held already


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was set aside.

    `events` is what its body tells of the photos, nothing where it cannot be read (or tells of none).
    `error` (a code) and `reason` (a sentence) are the function's; where SQS set the message aside by
    itself, after too many receives, `error` is empty. `sent_at` is ISO 8601 in UTC: when the message
    was sent, or the function set it aside. `receives` counts these looks as well.
    """

    message_id: str
    events: tuple[PhotoEvent, ...]
    error: str
    reason: str
    sent_at: str
    receives: int
    body: str
    receipt: str

    @property
    def images(self) -> tuple[str, ...]:
        """The keys of the photos that it tells of, each once."""
        return tuple(dict.fromkeys(event.key for event in self.events))


@dataclass(frozen=True)
class Unseen:
    """The dead letters that a reading did not see: falsy where it saw all.

    `hidden`: so many somebody else holds. `cut_off`: it ended early, and nobody knows (`Held.more`).
    """

    hidden: int = 0
    cut_off: bool = False

    def __bool__(self) -> bool:
        return bool(self.hidden or self.cut_off)

    def sentences(self) -> Iterator[str]:
        """What is to be said of them."""
        if self.hidden:
            one = self.hidden == 1
            span = "a minute" if self.hidden <= FEW else f"{LONG_HOLD // 60} minutes"
            yield (
                f"{counted(self.hidden, 'dead letter')} {'is' if one else 'are'} being looked at by "
                "another command, or by one that was killed; "
                f"{'it is' if one else 'they are'} back within {span}."
            )
        if self.cut_off:
            yield (
                f"There are more dead letters than can be held at once ({MOST:,} at the most): "
                "not all were looked at."
            )


class Held:
    """The dead letters while they are held. Made by `held`; for one thread.

    `more` tells, after the iteration, that there may be more dead letters: it ended at the limit, or
    as the same ones came over and over, which it could not hold anew in time.
    """

    def __init__(
        self,
        sqs: SQSClient,
        url: str,
        limit: int,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.more = False
        self._sleep, self._clock = sleep, clock
        self._sqs = sqs
        self._url = url
        self._limit = limit
        self._receipts: dict[str, str] = {}  # by message id, the newest
        self._pages: PriorityQueue[tuple[float, list[str]]] = PriorityQueue()  # ids, by when due
        self._late: set[str] = set()
        self._seen = 0
        self._began: datetime | None = None
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters")
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="dead-letters-keeper", daemon=True)
        self._keeper.start()

    def __iter__(self) -> Iterator[DeadLetter]:
        """Each dead letter once, as they come, which is in no order.

        Those that were sent after it began are held, but not told of: one that was moved may come
        straight back, and there would be no end. Nor do they count against the limit.
        """
        width, in_vain = 1, 0
        while in_vain < _ROUNDS and (sizes := self._room(width)):
            known = len(self._receipts)
            pages = list(self._pool.map(self._receive, sizes))
            if not any(pages):
                return
            in_vain = in_vain + 1 if len(self._receipts) == known else 0
            found = [letter for letter, is_new in chain.from_iterable(pages) if is_new]
            self._seen += len(found)
            yield from found
            width = min(2 * width, WORKERS)
        self.more = True

    def unseen(self, before: Queue) -> Unseen:
        """What was not seen of the dead letters that were counted before they were read."""
        if self.more:
            return Unseen(cut_off=True)
        return Unseen(hidden=max(min(before.in_flight, before.depth - self._seen), 0))

    def _room(self, width: int) -> list[int]:
        """How many to receive with each of at most `width` requests, before the limit is reached."""
        room = self._limit - (len(self._receipts) - len(self._late))
        return [min(BATCH, room - start) for start in range(0, room, BATCH)][:width]

    def _receive(self, most: int) -> list[tuple[DeadLetter, bool]]:
        asked, hold = self._clock(), self._hold
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=hold,
            WaitTimeSeconds=LONG_POLL,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=[s3_events.ERROR_ATTRIBUTE, s3_events.REASON_ATTRIBUTE],
        )
        if self._began is None:
            self._began = _clock(answer)
        found = []
        for message in answer.get("Messages", ()):
            letter = _letter(message)
            # SQS may hand one out twice, and does where it could not be held anew in time.
            is_known = letter.message_id in self._receipts
            is_late = _sent(message) > self._began
            if is_late:
                self._late.add(letter.message_id)
            self._receipts[letter.message_id] = letter.receipt
            found.append((letter, not is_known and not is_late))
        if found:
            self._pages.put((asked + hold / 3, [letter.message_id for letter, _ in found]))
        return found

    def move(self, letters: Iterable[DeadLetter], queue: str) -> None:
        """Send what the letters say into another queue, by its URL, and delete them here.

        In this order: cut off in between, a message is there twice, which does no harm. What SQS
        hands back because it is busy is sent again, for about 3 seconds. Raises RefusedError for
        what it will not take, which stays where it is. Those that are not held any more, as they
        were moved or deleted before, are passed over.
        """

        self._side_by_side(
            lambda batch: self._move(batch, queue), _batches(self._still_held(letters))
        )

    def _move(self, batch: list[DeadLetter], queue: str) -> None:
        bodies = [letter.body for letter in batch]
        for taken in queues.send(self._sqs, queue, bodies, sleep=self._sleep):
            self._delete([batch[place] for place in taken])

    def delete(self, letters: Iterable[DeadLetter]) -> None:
        """Remove the letters for good. Raises RefusedError for those that SQS would not remove.

        Those that are not held any more are passed over.
        """
        self._side_by_side(self._delete, _batches(self._still_held(letters)))

    def _still_held(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Each of the letters once that is held."""
        taken: set[str] = set()
        for letter in letters:
            if letter.message_id in self._receipts and letter.message_id not in taken:
                taken.add(letter.message_id)
                yield letter

    def _delete(self, batch: list[DeadLetter]) -> None:
        ids = [letter.message_id for letter in batch]
        entries: Any = [
            {"Id": str(number), "ReceiptHandle": self._receipts[message_id]}
            for number, message_id in enumerate(ids)
        ]
        answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        failed = answer.get("Failed", ())
        kept = {int(each["Id"]) for each in failed}
        for number, message_id in enumerate(ids):
            if number not in kept:
                self._receipts.pop(message_id, None)
                self._late.discard(message_id)
        if failed:
            raise RefusedError(
                f"SQS did not remove {counted(len(failed), 'dead letter')}: "
                f"{failed[0].get('Message') or failed[0]['Code']}",
                "They are still there. The same command goes on with them.",
            )

    def give_back(self) -> None:
        """Make all that are left visible again, at once."""
        self._over.set()
        self._pool.shutdown(cancel_futures=True)  # what is being received right now is ours as well
        self._keeper.join()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters") as pool:
            list(pool.map(lambda batch: self._hide(batch, 0), self._in_batches(self._receipts)))
        self._receipts.clear()

    @property
    def _hold(self) -> int:
        return HOLD if len(self._receipts) <= FEW else LONG_HOLD

    def _keep(self) -> None:
        """Hold anew what has been held for long, until all is given back."""
        # A pool of its own: what is received or moved meanwhile must not hold it up.
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters-renewal") as pool:
            due: list[list[str]] = []
            while not self._over.wait(0 if due else TICK):
                due = self._due()
                with suppress(Exception):
                    list(pool.map(self._renew, due))

    def _due(self) -> list[list[str]]:
        """The ids that are to be held anew now, for a call each and as many as go side by side."""
        found: list[list[str]] = []
        while len(found) < WORKERS and not self._pages.empty():
            at, ids = self._pages.get_nowait()
            if at > self._clock():
                self._pages.put((at, ids))
                break
            found.append(ids)
        return found

    def _renew(self, ids: list[str]) -> None:
        hold = self._hold
        for batch in self._in_batches(ids):
            # First, as a call that fails is tried again before they lapse.
            self._pages.put((self._clock() + hold / 3, [each for each, _ in batch]))
            self._hide(batch, hold)

    def _hide(self, batch: list[tuple[str, str]], seconds: int) -> None:
        """Hide letters from others from now on for so long: 0 gives them back.

        One for which that fails is visible already, or will be once it is held no longer.
        """
        entries: Any = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for number, (_, receipt) in enumerate(batch)
        ]
        self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _in_batches(self, ids: Iterable[str]) -> Iterator[list[tuple[str, str]]]:
        """The letters that are held among these, with their receipts."""
        pairs = iter([(each, receipt) for each in ids if (receipt := self._receipts.get(each))])
        while batch := list(islice(pairs, BATCH)):
            yield batch

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
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Held]:
    """Hold the dead letters of the queue `url`, at most `limit` at once, until the `with` is left.

    Then all are given back but for those that were moved or deleted, on errors and Ctrl-C too.
    """
    letters = Held(sqs, url, limit, sleep, clock)
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
    return DeadLetter(
        message_id=message["MessageId"],
        events=_events(message["Body"]),
        # Thousands are mostly there for one reason: its text is kept once.
        error=sys.intern(told.get(s3_events.ERROR_ATTRIBUTE, "")),
        reason=sys.intern(told.get(s3_events.REASON_ATTRIBUTE, "") or NO_REASON),
        sent_at=s3_events.iso(_sent(message)),
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
        return tuple(s3_events.parse_message(body))
    except ValueError:
        return ()


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        length = len(letter.body.encode())
        if batch and (len(batch) == BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += length
    if batch:
        yield batch
