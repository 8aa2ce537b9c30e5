"""What `stats` and `verify` of many photos take: seconds and memory, each in a process of its own.

The table and the bucket are made page by page in the same process, so the seconds are those of labelctl
and of making the pages, without boto3 and the way to AWS.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from labelctl.labels import listing
from labelctl.labels import stats as counting
from labelctl.labels.reader import Reader
from labelctl.operations.verify import verify as checking
from labelctl.operations.verify.findings import Summary
from labelctl.photos import versions
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.table_stream import BucketStream, TableStream


def million(photos: int) -> None:
    """Print how long each takes for so many photos, and the most memory of its process."""
    print(f"{photos:,} photos of 20 labels each\n")
    for run in (stats, verify):
        with multiprocessing.get_context("spawn").Pool(1) as process:
            seconds, megabytes = process.apply(measured, (run, photos))
        print(f"{run.__name__:10}{seconds:8.0f} s{megabytes:8.0f} MB")


def measured(run: Callable[[Any, int], int], photos: int) -> tuple[float, float]:
    """Seconds, and the most megabytes that this process has had in memory."""
    aws = SimpleNamespace(dynamodb=TableStream(photos), s3=BucketStream(photos))
    started = time.perf_counter()
    assert run(aws, photos) == photos
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return time.perf_counter() - started, peak / 1e6


def stats(aws: Any, photos: int) -> int:
    tally = counting.Tally()
    objects = versions.list_photos(aws.s3, "photos", "")
    reader = Reader(aws.dynamodb, PHOTOS, LABELS)
    for page in listing.photos(reader, objects, *counting.ATTRIBUTES):
        tally.add(page)
    return tally.stats().photos["labelled"]


def verify(aws: Any, photos: int) -> int:
    stack: Any = SimpleNamespace(bucket="photos", table=PHOTOS, labels_table=LABELS, alarm_age=3600)
    *_, summary = (step for step in checking.verify(aws, stack) if isinstance(step, Summary))
    return summary.labelled
