"""A second check of photos whose object and stored result do not agree.

Photos are uploaded, removed and labelled during the check, so the order of reads matters: first the
queues, then the photo's item (with a consistent read), then the object. Any message that left the queue
before has its result in the item, and an object uploaded after that read is within the grace period.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.aws.threads import pool
from labelctl.contract import s3_events
from labelctl.operations import reprocess
from labelctl.operations.verify import rules
from labelctl.operations.verify.findings import Progress
from labelctl.operations.verify.inventory import ATTRIBUTES, Problem
from labelctl.operations.verify.rules import Kind, PhotoState, Queues
from labelctl.photos.versions import newest_version
from labelctl.text import span

if TYPE_CHECKING:
    from labelctl.aws.clients import Aws
    from labelctl.contract.s3_events import PhotoEvent
    from labelctl.deploy.stack import Stack
    from labelctl.labels.reader import Reader
    from labelctl.operations.dead_letters import DeadLetter, DeadLetterLease

_WORKERS = 8
_EMPTY_READS = 3  # consecutive reads that must find the queue empty, as its counts are approximate
_PAUSE = 0.5  # seconds between them


class Recheck:
    """The second check of one run, with the dead letters leased for its duration."""

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        reader: Reader,
        leased: DeadLetterLease,
        overdue: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._aws, self._stack, self._reader = aws, stack, reader
        self._clock, self._sleep = clock, sleep
        self._leased, self._overdue = leased, overdue
        self._message_of: dict[PhotoEvent, DeadLetter] = {}
        self._queues = Queues(is_empty=False, dead_letters={}, overdue=overdue)

    def read_queues(self, dead_letters: int) -> Iterator[Progress]:
        """Read both queues, before the first `check`. `dead_letters` is their approximate number."""
        is_empty, reads = self._is_empty(), 1
        while is_empty and reads < _EMPTY_READS:
            yield Progress("Checking the queue", reads, _EMPTY_READS)
            self._sleep(_PAUSE)
            is_empty, reads = self._is_empty(), reads + 1
        events = defaultdict(list)
        for number, message in enumerate(self._leased, 1):
            for event in message.events:
                self._message_of[event] = message
                events[event.key].append(event)
            yield Progress("Reading dead letters", number, max(number, dead_letters))
        self._queues = Queues(is_empty, events, self._overdue)

    def check(self, photos: Sequence[PhotoState]) -> list[tuple[Kind, PhotoState]]:
        """Classify the photos by their current state."""
        # Messages may have been redriven before the dead letters were read.
        if self._queues.is_empty and not self._is_empty():
            self._queues = replace(self._queues, is_empty=False)
        images = [photo.image for photo in photos]
        items = self._reader.photos(images, *ATTRIBUTES, consistent=True)
        updated = [replace(photo, item=items.get(photo.image)) for photo in photos]
        s3, bucket = self._aws.s3, self._stack.bucket

        def classify(photo: PhotoState) -> tuple[Kind, PhotoState]:
            kind = rules.classify(photo, self._queues, self._clock())
            if kind == "ok" or (kind == "waiting" and not rules.is_outdated(photo)):
                return kind, photo
            current = newest_version(s3, bucket, photo.image)
            if current.since is None and photo.object.since is not None:
                current = replace(current, since=self._clock())  # removed after the listing
            photo = replace(photo, object=current)
            return rules.classify(photo, self._queues, self._clock()), photo

        with pool(_WORKERS, "look") as threads:
            return [*threads.map(classify, updated)]

    def _is_empty(self) -> bool:
        return not queues.depth(self._aws.sqs, self._stack.queue).depth

    def problem(self, kind: Kind, photo: PhotoState) -> Problem:
        """Describe the problem with a photo of this kind."""
        last = photo.item["sequencer"] if photo.item else ""
        sequencer = s3_events.next_sequencer(last)
        if event := rules.dead_letter(photo, self._queues):
            message = self._message_of[event]
            sequencer = event.sequencer
            detail = "Dead letter. " + ": ".join(filter(None, (message.error, message.reason)))
        elif kind == "stale":
            detail = "Its result is of another version than the one in the bucket."
        elif kind == "orphaned":
            detail = "The photo was removed, but its result is still stored."
        else:
            waited = span(self._clock() - (photo.object.since or 0))
            detail = f"It has had no result for {waited}."
        return Problem(kind, photo.image, detail, sequencer)

    def repair(self, problems: Sequence[Problem]) -> None:
        """Redrive the dead letters that repair photos; send a request for each other photo.

        Call it only after all photos were checked, because the messages it sends would make the queue
        look busy. Raises RefusedError for messages that SQS rejects.
        """
        requests = [
            reprocess.ReprocessRequest(each.image, each.sequencer)
            for each in problems
            if each.kind != "dead_letter"
        ]
        now = s3_events.format_time(datetime.fromtimestamp(self._clock(), UTC))
        for _ in reprocess.send(
            self._aws.sqs, self._stack.queue, self._stack.bucket, requests, now
        ):
            pass
        messages = [
            self._message_of[event]
            for each in problems
            if each.kind == "dead_letter"
            for event in self._queues.dead_letters[each.image]
            if event.sequencer == each.sequencer
        ]
        self._leased.redrive(messages, self._stack.queue)
