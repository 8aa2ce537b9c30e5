"""`verify --index`: the label index is compared with the photos' items and repaired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.contract import schema
from labelctl.errors import LabelNotFoundError
from labelctl.labels.search.query import SearchRequest, plan
from labelctl.labels.search.run import Search
from labelctl.labels.search.vocabulary import Vocabulary
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.verify_world import NOW, World, kinds

ABOUT: dict[str, Any] = {
    "Dog": {
        "Categories": [{"Name": "Animals and Pets"}],
        "Aliases": [{"Name": "Puppy"}],
        "Parents": [{"Name": "Animal"}],
    },
    "Beach": {"Categories": [{"Name": "Nature and Outdoors"}]},
}


@pytest.fixture(params=[1, 1000])
def world(request: pytest.FixtureRequest) -> World:
    """A few photos with labels, one that failed, and one that was removed; small and large pages."""
    world = World(request.param)
    world.label(world.put("a.jpg"), {"Dog": 98.1, "Beach": 92.0}, about=ABOUT)
    world.label(world.put("b/b.jpg"), {"Dog": 75.5}, about=ABOUT)
    world.label(world.put("b/none.jpg"), {})
    world.fail(world.put("bad.jpg"))
    world.label(world.put("gone.jpg"), {"Cat": 60.0})
    world.forget(world.remove("gone.jpg"))
    return world


def drop(world: World, image: str, label: str) -> None:
    """Delete a photo's index item behind the function's back."""
    [item] = [each for each in world.index() if (each["image"], each["label"]) == (image, label)]
    world.dynamodb.drop(LABELS, item["label"], item["rank"])


def leave(world: World, image: str, minutes: float, *labels: str) -> list[tuple[str, str]]:
    """Index items of a killed attempt of this age."""
    attempt = schema.new_attempt((NOW - timedelta(minutes=minutes)).timestamp())
    photo = {
        "image": image,
        "attempt": attempt,
        "uploaded_at": "2030-01-01T00:00:00.000Z",
        "labels": {label: schema.decimals(91.5) for label in labels},
    }
    items = schema.index_items(photo)
    for item in items:
        world.dynamodb.put(LABELS, item)
    return [(item["label"], item["rank"]) for item in items]


def found_by(world: World) -> dict[str, list[str]]:
    """The photos that searches find: by a label, by an alias, in a category."""
    requests = {
        "dog": SearchRequest(labels=["dog"]),
        "puppy": SearchRequest(labels=["Puppy"]),
        "both": SearchRequest(labels=["Beach", "Dog"]),
        "animals": SearchRequest(categories=["Animals and Pets"]),
    }
    found = {}
    for name, request in requests.items():
        query = plan(Vocabulary(world.reader), request)
        search = Search(world.reader, world.s3, "photos", query)
        found[name] = [match.image for match in search.matches(10)]
    return found


def everything(world: World) -> tuple[Any, Any]:
    return world.dynamodb.items(PHOTOS), world.dynamodb.items(LABELS)


# ---- no problems


def test_an_index_that_is_as_it_should_be(world):
    before = everything(world)
    findings, summary = world.check(index=True, repair=True)
    assert (findings, summary.problems) == ([], {})
    assert everything(world) == before
    assert "BatchGetItem" not in world.calls
    assert "BatchWriteItem" not in world.calls


def test_the_index_is_not_checked_unless_asked_for(world):
    drop(world, "a.jpg", "dog")
    leave(world, "a.jpg", 60, "Cat")
    before = everything(world)
    assert world.check(repair=True)[0] == []
    assert everything(world) == before


# ---- items that are missing


def test_a_photo_that_a_search_would_miss_is_found_and_its_items_are_added(world):
    before = everything(world)
    drop(world, "a.jpg", "dog")
    damaged = everything(world)

    [finding], summary = world.check(index=True)
    assert (finding.kind, finding.image, finding.repaired) == ("unindexed", "a.jpg", False)
    assert finding.detail == "A search misses it for 1 of its 2 labels."
    assert summary.problems == {"unindexed": 1}
    assert everything(world) == damaged

    [finding], _ = world.check(index=True, repair=True)
    assert finding.repaired
    assert everything(world) == before
    assert world.check(index=True)[0] == []
    assert world.requests() == []  # nothing is labelled again


def test_an_empty_table_is_rebuilt_and_searches_work_as_before(world):
    before, photos = everything(world), found_by(world)
    dogs = ["a.jpg", "b/b.jpg"]
    assert photos == {"dog": dogs, "puppy": dogs, "both": ["a.jpg"], "animals": dogs}
    for item in world.dynamodb.items(LABELS):
        world.dynamodb.drop(LABELS, item["label"], item["rank"])
    with pytest.raises(LabelNotFoundError):
        found_by(world)

    findings, _ = world.check(index=True, repair=True)
    assert kinds(findings) == {"a.jpg": "unindexed", "b/b.jpg": "unindexed"}
    items = [item for item in world.dynamodb.items(LABELS) if item["rank"] != "cat"]
    assert items == [item for item in before[1] if item["rank"] != "cat"]  # of no photo any more
    assert found_by(world) == photos


def test_more_photos_than_a_batch_are_rebuilt(world):
    for number in range(250):
        world.label(world.put(f"{number:03}.jpg"), {"Dog": 90.0, "Cat": 80.0, "Car": 70.0})
    before = world.index()
    for item in before:
        world.dynamodb.drop(LABELS, item["label"], item["rank"])
    findings, _ = world.check(index=True, repair=True)
    assert len(findings) == 252
    assert world.index() == before


def test_the_vocabulary_is_written_once_for_each_label():
    world = World()
    for number in range(100):
        world.label(world.put(f"{number:02}.jpg"), {"Dog": 90.0})
    for item in world.dynamodb.items(LABELS):
        world.dynamodb.drop(LABELS, item["label"], item["rank"])
    written: list[str] = []
    write = world.dynamodb.batch_write_item

    def noted(**request: Any) -> Any:
        written.extend(
            each["PutRequest"]["Item"]["label"]["S"] for each in request["RequestItems"][LABELS]
        )
        return write(**request)

    world.dynamodb.batch_write_item = noted  # type: ignore[method-assign]
    world.check(index=True, repair=True)
    assert (written.count(schema.VOCABULARY), written.count("dog")) == (1, 100)


# ---- items too many


@pytest.mark.parametrize("image", ["a.jpg", "bad.jpg", "gone.jpg", "never.jpg"])
def test_items_of_an_earlier_result_are_found_and_deleted(world, image):
    before = everything(world)
    leave(world, image, 16, "Cat", "Dog")
    damaged = everything(world)

    findings, _ = world.check(index=True)
    assert kinds(findings) == {image: "unused"}
    assert not findings[0].repaired
    assert everything(world) == damaged

    findings, _ = world.check(index=True, repair=True)
    assert findings[0].repaired
    assert everything(world) == before


def test_each_photo_is_found_once_with_all_its_items(world):
    leave(world, "a.jpg", 60, "Cat", "Dog")
    leave(world, "a.jpg", 50, "Car")
    leave(world, "b/b.jpg", 60, "Tree")
    details = {(finding.image, finding.detail) for finding in world.check(index=True)[0]}
    assert details == {
        ("a.jpg", "The index has 3 items of an earlier result."),
        ("b/b.jpg", "The index has 1 item of an earlier result."),
    }
    assert world.check(index=True)[1].problems == {"unused": 2}


def test_items_of_an_attempt_that_may_still_run_are_left_alone(world):
    """It writes its index items before the photo's item."""
    leave(world, "a.jpg", 14.9, "Cat")
    leave(world, "new.jpg", 0, "Cat")
    leave(world, "ahead.jpg", -1, "Cat")
    before = everything(world)
    assert world.check(index=True, repair=True)[0] == []
    assert everything(world) == before
    world.sleep(60)
    assert [finding.image for finding in world.check(index=True)[0]] == ["a.jpg"]


