"""The temporary file in which bucket and tables are compared: contents, location, limits."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.errors import RefusedError
from labelctl.operations.verify import verify
from labelctl.operations.verify.findings import Finding, Progress, Summary
from labelctl.operations.verify.inventory import Problem, open_inventory
from labelctl.photos.versions import ObjectVersion, list_newest, newest_version
from tests.fakes.photos import AT
from tests.fakes.table_stream import TableStream
from tests.unit.verify_world import NOW, OLD, STACK, World

# ---- bucket and items side by side


def item(image: str, **more: Any) -> dict[str, Any]:
    return {
        "image": image,
        "status": "labelled",
        "sequencer": "1",
        "attempt": "a1",
        "done_at": AT,
        "label_count": Decimal(2),
        **more,
    }


def test_each_key_comes_once_with_its_object_and_its_item():
    with open_inventory() as photos:
        both = ObjectVersion("both", "v1", "e", since=5.0)
        gone = ObjectVersion("gone", "m", since=6.0)
        alone = ObjectVersion("object", "v1", "e", since=5.0)
        photos.add_objects([both, gone, alone])
        photos.add_objects([])
        photos.add_results([item("both"), item("gone"), item("result", version_id="v9")])
        found = {photo.image: (photo.object, photo.item) for photo in photos.photos()}
    stored = {"version_id": None, "etag": None, **item(""), "label_count": 2}
    del stored["image"]
    assert found == {
        "both": (both, stored),
        "gone": (gone, stored),
        "object": (alone, None),
        "result": (ObjectVersion("result"), {**stored, "version_id": "v9"}),
    }


def test_keys_are_compared_byte_by_byte():
    keys = ["a", "A", "a ", "ä", "a\u0308", "'; DROP TABLE objects; --", "\U0001f600", "1", "01"]
    with open_inventory() as photos:
        photos.add_objects(ObjectVersion(key, "v", "e", since=1.0) for key in keys)
        photos.add_results(item(key) for key in keys)
        assert sorted(photo.image for photo in photos.photos()) == sorted(keys)
        assert all(photo.item for photo in photos.photos())


def test_photos_with_fewer_index_items_than_labels():
    with open_inventory() as photos:
        photos.add_results([item(name) for name in ("none", "one", "two", "many")])
        photos.add_results([item("failed", status="failed", label_count=None)])
        photos.count_indexed([("one", 1), ("two", 1), ("many", 3), ("unknown", 1)])
        photos.count_indexed([("two", 1)])
        assert sorted(photos.incompletely_indexed()) == ["none", "one"]


def test_the_attempts_of_labelled_photos():
    with open_inventory() as photos:
        photos.add_results(item(f"{number}", attempt=f"a{number}") for number in range(1200))
        photos.add_results([item("failed", status="failed")])
        names = [*(f"{number}" for number in range(1200)), "failed", "unknown"]
        assert photos.attempts(names) == {f"{number}": f"a{number}" for number in range(1200)}


def test_problems_are_kept_while_others_are_read():
    problems = [Problem("missing", f"{number}", "It is missing.", "1") for number in range(300)]
    with open_inventory() as photos:
        photos.add_objects(ObjectVersion(f"{number}", "v", "e", since=1.0) for number in range(300))
        for photo, problem in zip(photos.photos(), problems, strict=True):
            assert photo.item is None
            photos.add_problems([problem])
        assert [*photos.problems()] == problems


# ---- objects


def test_the_newest_versions_of_a_listing():
    bucket = World().s3
    bucket.put("a.jpg", "one", OLD)
    _, etag = bucket.put("a.jpg", "two", NOW)
    bucket.put("gone.jpg", "x", OLD)
    bucket.remove("gone.jpg", NOW)
    bucket.put("folder/", "", NOW, size=0)
    bucket.put("folder/empty.jpg", "", NOW, size=0)
    pages = list_newest(bucket, "photos", "")
    found = {each.key: each for page in pages for each in page}
    now = NOW.timestamp()
    assert found["a.jpg"] == ObjectVersion("a.jpg", "v2", etag, since=now)
    assert found["gone.jpg"] == ObjectVersion("gone.jpg", "v4", since=now)
    assert found["folder/"] == ObjectVersion("folder/", "v5", since=now)
    assert found["folder/empty.jpg"].exists
    for key, there in found.items():
        assert newest_version(bucket, "photos", key) == there
    for key in ("a", "a.jp", "folder", "unknown"):  # others begin with these
        assert newest_version(bucket, "photos", key) == ObjectVersion(key)


def test_the_version_null_is_none():
    bucket = World(versions=False).s3
    bucket.put("a.jpg", "one", OLD)
    assert newest_version(bucket, "photos", "a.jpg").version_id is None


# ---- what it takes


class LargeBucket:
    """`count` objects, generated during the listing: those of `TableStream`, but every nth is new."""

    def __init__(self, photos: int, nth: int) -> None:
        self._photos, self._nth = photos, nth

    def get_paginator(self, name: str) -> Any:
        assert name == "list_object_versions"

        def paginate(**_: Any) -> Any:
            for start in range(0, self._photos, 100):
                end = min(start + 100, self._photos)
                yield {"Versions": [self._version(number) for number in range(start, end)]}

        return SimpleNamespace(paginate=paginate)

    def list_object_versions(self, *, Prefix: str, **_: Any) -> Any:  # noqa: N803
        return {"Versions": [self._version(int(Prefix[:8]))]}

    def _version(self, number: int) -> dict[str, Any]:
        etag = "f" if number % self._nth == 0 else "e"
        return {
            "Key": f"{number:08}.jpg",
            "VersionId": "null",
            "ETag": f'"{etag * 32}"',
            "Size": 9,
            "LastModified": datetime(2026, 5, 1, tzinfo=UTC),
            "IsLatest": True,
        }


class LargeTables(TableStream):
    """A table of as many photos, of which it returns what is asked for; also one by one."""

    def scan(self, **request: Any) -> Any:
        names = {*request["ExpressionAttributeNames"].values()}
        answer = super().scan(**request)
        some = {name: value for name, value in answer["Items"][0].items() if name in names}
        return {**answer, "Items": [{**some, "image": each["image"]} for each in answer["Items"]]}

    def batch_get_item(self, *, RequestItems: Any, **_: Any) -> Any:  # noqa: N803
        [(table, request)] = RequestItems.items()
        [some] = self.scan(Segment=0, TotalSegments=10**9, **request)["Items"]
        items = [{**some, **key} for key in request["Keys"]]
        return {"Responses": {table: items}, "UnprocessedKeys": {}}


def large(photos: int, nth: int = 10) -> Any:
    return SimpleNamespace(
        s3=LargeBucket(photos, nth), dynamodb=LargeTables(photos, page=25), sqs=World().sqs
    )


def run(aws: Any, **options: Any) -> Any:
    seconds = count(NOW.timestamp())
    return verify.verify(aws, STACK, clock=lambda: next(seconds), sleep=lambda _: None, **options)


def peak(photos: int, nth: int, repair: bool) -> int:
    """The most memory that Python's objects took at once, in bytes."""
    aws = large(photos, nth)
    aws.sqs.send_message_batch = lambda **_: {}
    tracemalloc.start()
    found = 0
    for step in run(aws, repair=repair):
        found += isinstance(step, Finding)
        if isinstance(step, Summary):
            assert step.photos == photos
            assert step.labelled == photos - photos // nth
    assert found == photos // nth
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize(("nth", "repair"), [(10, False), (1, True)])
def test_memory_does_not_grow_with_the_bucket_nor_with_the_problems(nth, repair):
    """SQLite's own is bounded by its cache, 2 MB unless it is set otherwise."""
    peak(100, nth, repair)  # what is imported and made once
    # Some pages of 1,000.
    assert peak(4500, nth, repair) < 1.3 * peak(2000, nth, repair)


