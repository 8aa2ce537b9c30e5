"""Check that every photo in the bucket has its result in the table, and no other key has one.

The bucket is listed and the table is scanned into one file, and then compared photo by photo. Photos
are uploaded, removed and labelled meanwhile, so photos that do not agree are checked again in their
current state (see `recheck`) before they are reported.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.aws.threads import batches
from labelctl.contract import schema
from labelctl.labels.reader import BATCH, Reader
from labelctl.operations.dead_letters import UnreadMessages, lease
from labelctl.operations.verify.findings import PROBLEMS, Finding, Progress, Summary
from labelctl.operations.verify.inventory import ATTRIBUTES, Inventory, open_inventory
from labelctl.operations.verify.label_index import IndexCheck
from labelctl.operations.verify.recheck import Recheck
from labelctl.operations.verify.rules import Kind, PhotoState, agrees
from labelctl.photos.versions import list_newest

if TYPE_CHECKING:
    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack

_PAGE = 1000  # photos between progress reports


def verify(
    aws: Aws,
    stack: Stack,
    *,
    prefix: str = "",
    overdue: float | None = None,
    repair: bool = False,
    index: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Progress | Finding | Summary, None, None]:
    """Compare the bucket with the tables for keys starting with `prefix`; yields the summary last.

    A photo without a result is waiting or missing according to `rules.classify`, with `overdue` in
    seconds (default: the stack's alarm age). With `index`, the label index is checked as well. With
    `repair`, problems are repaired: by a message to the queue, or directly in the index. Raises
    RefusedError if the temporary file cannot be written or SQS rejects a message.
    """
    reader = Reader(aws.dynamodb, stack.table, stack.labels_table)
    overdue_after = stack.alarm_age if overdue is None else overdue
    tally: Counter[str] = Counter()
    unseen = UnreadMessages()
    with open_inventory() as inventory:
        listed = yield from _load(aws, stack, reader, inventory, prefix)
        suspects = compared = 0
        for page in batches(inventory.photos(), _PAGE):
            for photo in page:
                if agrees(photo):
                    _count(tally, "ok", photo)
                else:
                    suspects += 1
            compared += len(page)
            yield Progress("Comparing", compared, max(listed, compared))
        if suspects:
            before = queues.depth(aws.sqs, stack.dead_letter_queue)
            with lease(aws.sqs, stack.dead_letter_queue) as leased:
                recheck = Recheck(aws, stack, reader, leased, overdue_after, clock, sleep)
                yield from recheck.read_queues(before.depth)
                yield from _check_again(recheck, inventory, suspects, tally, repair)
                unseen = leased.unread(before)
        if index:
            table = stack.labels_table
            check = IndexCheck(reader, aws.dynamodb, table, inventory, prefix, clock, repair=repair)
            for step in check.run():
                if isinstance(step, Finding):
                    tally[step.kind] += 1
                yield step
    problems = {kind: tally[kind] for kind in PROBLEMS if tally[kind]}
    yield Summary(
        photos=tally["photos"],
        labelled=tally[schema.LABELLED],
        failed=tally[schema.FAILED],
        waiting=tally["waiting"],
        removals=tally["removals"],
        problems=problems,
        repaired=sum(problems.values()) if repair else 0,
        unseen=unseen,
    )


def _load(
    aws: Aws, stack: Stack, reader: Reader, inventory: Inventory, prefix: str
) -> Generator[Progress, None, int]:
    """Read the bucket's listing and the photos' items into the inventory; returns the photos listed."""
    listed = scanned = 0
    for objects in list_newest(aws.s3, stack.bucket, prefix):
        inventory.add_objects(objects)
        listed += sum(version.exists for version in objects)
        yield Progress("Listing the bucket", listed)
    for items in reader.scan_photos(*ATTRIBUTES):
        inventory.add_results(item for item in items if item["image"].startswith(prefix))
        scanned += len(items)
        # The table holds all photos, and usually few others.
        yield Progress("Reading the table", scanned, None if prefix else max(listed, scanned))
    return listed


def _check_again(
    recheck: Recheck, inventory: Inventory, suspects: int, tally: Counter[str], repair: bool
) -> Iterator[Progress | Finding]:
    """Check the photos whose object and item did not agree again, and report or repair problems."""
    done = found = 0
    for batch in batches((each for each in inventory.photos() if not agrees(each)), BATCH):
        problems = []
        for kind, photo in recheck.check(batch):
            _count(tally, kind, photo)
            if kind not in ("ok", "waiting"):
                problems.append(recheck.problem(kind, photo))
        found += len(problems)
        if repair:
            inventory.add_problems(problems)
        else:
            yield from (Finding(each.kind, each.image, each.detail) for each in problems)
        done += len(batch)
        yield Progress("Checking again", done, suspects)
    repaired = 0
    for problem_batch in batches(inventory.problems(), BATCH):
        yield Progress("Repairing", repaired, found)
        recheck.repair(problem_batch)
        repaired += len(problem_batch)
        yield from (Finding(each.kind, each.image, each.detail, True) for each in problem_batch)


def _count(tally: Counter[str], kind: Kind, photo: PhotoState) -> None:
    if photo.object.exists:
        tally["photos"] += 1
    if kind == "waiting":
        tally["waiting" if photo.object.exists else "removals"] += 1
    elif kind != "ok":
        tally[kind] += 1
    elif photo.object.exists and photo.item:
        tally[photo.item["status"]] += 1
