"""A model of the pipeline on AWS in steps of a few seconds: what limits it, how long photos wait, and
which messages expire.

It combines what was measured with AWS's published limits; each constant names its source. It models
standard rates only: no outages, and no other programs in the account. Photos leave the queue in the
order of their arrival, which SQS does not promise but roughly keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelctl.contract import schema
from tests.bench import cost
from tests.fakes.template import read_template

FIRST_STEP, STEP = 10, 60
"""Seconds of a step, in the first hour and then. Copies of the function are added at first."""
HOUR = 3600
DAY = 24 * HOUR
MONTH = 30 * DAY

LABELS = 20
"""Labels of a photo, as in the other benchmarks."""
COMMON = 0.6
"""Assumed share of photos with the most common label, such as Person."""
USED_QUOTA = 0.95
"""Share of Rekognition's quota that the function uses, at least (`python -m tests.bench quota`)."""

PUTS = 3_500
"""PUT requests per second and prefix. [S3 User Guide, "Best practices design patterns: optimizing
Amazon S3 performance"] A new prefix starts with less, and S3 answers 503 until it has grown."""
IN_FLIGHT = 120_000
"""Messages that are received but not deleted yet. [SQS Developer Guide, "Amazon SQS standard queue
quotas"]"""
EXECUTIONS = 1_000
"""Concurrent executions of an account. [Lambda Developer Guide, "Lambda quotas"] It is also the maximum
of MaximumConcurrency. A new account may have only 10."""
FIRST_COPIES, MORE_COPIES = 5, 300 / 60
"""Batches at the same time at first, and more per second. [Lambda Developer Guide, "Configuring scaling
behavior for SQS event source mappings"]"""
KEY_WRITES = 1_000
"""Write units per second of one partition key whose sort key increases. [DynamoDB Developer Guide,
"Understanding GSI write throttling and back pressure"]"""
TABLE_WRITES = 40_000
"""Write units per second of an on-demand table, and of each of its indexes. [DynamoDB Developer Guide,
"Quotas in Amazon DynamoDB"]"""
NEW_TABLE_WRITES = 4_000
"""Write units per second of a new on-demand table or index. [DynamoDB Developer Guide, "Understanding
DynamoDB warm throughput in different scenarios"]"""
GROWTH = 30 * 60
"""Seconds in which a table or an index may grow to twice its previous peak. [DynamoDB Developer Guide,
"Pre-warming a table for on-demand capacity mode"]"""

REKOGNITION = "Rekognition's quota"
FUNCTION = "copies of the function"
BY_STATE = f"keys of the index {schema.STATE_INDEX}"
BY_DATE = f"a common label's key in the index {schema.DATE_INDEX}"
GROWING = "growth of a new labels table"
GROWING_PHOTOS = "growth of a new photos table"
TABLE = "write quota of the labels table"


_TEMPLATE = read_template()
RETENTION = int(_TEMPLATE["Resources"]["Queue"]["Properties"]["MessageRetentionPeriod"])
COPIES = int(_TEMPLATE["Parameters"]["Concurrency"]["Default"])
BATCH_SECONDS = cost.batch_seconds(cost.MEMORY, cost.BATCH)


@dataclass(frozen=True)
class Setup:
    """What can be changed: quotas in calls, write units or requests per second; copies; shards.

    `warm` has the write units per second that each new table and its index accept at first.
    """

    calls: float = cost.QUOTA
    copies: int = COPIES
    state_shards: int = schema.SHARDS
    label_shards: int = 1
    warm: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys((GROWING, GROWING_PHOTOS), NEW_TABLE_WRITES)
    )
    table_writes: int = TABLE_WRITES
    prefixes: int = 1