OPEN = Path("/proc/self/fd")


def open_files() -> set[str]:
    found = set()
    for each in OPEN.iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(each.readlink()))
    return found


@pytest.mark.skipif(not OPEN.is_dir(), reason="only Linux shows which files are open")
def test_the_inventory_is_in_a_file_and_not_in_memory():
    before = open_files()
    with open_inventory() as photos:
        for start in range(0, 50_000, 1000):
            keys = (f"{number:08}.jpg" for number in range(start, start + 1000))
            photos.add_objects(ObjectVersion(key, "v", "e" * 32, since=1.0) for key in keys)
        [name] = open_files() - before
        assert "etilqs" in name  # SQLite's, backwards
    assert open_files() <= before


def test_an_abandoned_check_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    steps = run(large(20_000))
    for step in steps:
        if isinstance(step, Progress) and step.message == "Comparing":
            break
    assert list(tmp_path.iterdir()) == []  # the file has no name even while it is used
    steps.close()


@pytest.mark.parametrize("photos", [500, 20_000])
def test_a_temporary_file_without_room_is_a_clear_error(monkeypatch, photos):
    @contextmanager
    def small() -> Any:
        with open_inventory() as made:
            made._database.execute("PRAGMA max_page_count = 20")
            yield made

    monkeypatch.setattr(verify, "open_inventory", small)
    with pytest.raises(RefusedError, match="database or disk is full") as raised:
        list(run(large(photos)))
    assert "TMPDIR" in raised.value.hint
