"""Whether bucket and table agree: every photo has its result, and nothing else has one.

The bucket is listed into an `Inventory`, then the table is scanned once and held against it; that
leaves few photos in doubt. Meanwhile photos come and go and the function works, so each doubt is
looked at once more, consistently, before anything is told of it (see `labelctl.inquiry`).

What it costs for 1,000,000 photos of 10 labels (us-east-1, on demand): 1,000 listings (more with old
versions) at 0.005 USD a thousand, and a scan of 11,000,000 rows of about 400 bytes, 4.4 GB: 540,000
units (half a one for 4 KB) at 0.125 USD a million. Together 0.08 USD. A doubt costs a fresh header
(one unit), and if it neither is well nor waits, a query and a listing of one key: 5 USD for a million
that are missing. The time goes into botocore's reading of the answers: 0.3 s for 1,000 photos, on a
slow core. [S3 pricing; DynamoDB pricing, on demand; DynamoDB Developer Guide, "Read and write
operations"]
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelctl import contract, rows, verdict
from labelctl.inquiry import Inquiry
from labelctl.inventory import Inventory, There
from labelctl.verdict import Finding
from labelctl.words import span

if TYPE_CHECKING:
    from labelctl.aws import Aws
    from labelctl.rows import Stored
    from labelctl.stack import Stack


@dataclass(frozen=True)
class Progress:
    """How far it is, in photos; `total` is None while nobody knows.

    `left`: so many seconds it waits until they are not too young to be sure of.
    """

    words: str
    done: int
    total: int | None = None
    left: float = 0


@dataclass(frozen=True)
class Summary:
    """How all photos of the bucket stand; `amiss` counts the findings by their kinds.

    `photos` is the sum of `labelled`, `failed`, `waiting`, `unclear` and those that are amiss for
    want of a result. `cleanups`: what is left of so many photos the queue may still remove. `late`: so
    many of those that wait (cleanups too) have waited for longer than the stack's alarm age. `unclear`
    photos wait or were given up: not all dead letters could be looked at. `lost`: at least so many of
    those that wait have no message in the queue, since that holds just `messages`; None where it did
    not matter. `units` are the read units of the scan, None where nobody told.
    """

    photos: int
    labelled: int
    failed: int
    waiting: int
    cleanups: int
    late: int
    unclear: int
    lost: int
    messages: int | None
    amiss: Mapping[str, int]
    repaired: int
    units: float | None


def verify(
    aws: Aws,
    stack: Stack,
    *,
    prefix: str = "",
    overdue: float | None = None,
    repair: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Progress | Finding | Summary, None, None]:
    """Hold the bucket against the table, for the keys that begin with `prefix`.

    A photo is not amiss while it is young, or the queue holds anything, until it has waited for
    `overdue` seconds if that is told. What is amiss, and may be young for all that is known, takes two
    more minutes; with 0 nothing is waited for. With `repair` each finding is put into the queue before
    it is told; and all that have waited for longer than the stack's alarm age are amiss as soon as
    some of those that wait have no message. The summary is last. Raises RefusedError where there is
    no room for the temporary file, or SQS does not take a repair.
    """
    began = clock()
    tally: Counter[str] = Counter()
    units: float | None = 0.0
    messages: int | None = None
    with Inventory() as photos:
        yield Progress("Listing the bucket", 0)
        listed = 0
        for count in photos.fill(aws.s3, stack.bucket, prefix):
            listed += count
            yield Progress("Listing the bucket", listed)
        skew = photos.date - began if photos.date else 0.0
        listed_at = clock() + skew
        compared = 0
        for page in rows.scan(aws.dynamodb, stack.table, prefix):
            units = None if units is None or page.units is None else units + page.units
            compared += _compare(photos, page.photos)
            yield Progress("Comparing", min(compared, listed), listed)
        labelled, failed = photos.settled()
        tally.update(photos=labelled + failed, labelled=labelled, failed=failed)
        if doubts := photos.doubts():
            yield Progress("Looking closer", 0, doubts)
            inquiry = Inquiry(
                aws,
                stack,
                photos,
                prefix=prefix,
                overdue=overdue,
                began=began + skew,
                listed=listed_at,
                now=lambda: clock() + skew,
                sleep=sleep,
                repair=repair,
                tally=tally,
            )
            done = 0
            for looked_at, findings in inquiry.look():
                yield from findings
                done += looked_at
                yield Progress("Looking closer", done, doubts)
            if unsure := inquiry.unfinished:
                for left in inquiry.wait():
                    yield Progress(f"looking again in {span(left)}", 0, unsure, left)
                done = 0
                for looked_at, findings in inquiry.look_again():
                    yield from findings
                    done += looked_at
                    yield Progress("Looking again", done, unsure)
            messages = inquiry.messages
    yield _summary(tally, messages, units)


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


def _summary(tally: Counter[str], messages: int | None, units: float | None) -> Summary:
    return Summary(
        photos=tally["photos"],
        labelled=tally[contract.LABELLED],
        failed=tally[contract.FAILED],
        waiting=tally["waiting"],
        cleanups=tally["cleanups"],
        late=tally["late"],
        unclear=tally["unclear"],
        lost=tally["lost"],
        messages=messages,
        amiss={kind: tally[kind] for kind in verdict.KINDS if tally[kind]},
        repaired=tally["repaired"],
        units=units,
    )
