"""A second look at photos whose object and stored result do not agree.

Photos come and go meanwhile and the function works, so the order matters: first the queues, then the
photo's item, consistently, and the object last. What was in the queue and is done has its result by
then, and an object that came after its item was read is still young.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.aws.threads import pool
from labelctl.contract import s3_events
from labelctl.operations import reprocess
from labelctl.operations.verify import rules
from labelctl.operations.verify.inventory import ATTRIBUTES, Problem
from labelctl.operations.verify.rules import Kind, Photo, Queues
from labelctl.photos.versions import look
from labelctl.text import span

if TYPE_CHECKING:
    from labelctl.aws.clients import Aws
    from labelctl.contract.s3_events import PhotoEvent
    from labelctl.deploy.stack import Stack
    from labelctl.labels.tables import Reader
    from labelctl.operations.dead_letters import DeadLetter, Held

_WORKERS = 8
_COUNTS = 3  # the queue's counts are approximate: empty is what is empty so often in a row


class Recheck:
    """The second look of one run, with the dead letters that are held meanwhile."""

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        reader: Reader,
        letters: Held,
        overdue: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._aws, self._stack, self._reader = aws, stack, reader
        self._clock, self._sleep = clock, sleep
        is_empty = self._is_empty(_COUNTS)
        self._letters, self._letter_of = letters, _by_event(letters)
        events = defaultdict(list)
        for event in self._letter_of:
            events[event.key].append(event)
        self._queues = Queues(is_empty, events, overdue)

    def check(self, photos: Sequence[Photo]) -> list[tuple[Kind, Photo]]:
        """How each photo stands, as it is now."""
        # Also for messages that somebody moved back before the dead letters were read.
        if self._queues.is_empty and not self._is_empty(1):
            self._queues = replace(self._queues, is_empty=False)
        images = [photo.image for photo in photos]
        items = self._reader.photos(images, *ATTRIBUTES, consistent=True)
        fresh = [replace(photo, item=items.get(photo.image)) for photo in photos]
        s3, bucket = self._aws.s3, self._stack.bucket

        def classify(photo: Photo) -> tuple[Kind, Photo]:
            kind = rules.classify(photo, self._queues, self._clock())
            if kind == "ok" or (kind == "waiting" and not rules.is_outdated(photo)):
                return kind, photo
            there = look(s3, bucket, photo.image)
            if there.since is None and photo.object.since is not None:
                there = replace(there, since=self._clock())  # it is gone since the listing
            photo = replace(photo, object=there)
            return rules.classify(photo, self._queues, self._clock()), photo

        with pool(_WORKERS, "look") as threads:
            return [*threads.map(classify, fresh)]

    def _is_empty(self, counts: int) -> bool:
        for count in range(counts):
            if count:
                self._sleep(0.5)
            if queues.depth(self._aws.sqs, self._stack.queue).depth:
                return False
        return True

    def problem(self, kind: Kind, photo: Photo) -> Problem:
        """What is wrong with a photo of this kind."""
        last = photo.item["sequencer"] if photo.item else ""
        sequencer = s3_events.next_sequencer(last)
        if event := rules.dead_letter(photo, self._queues):
            letter = self._letter_of[event]
            sequencer = event.sequencer
            detail = "Given up. " + ": ".join(filter(None, (letter.error, letter.reason)))
        elif kind == "stale":
            detail = "Its result is of another version than the one in the bucket."
        elif kind == "orphaned":
            detail = "It is gone, but its result is still stored."
        else:
            waited = span(self._clock() - (photo.object.since or 0))
            detail = f"It has had no result for {waited}."
        return Problem(kind, photo.image, detail, sequencer)

    def repair(self, problems: Sequence[Problem]) -> None:
        """Move the dead letters that set photos right back to work; for the others send a request.

        Only when all photos were checked: a message of these would count as that of a photo that
        waits. Raises RefusedError for what SQS does not take.
        """
        wanted = [
            reprocess.Wanted(each.image, each.sequencer)
            for each in problems
            if each.kind != "dead_letter"
        ]
        now = s3_events.iso(datetime.fromtimestamp(self._clock(), UTC))
        for _ in reprocess.send(self._aws.sqs, self._stack.queue, self._stack.bucket, wanted, now):
            pass
        letters = [
            self._letter_of[event]
            for each in problems
            if each.kind == "dead_letter"
            for event in self._queues.dead_letters[each.image]
            if event.sequencer == each.sequencer
        ]
        self._letters.move(letters, self._stack.queue)


def _by_event(letters: Held) -> dict[PhotoEvent, DeadLetter]:
    return {event: letter for letter in letters for event in letter.events}
