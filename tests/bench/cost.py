"""What a photo costs: write and read units by AWS's rules, and USD at AWS's prices in us-east-1.

The function's own code runs on tables in memory that count units (see tests/fakes). Prices are those
on AWS's pages "Amazon DynamoDB pricing for on-demand capacity", "Amazon S3 pricing" (Standard),
"Amazon SQS pricing" (standard queues, first tier), "AWS Lambda pricing" (Arm, first tier), "Amazon
CloudWatch pricing" (Logs, standard) and "Amazon Rekognition pricing" (image group 2, first tier). Free
tiers are left out; so are storage and backups, data transfer, alarms, and Lambda's empty receives.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labelctl.contract import schema
from tests.bench.usual_photo import answer
from tests.fakes.dynamodb import Source
from tests.fakes.function import Function
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.lambda_runtime import s3_record

COUNTS = (10, 20, 30, 100)

KEY = "2026/holiday/IMG_20260501_1.jpg"

# USD for a million photos is also the number of USD for one million of anything done once a photo.
REKOGNITION = 1000.0
WRITE_UNIT, READ_UNIT = 0.625, 0.125
PUT, GET = 5.0, 0.4
SQS_REQUEST = 0.40
LAMBDA_REQUEST, GB_SECOND = 0.20, 13.3334
LOG_GB = 0.50

BATCH = 10
"""Messages that one run of the function takes, at most and under load."""
MEMORY = 1024
"""The function's memory in MB, and with BATCH what the template has."""
VCPU = 1769
"""The memory in MB at which a function has one vCPU. A share is proportional; the function, which is
Python, cannot use more than one. [Lambda, Configure Lambda function memory]"""
WAITING = 0.54
"""Assumed seconds in which a batch only waits: 0.5 for Rekognition, which answers in 0.3 to 1 s, and
four round trips to DynamoDB."""
PHOTO_CPU, START_CPU = 0.008, 0.3
"""CPU seconds of a photo and of a cold start, on a whole vCPU (`python -m tests.bench function`)."""
TRIED = ((256, 10), (512, 10), (1024, 1), (1024, 5), (1024, 10), (1024, 20), (1769, 10))
"""Memory in MB and batch size. More than 10 photos need a batching window of at least a second, which
each batch may wait. [Lambda, Create an SQS event source mapping]"""
QUOTA = 50
"""Rekognition's default quota in calls per second."""
LOG_EVENT_BYTES = 26
"""Added to each event's text. [CloudWatch Logs API, PutLogEvents]"""

KINDS: dict[str, Source] = {
    "photos table": (PHOTOS, None),
    f"its index {schema.STATE_INDEX}": (PHOTOS, schema.STATE_INDEX),
    "labels table": (LABELS, None),
    f"its index {schema.DATE_INDEX}": (LABELS, schema.DATE_INDEX),
}


@dataclass(frozen=True)
class Units:
    """What working on one event took: write units by KINDS, read units, bytes of its log line."""

    writes: dict[str, int]
    reads: float
    log_bytes: int

    @property
    def write_units(self) -> int:
        return sum(self.writes.values())


def units(labels: int, form: Callable[[int, int], Any] = answer) -> dict[str, Units]:
    """The cost of a photo with so many labels: the first time, labelled again, and removed.

    `form` makes DetectLabels' answer of the number of labels and a seed.

    Its labels are in the vocabulary already, and the process has read that: both are done once per
    label and once per process, and not per photo.
    """
    tables = PhotoTables()
    function = Function(tables)

    def measure(sequencer: str, event: str, seed: int, key: str = KEY) -> Units:
        tables.reads.clear()
        tables.writes.clear()
        function.answer = form(labels, seed)
        photo = {"size": 4_000_000, "eTag": f"{seed:032x}"} if "Created" in event else {}
        version = f"3/L4kqtJlcpXroDTDmJ+rmSpXd3dIb{seed:04}"
        line = function.run(s3_record(key, sequencer, event, versionId=version, **photo))
        writes = Counter(tables.writes)
        found = Units(
            {kind: writes.pop(source, 0) for kind, source in KINDS.items()},
            tables.read_units,
            len(line.encode()),
        )
        assert not writes, f"unknown: {writes}"
        return found

    measure("0055AED6DCD90281E5", "ObjectCreated:Put", 1, "another.jpg")
    return {
        "first time": measure("0055AED6DCD90281E6", "ObjectCreated:Put", 2),
        "labelled again": measure("0055AED6DCD90281E7", "ObjectCreated:Put", 3),
        "removed": measure("0055AED6DCD90281E8", "ObjectRemoved:DeleteMarkerCreated", 4),
    }


def usd(photo: Units) -> dict[str, float]:
    """USD for a million photos that each take as much as `photo`, by service, without Rekognition."""
    logged = photo.log_bytes - 1 + LOG_EVENT_BYTES + _platform_bytes() / BATCH
    return {
        "DynamoDB writes": photo.write_units * WRITE_UNIT,
        "DynamoDB reads": photo.reads * READ_UNIT,
        "S3: one PUT, one GET by Rekognition": PUT + GET,
        "SQS: one send; receives and deletes in batches of ten": (1 + 2 / BATCH) * SQS_REQUEST,
        "Lambda": lambda_usd(MEMORY, BATCH),
        "CloudWatch Logs": logged * 1e6 / 1e9 * LOG_GB,
    }


