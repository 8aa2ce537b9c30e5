"""A bucket, a table and queues in memory, as far as `verify` asks them, and what it asked of them.

What moto does is real and slow; here a world is made in no time, with pages as small as a test wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from labelctl import contract, verify
from labelctl.verdict import Finding
from labelctl.verify import Progress, Summary

BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD = BEGIN.replace(hour=1)

STACK: Any = SimpleNamespace(
    bucket="photos", table="labels", queue="work", dead_letters="dead", alarm_age=12 * 3600
)


class World:
    """Stands for `Aws` and its clients. `page` is how many rows or versions come with one answer."""

    def __init__(self, page: int = 1000) -> None:
        self.page = page
        self.versions: dict[str, list[dict[str, Any]]] = {}  # newest first
        word = {"image": {"S": contract.VOCABULARY}, "row": {"S": "~dog"}}  # is of no photo
        self.rows: dict[str, dict[str, dict[str, Any]]] = {contract.VOCABULARY: {"~dog": word}}
        self.calls: Counter[str] = Counter()
        self.depths = [0]  # the last one stays
        self.hidden = 0  # dead letters that somebody else holds
        self.sent: list[contract.PhotoEvent] = []
        self.before: dict[str, Any] = {}  # what happens right before a call

    @property
    def s3(self) -> World:
        return self

    dynamodb = sqs = s3

    # ---- how it came to be

    def put(
        self, key: str, version: str = "v1", at: datetime = OLD, etag: str = "e", size: int = 9
    ) -> None:
        self._hide(key)
        told = {"Key": key, "VersionId": version, "Size": size, "LastModified": at}
        self.versions[key].insert(0, {**told, "ETag": f'"{etag}"'})

    def remove(self, key: str, at: datetime = OLD, marker: str = "m") -> None:
        self._hide(key)
        self.versions[key].insert(0, {"Key": key, "VersionId": marker, "LastModified": at})

    def _hide(self, key: str) -> None:
        self.versions.setdefault(key, [])

    def header(self, key: str, number: int = 1, version_id: str = "v1", **more: Any) -> str:
        """Store a header, made long ago; its version."""
        sequencer = contract.pad_sequencer(f"{number:X}")
        told = {
            "status": "labelled",
            "version": f"{sequencer}.aa",
            "sequencer": sequencer,
            "version_id": version_id,
            "done_at": "2030-01-01T01:00:00.000Z",
            **more,
        }
        labels = told.pop("label_count", 0)
        item: dict[str, Any] = {name: {"S": text} for name, text in told.items() if text}
        if told["status"] == "labelled":
            item["label_count"] = {"N": str(labels)}
        self.row(key, contract.HEADER, **item)
        return str(told["version"])

    def row(self, key: str, row: str, **item: Any) -> None:
        item = {"image": {"S": key}, "row": {"S": row}, **item}
        self.rows.setdefault(key, {})[row] = item

    def labels(self, key: str, version: str, count: int) -> None:
        for number in range(count):
            self.row(key, f"{version}#{number}")

    def labelled(
        self, key: str, count: int = 2, number: int = 1, version_id: str = "v1", **more: Any
    ) -> None:
        version = self.header(key, number, version_id, label_count=count, **more)
        self.labels(key, version, count)

    # ---- what is asked

    def _called(self, name: str) -> None:
        self.calls[name] += 1
        if happens := self.before.get(name):
            happens()

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, f"_{name}_pages"))

    def _list_object_versions_pages(self, *, Bucket: str, Prefix: str) -> Iterator[Any]:  # noqa: N803
        found = [each for key in sorted(self.versions) for each in self._of(key, Prefix)]
        for start in range(0, max(len(found), 1), self.page):
            self._called("list_object_versions")
            yield _listing(found[start : start + self.page])

    def list_object_versions(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> Any:  # noqa: N803
        self._called("look")
        found = [each for key in sorted(self.versions) for each in self._of(key, Prefix)]
        return _listing(found[:MaxKeys])

    def _of(self, key: str, prefix: str) -> list[dict[str, Any]]:
        return [
            {**each, "IsLatest": place == 0}
            for place, each in enumerate(self.versions[key])
            if key.startswith(prefix)
        ]

    def scan(self, **request: Any) -> Any:
        self._called("scan")
        assert "ConsistentRead" not in request
        found = [
            (key, row, item)
            for key in sorted(self.rows, key=lambda key: crc32(key.encode()))
            if crc32(key.encode()) % request["TotalSegments"] == request["Segment"]
            for row, item in sorted(self.rows[key].items())
        ]
        start = 0
        if last := request.get("ExclusiveStartKey"):
            places = [(key, row) for key, row, _ in found]
            start = places.index((last["image"]["S"], last["row"]["S"])) + 1
        page = found[start : start + self.page]
        prefix = request.get("ExpressionAttributeValues", {}).get(":prefix", {}).get("S", "")
        answer: Any = {
            "Items": [item for key, _, item in page if key.startswith(prefix)],
            "ConsumedCapacity": {"CapacityUnits": 0.5},
        }
        if start + self.page < len(found):
            answer["LastEvaluatedKey"] = {"image": {"S": page[-1][0]}, "row": {"S": page[-1][1]}}
        return answer

    def query(self, **request: Any) -> Any:
        assert request["ConsistentRead"]
        last = request.get("ExclusiveStartKey", {"row": {"S": ""}})["row"]["S"]
        if not last:
            self._called("query")
        image = request["ExpressionAttributeValues"][":image"]["S"]
        items = [item for row, item in sorted(self.rows.get(image, {}).items()) if row > last]
        answer: Any = {"Items": [_projected(item, request) for item in items[: self.page]]}
        if len(items) > self.page:
            answer["LastEvaluatedKey"] = {"row": items[self.page - 1]["row"]}
        return answer

    def batch_get_item(self, *, RequestItems: Any, **_: Any) -> Any:  # noqa: N803
        self._called("batch_get_item")
        [request] = RequestItems.values()
        assert 0 < len(request["Keys"]) <= 100
        assert request["ConsistentRead"]
        found = [
            self.rows.get(key["image"]["S"], {}).get(key["row"]["S"]) for key in request["Keys"]
        ]
        items = [_projected(item, request) for item in found if item]
        return {"Responses": {"labels": items}, "UnprocessedKeys": {}}

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
        if QueueUrl == "dead":
            return {"Attributes": {"ApproximateNumberOfMessagesNotVisible": str(self.hidden)}}
        self._called("get_queue_attributes")
        depth = self.depths.pop(0) if len(self.depths) > 1 else self.depths[0]
        return {"Attributes": {"ApproximateNumberOfMessages": str(depth)}}

    def receive_message(self, **_: Any) -> Any:
        self._called("receive_message")
        return {"ResponseMetadata": {}}

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        self._called("send_message_batch")
        assert QueueUrl == "work"
        for entry in Entries:
            self.sent += contract.parse_message(entry["MessageBody"])
        return {}


def _projected(item: dict[str, Any], request: Any) -> dict[str, Any]:
    """Of an item only what was asked for."""
    names = request["ExpressionAttributeNames"]
    asked = [names.get(name, name) for name in request["ProjectionExpression"].split(", ")]
    return {name: item[name] for name in asked if name in item}


def _listing(found: list[dict[str, Any]]) -> Any:
    return {
        "ResponseMetadata": {},
        "Versions": [each for each in found if "ETag" in each],
        "DeleteMarkers": [each for each in found if "ETag" not in each],
    }


# ---- a look at it

HOUR = 3600.0


class Later:
    """A clock that goes on by sleeping; `passed` seconds go by once the listing has begun."""

    def __init__(self, begin: float = BEGIN.timestamp(), passed: float = 0) -> None:
        self._now = begin
        self._passed = passed
        self.slept = 0.0

    def __call__(self) -> float:
        now = self._now
        self._now += self._passed
        self._passed = 0
        return now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self.slept += seconds


def check(world: Any, stack: Any = STACK, **more: Any) -> tuple[list[Finding], Summary]:
    clock = more.pop("clock", None) or Later()
    steps = list(verify.verify(world, stack, clock=clock, sleep=clock.sleep, **more))
    *_, summary = steps
    assert isinstance(summary, Summary)
    findings = [step for step in steps if isinstance(step, Finding)]
    assert Counter(finding.kind for finding in findings) == summary.amiss
    assert len(findings) + sum(isinstance(step, Progress) for step in steps) + 1 == len(steps)
    without = {"missing", "dead_letter", "outdated", "incomplete"}
    if not any(f.kind == "dead_letter" for f in findings):  # it may be that of a removal
        bad = sum(count for kind, count in summary.amiss.items() if kind in without)
        assert (
            summary.photos
            == summary.labelled + summary.failed + summary.waiting + summary.unclear + bad
        )
    return findings, summary


def kinds(findings: list[Finding]) -> dict[str, str]:
    return {finding.image: finding.kind for finding in findings}


# ---- what can be amiss with x.jpg, and the sequencer of the request that mends it


def missing(world):
    world.put("x.jpg")


def missing_with_rows_of_an_attempt(world):
    world.put("x.jpg")
    world.labels("x.jpg", contract.pad_sequencer("9") + ".aa", 2)


def taken_for_removed(world):
    world.put("x.jpg")
    world.header("x.jpg", status="removed", version_id="")


def outdated(world):
    world.put("x.jpg", "v1")
    world.put("x.jpg", "v2")
    world.labelled("x.jpg", version_id="v1")


def outdated_failure(world):
    world.put("x.jpg", "v2")
    world.header("x.jpg", status="failed", version_id="v1")


def incomplete(world):
    world.put("x.jpg")
    world.labels("x.jpg", world.header("x.jpg", label_count=3), 2)


def one_too_many(world):
    world.put("x.jpg")
    world.labels("x.jpg", world.header("x.jpg", label_count=1), 2)


def orphaned(world):
    world.labelled("x.jpg")


def orphaned_failure(world):
    world.header("x.jpg", status="failed")


def hidden_by_a_marker(world):
    world.put("x.jpg")
    world.remove("x.jpg")
    world.labelled("x.jpg")


def rows_beside_a_tombstone(world):
    world.remove("x.jpg")
    world.header("x.jpg", number=2, status="removed", version_id="")
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def rows_without_header(world):
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def leftovers(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("1") + ".aa", 2)


def leftovers_of_another_attempt(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("2") + ".bb", 2)


def leftovers_of_a_later_event(world):
    world.put("x.jpg")
    world.labelled("x.jpg", number=2)
    world.labels("x.jpg", contract.pad_sequencer("3") + ".aa", 2)


def after(number: str, count: int = 1) -> str:
    return f"{contract.pad_sequencer(number)}:{count:08X}"


DAMAGES = [
    (missing, "missing", after("0")),
    (missing_with_rows_of_an_attempt, "missing", after("9")),
    (taken_for_removed, "missing", after("1")),
    (outdated, "outdated", after("1")),
    (outdated_failure, "outdated", after("1")),
    (incomplete, "incomplete", after("1")),
    (one_too_many, "incomplete", after("1")),
    (orphaned, "orphaned", after("1")),
    (orphaned_failure, "orphaned", after("1")),
    (hidden_by_a_marker, "orphaned", after("1")),
    (rows_beside_a_tombstone, "orphaned", after("2")),
    (rows_without_header, "orphaned", after("1")),
    (leftovers, "leftovers", contract.pad_sequencer("2")),  # only a sweep: no new result
    (leftovers_of_another_attempt, "leftovers", contract.pad_sequencer("2")),
    (leftovers_of_a_later_event, "leftovers", after("3")),
]