def test_items_that_the_function_is_about_to_delete_are_left_alone(world):
    """The photo has a new result, whose attempt is about to delete the old index items."""
    old = world.photo("a.jpg")
    world.label(world.put("a.jpg", "another picture", at=NOW), {"Car": 80.0}, at=NOW)
    for item in schema.index_items(old):
        world.dynamodb.put(LABELS, item)
    before = everything(world)
    assert world.check(index=True, repair=True)[0] == []
    assert everything(world) == before
    world.sleep(16 * 60)
    findings, _ = world.check(index=True, repair=True)
    assert kinds(findings) == {"a.jpg": "unused"}
    assert [item["label"] for item in world.index() if item["image"] == "a.jpg"] == ["car"]


# ---- while photos change


def once(world: World, table: str, action: Any) -> None:
    """Run an action right before a table is first scanned, or its items are read again."""
    call = world.dynamodb.before
    ran: list[bool] = []

    def before(operation: str, request: Any) -> Any:
        if operation == "Scan" and request["TableName"] == table and not ran:
            ran.append(True)
            action()
        return call(operation, request)

    world.dynamodb.before = before


@pytest.mark.parametrize("minutes", [0, 60])
def test_a_photo_with_another_result_since_it_was_scanned_is_left_alone(world, minutes):
    """Even if the check takes so long that the new attempt is no longer recent."""

    def labelled():
        event = world.put("a.jpg", "another picture", at=NOW)
        world.label(event, {"Car": 88.0, "Dog": 77.0, "Cat": 66.0}, at=NOW)
        world.sleep(60 * minutes)

    once(world, LABELS, labelled)
    findings, _ = world.check(index=True, repair=True)
    assert findings == []
    assert len([item for item in world.index() if item["image"] == "a.jpg"]) == 3


def test_a_photo_that_failed_since_it_was_scanned_needs_no_index_items(world):
    once(world, LABELS, lambda: world.fail(world.put("a.jpg", "no picture", at=NOW), at=NOW))
    assert world.check(index=True, repair=True)[0] == []
    assert [item["image"] for item in world.index()] == ["b/b.jpg"]


# ---- the prefix


def test_the_prefix_limits_all_of_it(world):
    drop(world, "a.jpg", "dog")
    drop(world, "b/b.jpg", "dog")
    leave(world, "a.jpg", 60, "Cat")
    leave(world, "b/b.jpg", 60, "Car")
    others = [item for item in world.index() if not item["image"].startswith("b/")]
    findings, _ = world.check(index=True, repair=True, prefix="b/")
    assert sorted((finding.kind, finding.image) for finding in findings) == [
        ("unindexed", "b/b.jpg"),
        ("unused", "b/b.jpg"),
    ]
    assert [item for item in world.index() if not item["image"].startswith("b/")] == others
    assert [item["label"] for item in world.index() if item["image"].startswith("b/")] == ["dog"]


# ---- DynamoDB is busy


def test_unprocessed_items_are_written_again(world, monkeypatch, naps):
    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    drop(world, "a.jpg", "dog")
    drop(world, "a.jpg", "beach")
    leave(world, "b/b.jpg", 60, "Cat", "Car", "Tree")
    world.before["BatchWriteItem"] = lambda: 1
    world.check(index=True, repair=True)
    assert world.check(index=True)[0] == []
    assert naps  # DynamoDB asks for a pause


def test_throttled_requests_are_retried(world, monkeypatch, naps):
    monkeypatch.setattr("labelctl.aws.throttling.time.sleep", naps)
    drop(world, "a.jpg", "dog")
    left = iter(range(3))

    def refused() -> None:
        if next(left, None) is not None:
            error = {"Code": "ProvisionedThroughputExceededException", "Message": "Not now."}
            raise ClientError({"Error": error}, "BatchWriteItem")

    world.before["BatchWriteItem"] = refused
    world.check(index=True, repair=True)
    assert world.check(index=True)[0] == []
    assert len(naps) == 3
