"""The dead-letter queue: the messages the function gave up on, and why.

SQS cannot show a message without handing it out, so every read takes a *lease*: the dead letters it
receives stay hidden from other readers until the lease is released. If the reader is killed, SQS makes
them visible again after LEASE seconds (LONG_LEASE for a large lease). A lease is renewed while it is
open, and reading stops if it cannot be renewed in time. Only `redrive` and `delete` remove messages.
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
from labelctl.aws.queues import BATCH, QueueDepth
from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent
from labelctl.errors import RefusedError
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LEASE = 60
"""Seconds for which a message stays hidden unless it is released or its lease is renewed. Renewal is
due after a third of this, which leaves time to retry a failed call."""

LONG_LEASE = 600
"""The same for more than SHORT_LEASE_LIMIT messages. Renewing MAX_LEASED of them takes 50 s at 40 ms a
call, and may take two thirds of this time."""

SHORT_LEASE_LIMIT = 1000
"""With up to this many messages, LEASE is long enough to renew all of them at one second a call."""

MAX_LEASED = 100_000
"""Maximum number of messages in one lease, which keeps a few hundred bytes for each. SQS hands out at
most 120,000 at once. [SQS Developer Guide, Quotas related to messages]"""

WORKERS = 8
"""Maximum number of concurrent requests."""

LONG_POLL = 1
"""Seconds to wait for a message. Without waiting, SQS queries only some of its servers, so an empty
response does not mean an empty queue. [SQS Developer Guide, Short and long polling]"""

TICK = 1.0
"""Seconds between checks for leases due for renewal."""

NO_REASON = "The function failed or was stopped each time without giving a reason."

_BATCH_BYTES = 250_000  # of message bodies per request: below every limit SQS has had
_MAX_REPEATS = 3  # rounds in a row that return only messages already leased


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message in the dead-letter queue.

    `events` are the photo events in its body; empty if the body is unreadable or contains none.
    `error` (a code) and `reason` (a sentence) come from the function; `error` is empty if SQS moved the
    message itself after too many receives. `sent_at` is ISO 8601 in UTC: when the message was sent, or
    when the function dead-lettered it. `receives` includes the receive by this lease.
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
        """The keys of the photos in its events, without duplicates."""
        return tuple(dict.fromkeys(event.key for event in self.events))


@dataclass(frozen=True)
class UnreadMessages:
    """The dead letters that could not be read; falsy if all were.

    `hidden` is how many are leased by another reader. `cut_off` is True if reading stopped early, and
    the number of unread messages is unknown (see `DeadLetterLease.more`).
    """

    hidden: int = 0
    cut_off: bool = False

    def __bool__(self) -> bool:
        return bool(self.hidden or self.cut_off)

    def sentences(self) -> Iterator[str]:
        """What to tell the user, one sentence per problem."""
        if self.hidden:
            one = self.hidden == 1
            span = "a minute" if self.hidden <= SHORT_LEASE_LIMIT else f"{LONG_LEASE // 60} minutes"
            yield (
                f"{counted(self.hidden, 'dead letter')} {'is' if one else 'are'} in use by another "
                f"command, or by one that was killed. {'It' if one else 'They'} will be available "
                f"again within {span}."
            )
        if self.cut_off:
            yield (
                f"There are more dead letters than can be read at once (limit: {MAX_LEASED:,}). "
                "Some were not read."
            )


class DeadLetterLease:
    """The dead letters leased by one reader. Created by `lease`; for use by a single thread.

    After iteration, `more` is True if there may be further dead letters: reading stopped at the limit,
    or SQS kept returning the same messages because their leases could not be renewed in time.
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
        self._receipts: dict[str, str] = {}  # message id -> latest receipt
        self._renewals: PriorityQueue[tuple[float, list[str]]] = PriorityQueue()  # (due, ids)
        self._late: set[str] = set()
        self._read_count = 0
        self._started_at: datetime | None = None
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters")
        self._closing = threading.Event()
        self._renewer = threading.Thread(
            target=self._renew_until_closed, name="dead-letters-renewer", daemon=True
        )
        self._renewer.start()

    def __iter__(self) -> Iterator[DeadLetter]:
        """Each dead letter once, in no particular order.

        Messages sent after reading started are leased but not returned, and do not count against the
        limit: a redriven message may come straight back, and the loop would never end.
        """
        width, repeats = 1, 0
        while repeats < _MAX_REPEATS and (sizes := self._receive_sizes(width)):
            known = len(self._receipts)
            pages = list(self._pool.map(self._receive, sizes))
            if not any(pages):
                return
            repeats = repeats + 1 if len(self._receipts) == known else 0
            found = [message for message, is_new in chain.from_iterable(pages) if is_new]
            self._read_count += len(found)
            yield from found
            width = min(2 * width, WORKERS)
        self.more = True

    def unread(self, before: QueueDepth) -> UnreadMessages:
        """The messages that were not read, given the queue's counts from before the lease."""
        if self.more:
            return UnreadMessages(cut_off=True)
        return UnreadMessages(hidden=max(min(before.in_flight, before.depth - self._read_count), 0))

    def _receive_sizes(self, width: int) -> list[int]:
        """How many messages to ask for in each of at most `width` requests, within the limit."""
        room = self._limit - (len(self._receipts) - len(self._late))
        return [min(BATCH, room - start) for start in range(0, room, BATCH)][:width]

    def _receive(self, limit: int) -> list[tuple[DeadLetter, bool]]:
        asked_at, seconds = self._clock(), self._lease_seconds
        response = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=seconds,
            WaitTimeSeconds=LONG_POLL,
            AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=[s3_events.ERROR_ATTRIBUTE, s3_events.REASON_ATTRIBUTE],
        )
        if self._started_at is None:
            self._started_at = _server_time(response)
        found = []
        for received in response.get("Messages", ()):
            message = _parse(received)
            # SQS may return a message twice, and does so when a lease was not renewed in time.
            is_known = message.message_id in self._receipts
            is_late = _sent_at(received) > self._started_at
            if is_late:
                self._late.add(message.message_id)
            self._receipts[message.message_id] = message.receipt
            found.append((message, not is_known and not is_late))
        if found:
            self._renewals.put((asked_at + seconds / 3, [each.message_id for each, _ in found]))
        return found

    def redrive(self, messages: Iterable[DeadLetter], queue: str) -> None:
        """Send the messages' bodies to another queue (by URL), then delete the messages here.

        In this order an interruption leaves a duplicate, which is harmless. Messages that SQS returns
        because it is busy are sent again for about 3 seconds. Messages no longer leased (redriven or
        deleted before) are ignored. Raises RefusedError for messages that SQS rejects; they stay here.
        """
        self._run_all(lambda batch: self._redrive(batch, queue), _batches(self._leased(messages)))

    def _redrive(self, batch: list[DeadLetter], queue: str) -> None:
        bodies = [message.body for message in batch]
        for accepted in queues.send(self._sqs, queue, bodies, sleep=self._sleep):
            self._delete([batch[index] for index in accepted])

    def delete(self, messages: Iterable[DeadLetter]) -> None:
        """Delete the messages. Messages no longer leased are ignored.

        Raises RefusedError if SQS does not delete some of them.
        """
        self._run_all(self._delete, _batches(self._leased(messages)))

    def _leased(self, messages: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """The messages that are still leased, without duplicates."""
        seen: set[str] = set()
        for message in messages:
            if message.message_id in self._receipts and message.message_id not in seen:
                seen.add(message.message_id)
                yield message

    def _delete(self, batch: list[DeadLetter]) -> None:
        ids = [message.message_id for message in batch]
        entries: Any = [
            {"Id": str(index), "ReceiptHandle": self._receipts[message_id]}
            for index, message_id in enumerate(ids)
        ]
        response = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        failed = response.get("Failed", ())
        kept = {int(each["Id"]) for each in failed}
        for index, message_id in enumerate(ids):
            if index not in kept:
                self._receipts.pop(message_id, None)
                self._late.discard(message_id)
        if failed:
            raise RefusedError(
                f"SQS did not delete {counted(len(failed), 'dead letter')}: "
                f"{failed[0].get('Message') or failed[0]['Code']}",
                "They are still in the queue. Run the same command to resume.",
            )

    def release(self) -> None:
        """Make all remaining messages visible to other readers immediately."""
        self._closing.set()
        # Waits for receives in progress: the messages they return are leased as well.
        self._pool.shutdown(cancel_futures=True)
        self._renewer.join()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters") as pool:
            list(pool.map(lambda batch: self._hide(batch, 0), self._with_receipts(self._receipts)))
        self._receipts.clear()

    @property
    def _lease_seconds(self) -> int:
        return LEASE if len(self._receipts) <= SHORT_LEASE_LIMIT else LONG_LEASE

    def _renew_until_closed(self) -> None:
        # A separate pool, so that receiving and redriving cannot delay renewals.
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dead-letters-renewal") as pool:
            due: list[list[str]] = []
            while not self._closing.wait(0 if due else TICK):
                due = self._due_renewals()
                with suppress(Exception):
                    list(pool.map(self._renew, due))

    def _due_renewals(self) -> list[list[str]]:
        """The message ids due for renewal, one list per request, at most one request per worker."""
        found: list[list[str]] = []
        while len(found) < WORKERS and not self._renewals.empty():
            due_at, ids = self._renewals.get_nowait()
            if due_at > self._clock():
                self._renewals.put((due_at, ids))
                break
            found.append(ids)
        return found

    def _renew(self, ids: list[str]) -> None:
        seconds = self._lease_seconds
        for batch in self._with_receipts(ids):
            # Scheduled before the call, so that a failed call is retried before the lease expires.
            self._renewals.put((self._clock() + seconds / 3, [each for each, _ in batch]))
            self._hide(batch, seconds)

    def _hide(self, batch: list[tuple[str, str]], seconds: int) -> None:
        """Hide messages from other readers for `seconds` from now; 0 makes them visible.

        A message for which this fails is visible already, or will be when its lease expires.
        """
        entries: Any = [
            {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for index, (_, receipt) in enumerate(batch)
        ]
        self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _with_receipts(self, ids: Iterable[str]) -> Iterator[list[tuple[str, str]]]:
        """The ids that are still leased with their receipts, in batches."""
        pairs = iter([(each, receipt) for each in ids if (receipt := self._receipts.get(each))])
        while batch := list(islice(pairs, BATCH)):
            yield batch

    def _run_all(
        self, work: Callable[[list[DeadLetter]], None], batches: Iterable[list[DeadLetter]]
    ) -> None:
        """Run `work` on every batch concurrently, even if one fails; then raise the first failure."""
        futures = [self._pool.submit(work, batch) for batch in batches]
        failures = [failure for each in futures if (failure := each.exception())]
        if failures:
            raise failures[0]


@contextmanager
def lease(
    sqs: SQSClient,
    url: str,
    limit: int = MAX_LEASED,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[DeadLetterLease]:
    """Lease at most `limit` dead letters of the queue `url` for the duration of the `with` block.

    On exit, including errors and Ctrl-C, all are released that were not redriven or deleted.
    """
    leased = DeadLetterLease(sqs, url, limit, sleep, clock)
    try:
        yield leased
    except BaseException:
        with suppress(Exception):  # report the original error
            leased.release()
        raise
    leased.release()


def _parse(message: Mapping[str, Any]) -> DeadLetter:
    attributes = {
        name: attribute.get("StringValue", "")
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    return DeadLetter(
        message_id=message["MessageId"],
        events=_events(message["Body"]),
        # Thousands of messages usually share one reason: intern its text to save memory.
        error=sys.intern(attributes.get(s3_events.ERROR_ATTRIBUTE, "")),
        reason=sys.intern(attributes.get(s3_events.REASON_ATTRIBUTE, "") or NO_REASON),
        sent_at=s3_events.format_time(_sent_at(message)),
        receives=int(message["Attributes"]["ApproximateReceiveCount"]),
        body=message["Body"],
        receipt=message["ReceiptHandle"],
    )


def _sent_at(message: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _server_time(response: Mapping[str, Any]) -> datetime:
    """The end of the second in the response's Date header: the local clock may be wrong."""
    date = response["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    seconds = parsedate_to_datetime(date).timestamp() + 1 if date else time.time()
    return datetime.fromtimestamp(seconds, UTC)


def _events(body: str) -> tuple[PhotoEvent, ...]:
    try:
        return tuple(s3_events.parse_message(body))
    except ValueError:
        return ()


def _batches(messages: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for message in messages:
        length = len(message.body.encode())
        if batch and (len(batch) == BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch
