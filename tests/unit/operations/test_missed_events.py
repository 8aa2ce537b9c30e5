"""Photos of a young stack are requested if S3 seems to have sent no events for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.contract import s3_events
from labelctl.operations import missed_events
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import PhotoTables
from tests.unit.photo_items import event, failed, labelled, reader_of, store
from tests.unit.queue_world import body, put, requests_in

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A, B, C = (ObjectVersion(key, "v1", "e1") for key in ("a.jpg", "b.jpg", "c.jpg"))
FIRST = s3_events.next_sequencer("")


@pytest.fixture
def tables() -> PhotoTables:
    return PhotoTables()


@pytest.fixture
def request_photos(tables: PhotoTables, sqs: Any, queue: str) -> Any:
    """Request photos of a stack of this age."""

    def run(*photos: ObjectVersion, created: timedelta, updated: timedelta | None = None) -> int:
        stack: Any = SimpleNamespace(
            bucket="photos",
            queue=queue,
            created=NOW - created,
            updated=updated and NOW - updated,
        )
        aws: Any = SimpleNamespace(sqs=sqs)
        return missed_events.request_photos(
            aws, stack, reader_of(tables), photos, clock=NOW.timestamp
        )

    return run


def test_photos_of_a_young_stack_are_requested(request_photos: Any, sqs: Any, queue: str) -> None:
    assert request_photos(A, B, created=2 * MINUTE) == 2
    assert requests_in(sqs, queue) == [("a.jpg", FIRST), ("b.jpg", FIRST)]


def test_photos_of_a_recently_updated_stack_are_requested(request_photos: Any) -> None:
    assert request_photos(A, created=5000 * MINUTE, updated=2 * MINUTE) == 1


def test_photos_with_a_result_are_not_requested(
    request_photos: Any, tables: PhotoTables, sqs: Any, queue: str
) -> None:
    store(tables, labelled(event("a.jpg")))
    store(tables, failed(event("b.jpg")))
    old = event("c.jpg", number=7, version_id="v0", etag="e0")
    store(tables, labelled(old))  # c.jpg was replaced
    assert request_photos(A, B, C, created=MINUTE) == 1
    assert requests_in(sqs, queue) == [("c.jpg", s3_events.next_sequencer(old.sequencer))]


def test_an_older_stack_sends_its_events(request_photos: Any, sqs: Any, queue: str) -> None:
    assert request_photos(A, created=31 * MINUTE) == 0
    assert requests_in(sqs, queue) == []


@pytest.mark.parametrize("in_flight", [True, False])
def test_events_that_arrived_are_awaited(
    request_photos: Any, sqs: Any, queue: str, in_flight: bool
) -> None:
    put(sqs, queue, body("a.jpg"))
    if in_flight:
        sqs.receive_message(QueueUrl=queue)
    assert request_photos(A, created=MINUTE) == 0
