"""`verify` while the bucket, the tables and the queues are in use: no false alarms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.contract import s3_events, schema
from labelctl.contract.s3_events import PhotoEvent
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.verify_world import NOW, OLD, World, kinds


@pytest.fixture
def world() -> World:
    """Ten photos and their labels, in pages of three. `test_nothing_lost…` has other sizes."""
    world = World(page=3)
    for number in range(10):
        world.label(world.put(f"{number}.jpg"))
    return world


EVERYWHERE = ["ListObjectVersions", "Scan", "GetQueueAttributes", "ReceiveMessage", "BatchGetItem"]
during = pytest.mark.parametrize("when", [*EVERYWHERE, "look"])


# ---- photos are uploaded, replaced and removed during the check


@during
def test_a_photo_that_is_labelled_during_the_check_is_ok(world, when):
    event = world.put("x.jpg")
    world.queue(event)
    message = world.sqs.take("work")

    def labelled():
        world.label(event, at=NOW)
        world.sqs.delete("work", message)

    world.once(when, labelled)
    findings, summary = world.check(index=True)
    assert findings == []
    assert summary.photos == 11
    # Where it was labelled last, it was read before.
    assert (summary.labelled, summary.waiting) == ((10, 1) if when == "look" else (11, 0))


@during
@pytest.mark.parametrize("number", [0, 5])
def test_a_photo_that_is_replaced_and_labelled_during_the_check_is_ok(world, when, number):
    world.put("missing.jpg")  # makes the check run all calls

    def replaced():
        world.label(world.put(f"{number}.jpg", "another picture", at=NOW), at=NOW)

    world.once(when, replaced)
    findings, summary = world.check(index=True)
    assert kinds(findings) == {"missing.jpg": "missing"}
    assert (summary.photos, summary.labelled) == (11, 10)
    assert (summary.waiting, summary.removals) == (0, 0)


@during
def test_a_photo_that_is_removed_during_the_check_is_ok(world, when):
    world.put("missing.jpg")

    def removed():
        world.forget(world.remove("5.jpg", at=NOW), at=NOW)

    world.once(when, removed)
    findings, summary = world.check(index=True)
    assert kinds(findings) == {"missing.jpg": "missing"}
    assert summary.photos - summary.labelled == 1
    assert (summary.waiting, summary.removals) == (0, 0)


@during
@pytest.mark.parametrize("waiting", [False, True])
def test_a_photo_that_is_uploaded_and_labelled_during_the_check_is_ok(world, when, waiting):
    world.put("x.jpg")
    if waiting:
        world.sqs.send("work", "something else")
    world.once(when, lambda: world.label(world.put("new.jpg", at=NOW), at=NOW))
    findings, summary = world.check(index=True)
    assert kinds(findings) == ({} if waiting else {"x.jpg": "missing"})
    assert (summary.waiting, summary.removals) == (int(waiting), 0)
    # It counts if it was met: by the listing, or in the part of the table that was read later.
    assert summary.photos - summary.labelled == 1
    assert summary.photos in (11, 12)


@during
def test_a_photo_that_is_replaced_during_the_check_waits(world, when):
    world.put("x.jpg")

    def replaced():
        world.put("x.jpg", "another picture", at=NOW)

    world.once(when, replaced)
    findings, summary = world.check()
    assert (findings, summary.photos, summary.waiting) == ([], 11, 1)


@during
def test_a_missing_photo_that_is_removed_during_the_check_is_not_missing(world, when):
    world.put("x.jpg")
    world.once(when, lambda: world.remove("x.jpg", at=NOW))
    findings, summary = world.check()
    assert (findings, summary.photos) == ([], 10)


@pytest.mark.parametrize("when", ["BatchGetItem", "look"])
def test_a_photo_that_is_removed_with_all_its_versions_during_the_check_waits(world, when):
    """The bucket has no time of its removal, but it existed when it was listed."""
    world.put("5.jpg", "another picture")
    world.once(when, lambda: world.queue(world.purge("5.jpg")))
    findings, summary = world.check()
    assert (findings, summary.photos, summary.removals) == ([], 9, 1)


def test_the_items_are_read_again_as_they_are_now(world):
    """The scan is eventually consistent, and so would be another plain read."""
    world.dynamodb.lag()
    world.label(world.put("x.jpg"))
    world.label(world.put("5.jpg", "another picture"))
    findings, summary = world.check()
    assert (findings, summary.labelled) == ([], 11)


def test_many_that_wait_cost_no_look_each(world):
    for number in range(10):
        world.queue(world.put(f"{number}.jpg", "another picture", at=NOW - timedelta(hours=1)))
    findings, summary = world.check()
    assert (findings, summary.waiting) == ([], 10)
    assert world.calls["look"] == 0
    assert world.calls["BatchGetItem"] == 1


# ---- the queue


@pytest.mark.parametrize("counts", [[0, 1], [0, 0, 1], [0, 0, 0, 1]])
def test_a_queue_is_not_empty_for_having_been_counted_so_once(world, counts):
    """SQS counts approximately."""
    world.queue(world.put("x.jpg"))
    world.sqs.miscounts["work"] = counts
    findings, summary = world.check()
    assert (findings, summary.waiting) == ([], 1)


def test_messages_that_are_worked_on_or_delayed_count(world):
    world.queue(world.put("x.jpg"))
    world.sqs.take("work")
    assert world.check()[1].waiting == 1


def test_a_queue_that_fills_during_a_long_check_is_noticed():
    """A photo may be uploaded at any time after the listing."""
    world = World()
    for number in range(250):
        world.put(f"{number:03}.jpg")

    def uploads():
        world.now += 600
        world.queue(world.put("240.jpg", "another picture", at=NOW))

    world.once("BatchGetItem", uploads, nth=2)
    findings, summary = world.check()
    assert len(findings) == 200
    assert summary.waiting == 50


# ---- AWS is busy


@pytest.fixture
def damaged(world: World) -> World:
    world.put("x.jpg")
    world.put("5.jpg", "another picture")
    world.remove("7.jpg")
    return world


def refuse(world: World, operation: str, code: str, times: int) -> None:
    left = iter(range(times))

    def refused() -> None:
        if next(left, None) is not None:
            raise ClientError({"Error": {"Code": code, "Message": "Not now."}}, operation)

    world.before[operation] = refused


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("Scan", "ProvisionedThroughputExceededException"),
        ("BatchGetItem", "ThrottlingException"),
        ("look", "SlowDown"),
        ("look", "ServiceUnavailable"),
    ],
)
def test_requests_to_a_busy_service_are_retried(damaged, monkeypatch, naps, operation, code, times):
    monkeypatch.setattr("labelctl.aws.throttling.time.sleep", naps)
    refuse(damaged, operation, code, times)
    assert len(damaged.check()[0]) == 3
    assert len(naps) == times


@pytest.mark.parametrize("operation", ["Scan", "BatchGetItem", "look"])
def test_another_refusal_is_final(damaged, operation):
    refuse(damaged, operation, "AccessDenied", 1)
    with pytest.raises(ClientError, match="Not now"):
        damaged.check()


# ---- any order of events


class Cloud:
    """A world that loses nothing: each change of the bucket has its message, and the function works.

    `step` does one thing: a change in the bucket, or the next step of the function's.
    """

    def __init__(self, chance: random.Random, page: int) -> None:
        self.world = World(page)
        self._chance = chance
        self._working: list[Iterator[None]] = []
        self._numbers = iter(range(10**6))
        for _ in range(30):
            self.step(OLD)
        self.finish()

    def step(self, at: datetime | None = None) -> None:
        world, moment = self.world, at or datetime.fromtimestamp(self.world.now, UTC)
        key = self._chance.choice("abcdef")
        match self._chance.randrange(7):
            case 0 | 1:
                world.queue(world.put(key, f"picture {next(self._numbers)}", at=moment))
            case 2 if world.s3.newest(key):
                world.queue(world.remove(key, at=moment))
            case 6 if world.s3.newest(key):
                world.queue(world.purge(key))
            case 3 if message := world.sqs.take("work"):
                self._working.append(self._work(message, moment))
            case _ if self._working:
                self._proceed(self._chance.choice(self._working))

    def finish(self) -> None:
        """Process the whole queue."""
        while self._working or self.world.sqs.bodies("work"):
            if message := self.world.sqs.take("work"):
                self._working.append(self._work(message, OLD))
            for work in [*self._working]:
                self._proceed(work)

    def _proceed(self, work: Iterator[None]) -> None:
        if next(work, self) is self:
            self._working.remove(work)

    def _work(self, message: Any, at: datetime) -> Iterator[None]:
        """The function on one message, with a stop before each write."""
        tables = self.world.dynamodb
        [event] = s3_events.parse_message(message.body)
        photo = self._result(event, at)
        yield
        for item in schema.index_items(photo):
            tables.put(LABELS, item)
            yield
        old = self.world.photo(event.key)
        if old and old["sequencer"] >= photo["sequencer"]:
            old = photo  # it lost: its own index items are deleted
        else:
            tables.put(PHOTOS, photo)
        for item in schema.index_items(old or {}):
            yield
            tables.drop(LABELS, item["label"], item["rank"])
        yield
        self.world.sqs.delete("work", message)

    def _result(self, event: PhotoEvent, at: datetime) -> dict[str, Any]:
        attempt = schema.new_attempt(at.timestamp())
        done = s3_events.format_time(at)
        if event.kind == "version_removed":
            event = self._as_it_is(event)
        if event.kind == "removed":
            return schema.removed_item(event, attempt, done, 2_000_000_000)
        if self._chance.random() < 0.2:
            return schema.failed_item(event, attempt, "Empty", "It is empty.", done)
        found = [{"Name": name, "Confidence": 90.0} for name in ("Dog", "Cat", "Car")]
        answer = {"Labels": found[: self._chance.randrange(4)]}
        return schema.labelled_item(event, attempt, answer, done)

    def _as_it_is(self, event: PhotoEvent) -> PhotoEvent:
        """The event for the current object."""
        newest = self.world.s3.newest(event.key)
        if newest is None or "ETag" not in newest:
            return replace(event, kind="removed")
        etag = newest["ETag"].strip('"')
        return replace(event, kind="created", version_id=newest["VersionId"], etag=etag)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_nothing_lost_nothing_found(seed, repair):
    """Whatever happens before any call, with pages of any size."""
    chance = random.Random(seed)
    busy = chance.randrange(8)
    cloud = Cloud(chance, page=chance.choice([1, 4, 1000]))
    for name in (*EVERYWHERE, "look", "Query"):
        cloud.world.before[name] = lambda: [cloud.step() for _ in range(chance.randrange(busy + 1))]
    before = len(cloud.world.requests())
    findings, summary = cloud.world.check(index=True, repair=repair)
    assert findings == []
    assert summary.problems == {}
    assert before <= len(cloud.world.requests()) or not repair
    assert {kind for kind, *_ in cloud.world.requests()} <= {
        "created",
        "removed",
        "version_removed",
    }
