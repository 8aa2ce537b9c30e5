"""Whether bucket and table agree: every photo has its result, and nothing else has one.

The bucket is listed into an `Inventory`, then the table is scanned once and held against it; that
leaves few photos in doubt. Meanwhile photos come and go and the function works, so each doubt is
looked at once more, consistently, before anything is told of it. The order matters: first how many
messages the queue holds, then the dead letters, then the photo's rows, and the object last. So what
was in the queue by then and is done has its result, and an object that came after its rows were read
is too young to be missed.

What it costs for 1,000,000 photos of 10 labels (us-east-1, on demand): 1,000 listings (more with old
versions) at 0.005 USD a thousand, and a scan of 11,000,000 rows of about 400 bytes, 4.4 GB: 540,000
units (half a one for 4 KB) at 0.125 USD a million. Together 0.08 USD. A doubt costs a fresh header
(one unit), and if it remains a query and a listing of one key. The time goes into botocore's reading
of the answers: 0.3 s for 1,000 photos, on a slow core. [S3 pricing; DynamoDB pricing, on
demand; DynamoDB Developer Guide, "Read and write operations"]
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl import contract, dead_letters, inventory, requests, rows, status, verdict
from labelctl.inventory import Doubt, Inventory, There
from labelctl.verdict import Finding
from labelctl.words import span

if TYPE_CHECKING:
    from labelctl.aws import Aws
    from labelctl.contract import PhotoEvent
    from labelctl.dead_letters import DeadLetter, Held
    from labelctl.rows import Header, Stored
    from labelctl.stack import Stack

YOUNG = 120
"""Seconds for which a photo may be without a message: S3 takes its time to tell, and SQS to count.
[S3 User Guide, Event notifications: "typically in seconds but can sometimes take a minute or longer";
SQS API, GetQueueAttributes: right "at least 1 minute after the producers stop sending"]"""

RETENTION = 14 * 24 * 3600
"""Seconds that the queue keeps a message (the template's MessageRetentionPeriod)."""

_COUNTS = 3  # the queue's counts are approximate: empty is what is empty so often in a row
_LOOKS = 5  # a photo that changes while it is looked at so often is being worked on
_WORKERS = 8


@dataclass(frozen=True)
class Progress:
    """How far it is, in photos; `total` is None while nobody knows."""

    words: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class Summary:
    """How all photos of the bucket stand; `amiss` counts the findings by their kinds.

    `photos` is the sum of `labelled`, `failed`, `waiting` and those that are amiss for want of a
    result. `cleanups`: what is left of so many photos the queue may still remove. `units` are the
    read units of the scan, as far as DynamoDB told.
    """

    photos: int
    labelled: int
    failed: int
    waiting: int
    cleanups: int
    amiss: Mapping[str, int]
    repaired: int
    units: float


def verify(
    aws: Aws,
    stack: Stack,
    *,
    prefix: str = "",
    overdue: float = RETENTION,
    repair: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Progress | Finding | Summary, None, None]:
    """Hold the bucket against the table, for the keys that begin with `prefix`.

    A photo is not amiss while it is young, or the queue holds anything, until it has waited for
    `overdue` seconds. With `repair` each finding is put into the queue before it is told. The summary
    is last.
    """
    began = clock()
    tally: Counter[str] = Counter()
    units = 0.0
    with Inventory() as photos:
        yield Progress("Listing the bucket", 0)
        listed = 0
        for count in photos.fill(aws.s3, stack.bucket, prefix):
            listed += count
            yield Progress("Listing the bucket", listed)
        compared = 0
        for page in rows.scan(aws.dynamodb, stack.table, prefix):
            units += page.units
            compared += _compare(photos, page.photos)
            yield Progress("Comparing", min(compared, listed), listed)
        labelled, failed = photos.settled()
        tally.update(photos=labelled + failed, labelled=labelled, failed=failed)
        if doubts := photos.doubts():
            yield Progress("Looking closer", 0, doubts)
            skew = photos.date - began if photos.date else 0.0
            inquiry = _Inquiry(
                aws=aws,
                stack=stack,
                queue=_depth(aws, stack, sleep),
                overdue=overdue,
                began=began + skew,
                now=lambda: clock() + skew,
                repair=repair,
                tally=tally,
            )
            done = 0
            for looked_at, findings in inquiry.run(photos, prefix):
                yield from findings
                done += looked_at
                yield Progress("Looking closer", done, doubts)
    yield _summary(tally, units)


def _compare(photos: Inventory, page: Sequence[Stored]) -> int:
    """Mark what is well and what is in doubt; how many photos of the bucket these are."""
    settled, doubtful, count = [], [], 0
    listed = photos.find([stored.image for stored in page])
    for stored in page:
        there, met = listed.get(stored.image, (There(), False))
        count += there.exists and not met
        finding = verdict.judge(there, stored)
        if met:
            doubtful.append((stored.image, True))
        elif finding:
            nobodys = (stored.header is None or stored.header.removed) and bool(stored.versions)
            doubtful.append((stored.image, nobodys or finding.kind in verdict.OF_ROWS))
        elif stored.header and there.exists:
            settled.append((stored.image, stored.header.status == contract.LABELLED))
    photos.settle(settled)
    photos.doubt(doubtful)
    return count


def _depth(aws: Aws, stack: Stack, sleep: Callable[[float], None]) -> int:
    """How many messages the work queue holds, in whatever state."""
    for count in range(_COUNTS):
        if count:
            sleep(0.5)
        if depth := status.depth(aws.sqs, stack.queue).depth:
            return depth
    return 0


@dataclass(frozen=True)
class _Look:
    """What a closer look found: what is amiss, the letter that mends it, and as what it counts."""

    finding: Finding | None
    counts: tuple[str, ...] = ()
    letter: DeadLetter | None = None


class _Inquiry:
    """The closer look at the photos in doubt. What comes of it is counted in `tally`."""

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        *,
        queue: int,
        overdue: float,
        began: float,
        now: Callable[[], float],
        repair: bool,
        tally: Counter[str],
    ) -> None:
        self._aws, self._stack = aws, stack
        self._queue, self._overdue = queue, overdue
        self._began, self._now = began, now
        self._repair, self._tally = repair, tally
        self._letters: dict[str, list[tuple[PhotoEvent, DeadLetter]]] = defaultdict(list)

    def run(self, photos: Inventory, prefix: str) -> Iterator[tuple[int, list[Finding]]]:
        """How many photos were looked at, and what is amiss with them, a few at a time."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="look") as pool:
            # Those with a dead letter first, as these are hidden from others meanwhile.
            with dead_letters.held(self._aws.sqs, self._stack.dead_letters) as held:
                for letter in held:
                    for event in letter.events:
                        if event.key.startswith(prefix):
                            self._letters[event.key].append((event, letter))
                told = sorted(self._letters)
                for start in range(0, len(told), rows.BATCH):
                    doubts = photos.doubtful_among(told[start : start + rows.BATCH])
                    yield len(doubts), self._batch(pool, doubts, held)
            for doubts in photos.doubtful(rows.BATCH):
                doubts = [doubt for doubt in doubts if doubt.image not in self._letters]
                yield len(doubts), self._batch(pool, doubts, None)

    def _batch(
        self, pool: ThreadPoolExecutor, doubts: Sequence[Doubt], held: Held | None
    ) -> list[Finding]:
        images = [doubt.image for doubt in doubts]
        fresh = rows.headers(self._aws.dynamodb, self._stack.table, images)
        closer = []
        for doubt in doubts:
            if counts := self._at_a_glance(doubt, fresh.get(doubt.image)):
                self._tally.update(counts)
            else:
                closer.append(doubt.image)
        looks = list(pool.map(self._look, closer))
        for look in looks:
            self._tally.update(look.counts)
        findings = (
            self._mend(looks, held)
            if self._repair
            else [look.finding for look in looks if look.finding]
        )
        for finding in findings:
            self._tally[finding.kind] += 1
            self._tally["repaired"] += finding.repaired
        return findings

    def _at_a_glance(self, doubt: Doubt, header: Header | None) -> tuple[str, ...]:
        """As what a photo counts, where its header as it is now tells, or where it may wait."""
        if doubt.rows:
            return ()
        # The rows that a header tells of are written before it.
        stored = rows.Stored(doubt.image, header, {header.version: header.labels} if header else {})
        if header and doubt.there.exists and verdict.judge(doubt.there, stored) is None:
            return ("photos", header.status)
        if not doubt.there.exists and (header is None or header.removed):
            return ("gone",)
        if doubt.image not in self._letters and self._waits(doubt.there):
            return _waiting(doubt.there)
        return ()

    def _waits(self, there: There) -> bool:
        """Whether a message for it may be in the queue, or on its way there."""
        if there.since is None:
            return self._queue > 0 and self._now() - self._began < self._overdue
        age = max(self._now() - there.since, 0)
        return age < self._overdue and (age < YOUNG or self._queue > 0)

    def _look(self, image: str) -> _Look:
        for _ in range(_LOOKS):
            stored = self._stored(image)
            there = inventory.look(self._aws.s3, self._stack.bucket, image)
            finding = verdict.judge(there, stored)
            counts = ("photos", stored.header.status) if there.exists and stored.header else ()
            if finding is None:
                return _Look(None, counts)
            if finding.kind not in verdict.OF_ROWS:
                return self._weigh(finding, there, stored.header)
            # Rows are not read in one moment: it was so only if the header is the same after them.
            again = self._stored(image)
            if again.header == stored.header and verdict.judge(there, again) == finding:
                if finding.kind != "leftovers":
                    return _Look(finding, ("photos",))
                if self._waits(There()):
                    return _Look(None, (*counts, "cleanups"))
                return _Look(finding, counts)
        return _Look(None, ("photos", "waiting"))

    def _stored(self, image: str) -> Stored:
        return rows.read(self._aws.dynamodb, self._stack.table, image)

    def _weigh(self, finding: Finding, there: There, header: Header | None) -> _Look:
        """Whether a photo without its result waits, or was given up, or is amiss as it seems."""
        known = header.sequencer if header else ""
        counts = ("photos",) if there.exists else ()
        for event, letter in self._letters.get(finding.image, ()):
            if event.sequencer > known and (event.kind != "created" or _is_of(event, there)):
                detail = ": ".join(filter(None, (letter.error, letter.reason)))
                given_up = replace(finding, kind="dead_letter", detail=f"Given up. {detail}")
                return _Look(given_up, counts, letter)
        if self._waits(there):
            return _Look(None, _waiting(there))
        if self._queue and finding.kind == "missing":
            waited = span(self._now() - (there.since or self._began))
            finding = replace(finding, detail=f"It has had no result for {waited}.")
        return _Look(finding, counts)

    def _mend(self, looks: Iterable[_Look], held: Held | None) -> list[Finding]:
        """Put what is amiss into the queue; the findings, with what was mended marked."""
        findings, wanted, letters = [], [], {}
        for look in looks:
            if look.finding is None:
                continue
            if look.letter:
                letters[look.letter.message_id] = look.letter
            elif look.finding.sequencer:
                wanted.append(requests.Wanted(look.finding.image, look.finding.sequencer))
            mended = bool(look.letter or look.finding.sequencer)
            findings.append(replace(look.finding, repaired=mended))
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        queue, bucket = self._stack.queue, self._stack.bucket
        for _ in requests.send(self._aws.sqs, queue, bucket, wanted, at):
            pass
        if held and letters:
            held.move(letters.values(), queue)
        return findings


def _waiting(there: There) -> tuple[str, ...]:
    return ("photos", "waiting") if there.exists else ("cleanups",)


def _is_of(event: PhotoEvent, there: There) -> bool:
    if event.version_id and there.version_id:
        return event.version_id == there.version_id
    return event.etag == there.etag


def _summary(tally: Counter[str], units: float) -> Summary:
    return Summary(
        photos=tally["photos"],
        labelled=tally[contract.LABELLED],
        failed=tally[contract.FAILED],
        waiting=tally["waiting"],
        cleanups=tally["cleanups"],
        amiss={kind: tally[kind] for kind in verdict.KINDS if tally[kind]},
        repaired=tally["repaired"],
        units=units,
    )