@dataclass
class Run:
    """What happened. Times are in seconds; `waited` is the longest time in the queue.

    `limited` counts the seconds in which a resource was slower than the uploads. `peaks` has the
    largest share of each limit that was used. `by_month` counts labelled photos.
    """

    labelled: float = 0
    expired: float = 0
    seconds: float = 0
    waited: float = 0
    limited: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    by_month: dict[int, float] = field(default_factory=dict)

    @property
    def bottleneck(self) -> str | None:
        """What limited the pipeline the longest; None if every photo was labelled within a minute."""
        if self.waited <= 60 or not self.limited:
            return None
        return max(self.limited, key=lambda name: self.limited[name])


def table_units(photo: cost.Units) -> dict[str, int]:
    """Return the write units per photo of each table, or of its index if that needs more."""
    writes = photo.writes
    return {
        GROWING: max(writes["labels table"], writes[f"its index {schema.DATE_INDEX}"]),
        GROWING_PHOTOS: max(writes["photos table"], writes[f"its index {schema.STATE_INDEX}"]),
    }


def limits(
    setup: Setup, photo: cost.Units, seconds: float, grown: Mapping[str, float]
) -> dict[str, float]:
    """Return the maximum number of photos per second by resource, for `photo`'s write units.

    `seconds` is the time since the first message. `grown` is what each table accepts by now, in write
    units per second.
    """
    copies = min(setup.copies, EXECUTIONS, FIRST_COPIES + MORE_COPIES * seconds)
    by_table = table_units(photo)
    growing = {name: min(grown[name], setup.table_writes) / each for name, each in by_table.items()}
    return {
        REKOGNITION: setup.calls * USED_QUOTA,
        FUNCTION: copies * cost.BATCH / BATCH_SECONDS,
        BY_DATE: KEY_WRITES * setup.label_shards / COMMON,
        BY_STATE: KEY_WRITES * setup.state_shards / photo.writes[f"its index {schema.STATE_INDEX}"],
        TABLE: setup.table_writes / by_table[GROWING],
        **growing,
    }


def simulate(photos: float, rate: float, setup: Setup, photo: cost.Units) -> Run:
    """Upload so many photos at a rate per second, and label them until the queue is empty."""
    run = Run()
    rate = min(rate, PUTS * setup.prefixes)
    by_table = table_units(photo)
    grown: Mapping[str, float] = setup.warm
    peak = 0.0
    sent = 0.0
    while sent < photos or _gone(run) < photos - 1e-6:
        step = FIRST_STEP if run.seconds < HOUR else STEP
        sent = min(photos, sent + rate * step)
        waiting = sent - _gone(run)
        ceilings = limits(setup, photo, run.seconds, grown)
        lowest = min(ceilings, key=lambda name: ceilings[name])
        done = min(waiting, ceilings[lowest] * step)
        if done < waiting and ceilings[lowest] < rate:  # faster ones only catch up more slowly
            run.limited[lowest] = run.limited.get(lowest, 0) + step
        for name, ceiling in ceilings.items():
            run.peaks[name] = max(run.peaks.get(name, 0.0), done / step / ceiling)
        run.labelled += done
        month = int(run.seconds // MONTH)
        run.by_month[month] = run.by_month.get(month, 0) + done
        run.seconds += step
        peak = max(peak, done / step)
        if run.seconds % GROWTH == 0:
            grown = {name: max(grown[name], 2 * peak * each) for name, each in by_table.items()}
            peak = 0.0
        # The oldest message is the next one; all were sent at the same rate.
        if waiting > done:
            run.waited = max(run.waited, min(run.seconds - _gone(run) / rate, RETENTION))
        late = min(photos, rate * (run.seconds - RETENTION)) - _gone(run)
        run.expired += max(0.0, late)
    in_flight = setup.copies * cost.BATCH if run.limited else rate * BATCH_SECONDS
    run.peaks["SQS messages in flight"] = in_flight / IN_FLIGHT
    run.peaks["S3 PUT requests"] = rate / (PUTS * setup.prefixes)
    return run


def _gone(run: Run) -> float:
    return run.labelled + run.expired