def lambda_usd(memory: int, batch: int) -> float:
    """USD that Lambda costs for a million photos, with so many MB and photos in a batch."""
    gigabyte_seconds = batch_seconds(memory, batch) * memory / 1024
    return (LAMBDA_REQUEST + gigabyte_seconds * GB_SECOND) / batch


def batch_seconds(memory: int, batch: int) -> float:
    """Seconds that a batch takes while calls to Rekognition are not paced."""
    return WAITING + batch * PHOTO_CPU / _share(memory)


def _share(memory: int) -> float:
    return min(memory / VCPU, 1.0)


def _names_only(labels: int, seed: int) -> dict[str, Any]:
    """An answer that has only what the index needs of each label."""
    full = answer(labels, seed)
    full["Labels"] = [
        {name: label[name] for name in ("Name", "Confidence")} for label in full["Labels"]
    ]
    return full


def _platform_bytes() -> int:
    """Bytes that Lambda itself logs for one run. [Lambda, "Telemetry API event schema reference"]

    It logs `runtimeDone` at the system log level DEBUG only, so this is an upper limit.
    """
    request = {"requestId": "79b4f56e-95b1-4643-9700-2807f4e68189"}
    spans = [
        {"name": name, "start": "2026-05-01T12:00:01.500Z", "durationMs": 23.023}
        for name in ("responseLatency", "responseDuration")
    ]
    metrics = {
        "durationMs": 1500.123,
        "billedDurationMs": 1501,
        "memorySizeMB": 1024,
        "maxMemoryUsedMB": 128,
    }
    records: dict[str, dict[str, Any]] = {
        "platform.start": {**request, "version": "$LATEST"},
        "platform.runtimeDone": {
            **request,
            "status": "success",
            "spans": spans,
            "metrics": {"durationMs": 1500.123, "producedBytes": 26},
        },
        "platform.report": {**request, "metrics": metrics, "status": "success"},
    }
    lines = (
        json.dumps(
            {"time": "2026-05-01T12:00:01.500Z", "type": kind, "record": record},
            separators=(",", ":"),
        )
        for kind, record in records.items()
    )
    return sum(len(line) + LOG_EVENT_BYTES for line in lines)


def cost() -> None:
    """Print the units of a photo and the cost of a million, as Markdown tables."""
    measured = {labels: units(labels) for labels in COUNTS}
    print(f"Units of one photo, whose key has {len(KEY)} characters:\n")
    _row("Labels", "Photo", *KINDS, "write units", "read units")
    _row(*["---:", "---"], *["---:"] * (len(KINDS) + 2))
    for labels, by_event in measured.items():
        for event, each in by_event.items():
            _row(labels, event, *each.writes.values(), each.write_units, f"{each.reads:g}")
    prices = {labels: usd(by_event["first time"]) for labels, by_event in measured.items()}
    print("\nUSD for a million photos that are labelled for the first time (us-east-1):\n")
    _row("Labels per photo", *COUNTS)
    _row("---", *["---:"] * len(COUNTS))
    for service in prices[COUNTS[0]]:
        _row(service, *(f"{prices[labels][service]:.2f}" for labels in COUNTS))
    _totals(prices, "**Total**", lambda total: f"**{total:.2f}**")
    _totals(prices, "Share of Rekognition's price", lambda total: f"{total / REKOGNITION:.1%}")
    print(f"\nRekognition: {REKOGNITION:,.0f} USD for the first million photos of a month.")
    _print_tried()
    _print_stored(measured[20]["first time"])


def _print_tried() -> None:
    print("\nThe function's memory and batch size:\n")
    _row(
        "Memory",
        "Photos per batch",
        "Cold start",
        "Batch",
        "Copies for 50 photos/s",
        "USD for Lambda",
    )
    _row(*["---:"] * 6)
    for memory, batch in TRIED:
        seconds = batch_seconds(memory, batch)
        _row(
            f"{memory:,} MB",
            batch,
            f"{START_CPU / _share(memory):.2f} s",
            f"{seconds:.2f} s",
            math.ceil(QUOTA * seconds / batch),
            f"{lambda_usd(memory, batch):.2f}",
        )


def _print_stored(full: Units) -> None:
    """Print what less stored data would save."""
    plain = units(20, _names_only)["first time"]
    dates = full.writes[f"its index {schema.DATE_INDEX}"]
    photo = full.write_units - dates - full.writes["labels table"]
    print("\nWhat is stored of 20 labels:\n")
    _row("Stored", "Write units", "USD for writes")
    _row("---", "---:", "---:")
    for stored, written in {
        "all": full.write_units,
        "no boxes, parents, categories and aliases": plain.write_units,
        "no index by date": full.write_units - dates,
        "no index of labels": photo,
    }.items():
        _row(stored, written, f"{written * WRITE_UNIT:.2f}")


def _totals(prices: dict[int, dict[str, float]], name: str, text: Callable[[float], str]) -> None:
    _row(name, *(text(sum(prices[labels].values())) for labels in COUNTS))


def _row(*cells: Any) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|")
