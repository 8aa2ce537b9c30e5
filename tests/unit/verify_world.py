"""A bucket, both tables and the queues in memory, and what the function stores, for `verify`.

    world = World()
    event = world.put("a.jpg")            # S3's event; no message is sent
    world.label(event, {"Dog": 98.1})     # what the function stores for an event
    findings, summary = world.check()     # an hour or more later

`world.before["BatchGetItem"] = action` runs an action before each call of that name; it may raise, or
return how many parts of a batch DynamoDB takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import RLock
from types import SimpleNamespace
from typing import Any

from labelctl.contract import s3_events, schema
from labelctl.contract.s3_events import PhotoEvent
from labelctl.labels.reader import Reader
from labelctl.operations.verify import verify
from labelctl.operations.verify.findings import Finding, Progress, Summary
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS, detected
from tests.fakes.queues import FakeQueues
from tests.fakes.template import table_properties
from tests.fakes.versions import VersionedBucket
from tests.lambda_runtime import message_body, s3_record

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(hours=11)
HOUR = 3600.0

STACK: Any = SimpleNamespace(
    bucket="photos",
    table=PHOTOS,
    labels_table=LABELS,
    queue="work",
    dead_letter_queue="dead",
    alarm_age=12 * HOUR,
)

_S3_EVENTS = {
    "created": "ObjectCreated:Put",
    "removed": "ObjectRemoved:DeleteMarkerCreated",
    "version_removed": "ObjectRemoved:Delete",
}


class World:
    """A fake `Aws` at the time NOW. `page` is the number of items or versions per response."""

    def __init__(self, page: int = 1000, *, versions: bool = True) -> None:
        self.dynamodb = FakeDynamoDB(
            {PHOTOS: table_properties("PhotosTable"), LABELS: table_properties("LabelsTable")}
        )
        self.s3, self.sqs = VersionedBucket(page, versions=versions), FakeQueues()
        self.dynamodb.page_items = page
        self.before: dict[str, Callable[[], Any]] = {}
        self.now = NOW.timestamp()
        for client in (self.dynamodb, self.s3, self.sqs):
            client.before = self._before
        self._events = 0
        self._lock = RLock()

    @property
    def calls(self) -> Counter[str]:
        return self.dynamodb.calls + self.s3.calls + self.sqs.calls

    def _before(self, operation: str, request: Any) -> Any:
        if operation == "ListObjectVersions" and request["MaxKeys"] == 1:
            operation = "look"  # at a single object
        with self._lock:
            action = self.before.get(operation)
            taken = action() if action else None
            return taken if isinstance(taken, int) else None

    def once(self, operation: str, action: Callable[[], Any], nth: int = 1) -> None:
        """Run an action right before the nth call of an operation."""
        calls = count(1)
        self.before[operation] = lambda: action() if next(calls) == nth else None

    # ---- changes of the bucket

    def put(
        self, key: str, content: str = "a picture", at: datetime = OLD, size: int = 9
    ) -> PhotoEvent:
        version, etag = self.s3.put(key, content, at, size)
        return self._event(key, "created", version, etag, size)

    def remove(self, key: str, at: datetime = OLD) -> PhotoEvent:
        return self._event(key, "removed", self.s3.remove(key, at))

    def purge(self, key: str) -> PhotoEvent:
        """Remove an object with all its versions."""
        return self._event(key, "version_removed", self.s3.purge(key))

    def _event(
        self, key: str, kind: Any, version: str, etag: str | None = None, size: int | None = None
    ) -> PhotoEvent:
        self._events += 1
        sequencer = s3_events.pad_sequencer(f"{self._events:X}")
        known = s3_events.normalize_version_id(version)
        return PhotoEvent(
            "photos", key, kind, sequencer, known, etag, size, s3_events.format_time(OLD)
        )

    def queue(self, event: PhotoEvent) -> None:
        """Send S3's message of an event."""
        self.sqs.send("work", body(event))

    def record_failure(self, event: PhotoEvent, error: str = "", reason: str = "") -> None:
        """Put the message of an event into the dead-letter queue."""
        attributes = {s3_events.ERROR_ATTRIBUTE: error, s3_events.REASON_ATTRIBUTE: reason}
        self.sqs.send(
            "dead", body(event), **{name: text for name, text in attributes.items() if text}
        )

    # ---- what the function stores

    def label(
        self,
        event: PhotoEvent,
        labels: Mapping[str, float] | None = None,
        at: datetime = OLD,
        about: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The labels of an event's photo, with its index items and the vocabulary."""
        answer = detected({"Dog": 98.1} if labels is None else labels, about or {}, {})
        attempt = schema.new_attempt(at.timestamp())
        photo = schema.labelled_item(event, attempt, answer, s3_events.format_time(at))
        for item in (*schema.vocabulary_items(photo), *schema.index_items(photo)):
            self.dynamodb.put(LABELS, item)
        return self._publish(photo)

    def fail(self, event: PhotoEvent, at: datetime = OLD) -> dict[str, Any]:
        attempt = schema.new_attempt(at.timestamp())
        return self._publish(
            schema.failed_item(
                event, attempt, "Empty", "The file is empty.", s3_events.format_time(at)
            )
        )

    def forget(self, event: PhotoEvent, at: datetime = OLD) -> dict[str, Any]:
        """The result of a removal."""
        attempt = schema.new_attempt(at.timestamp())
        return self._publish(
            schema.removed_item(event, attempt, s3_events.format_time(at), 2_000_000_000)
        )

    def _publish(self, photo: dict[str, Any]) -> dict[str, Any]:
        old = self.photo(photo["image"])
        self.dynamodb.put(PHOTOS, photo)
        for item in schema.index_items(old or {}):
            self.dynamodb.drop(LABELS, item["label"], item["rank"])
        return photo

    # ---- current state

    def photo(self, key: str) -> dict[str, Any] | None:
        return self.dynamodb.item(PHOTOS, key)

    def index(self) -> list[dict[str, Any]]:
        """The index items, without the vocabulary."""
        items = self.dynamodb.items(LABELS)
        return [item for item in items if item["label"] != schema.VOCABULARY]

    def requests(self) -> list[tuple[str, str, str]]:
        """Kind, key and sequencer of the messages in the work queue."""
        return [
            (event.kind, event.key, event.sequencer)
            for text in self.sqs.bodies("work")
            for event in s3_events.parse_message(text)
        ]

    @property
    def reader(self) -> Reader:
        return Reader(self.dynamodb, PHOTOS, LABELS)

    # ---- the check

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def steps(self, **options: Any) -> list[Progress | Finding | Summary]:
        return list(verify.verify(self, STACK, clock=lambda: self.now, sleep=self.sleep, **options))

    def check(self, **options: Any) -> tuple[list[Finding], Summary]:
        """The findings of a check, and its summary, whose numbers are consistent."""
        *steps, summary = self.steps(**options)
        assert isinstance(summary, Summary)
        findings = [step for step in steps if isinstance(step, Finding)]
        assert all(isinstance(step, Finding | Progress) for step in steps)
        assert Counter(finding.kind for finding in findings) == summary.problems
        assert summary.repaired == sum(finding.repaired for finding in findings)
        return findings, summary


def body(event: PhotoEvent) -> str:
    """S3's message of an event."""
    photo = {"versionId": event.version_id, "eTag": event.etag, "size": event.size}
    known = {name: value for name, value in photo.items() if value is not None}
    return message_body(s3_record(event.key, event.sequencer, _S3_EVENTS[event.kind], **known))


def kinds(findings: list[Finding]) -> dict[str, str]:
    """The kind of each finding by photo, with one finding per photo."""
    assert len({finding.image for finding in findings}) == len(findings)
    return {finding.image: finding.kind for finding in findings}
