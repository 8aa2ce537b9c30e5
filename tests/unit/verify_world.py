"""A bucket, a table and empty queues in memory, as far as `verify` asks them, and what it asked.

What moto does is real and slow; here a world is made in no time, with pages as small as a test wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from labelctl import contract

BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD = BEGIN.replace(hour=1)

STACK: Any = SimpleNamespace(bucket="photos", table="labels", queue="work", dead_letters="dead")


class World:
    """Stands for `Aws` and its clients. `page` is how many rows or versions come with one answer."""

    def __init__(self, page: int = 1000) -> None:
        self.page = page
        self.versions: dict[str, list[dict[str, Any]]] = {}  # newest first
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}
        self.calls: Counter[str] = Counter()
        self.depths = [0]  # the last one stays
        self.sent: list[contract.PhotoEvent] = []
        self.before: dict[str, Any] = {}  # what happens right before a call

    @property
    def s3(self) -> World:
        return self

    dynamodb = sqs = s3

    # ---- how it came to be

    def put(self, key: str, version: str = "v1", at: datetime = OLD, etag: str = "e") -> None:
        self._hide(key)
        self.versions[key].insert(
            0, {"Key": key, "VersionId": version, "ETag": f'"{etag}"', "LastModified": at}
        )

    def remove(self, key: str, at: datetime = OLD, marker: str = "m") -> None:
        self._hide(key)
        self.versions[key].insert(0, {"Key": key, "VersionId": marker, "LastModified": at})

    def _hide(self, key: str) -> None:
        self.versions.setdefault(key, [])

    def header(self, key: str, number: int = 1, version_id: str = "v1", **more: Any) -> str:
        """Store a header; its version."""
        sequencer = contract.pad_sequencer(f"{number:X}")
        told = {
            "status": "labelled",
            "version": f"{sequencer}.aa",
            "sequencer": sequencer,
            "version_id": version_id,
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

    def labelled(self, key: str, count: int = 2, number: int = 1, version_id: str = "v1") -> None:
        version = self.header(key, number, version_id, label_count=count)
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

    def _query_pages(self, **request: Any) -> Iterator[Any]:
        assert request["ConsistentRead"]
        self._called("query")
        image = request["ExpressionAttributeValues"][":image"]["S"]
        items = [item for _, item in sorted(self.rows.get(image, {}).items())]
        for start in range(0, max(len(items), 1), self.page):
            yield {"Items": items[start : start + self.page]}

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        self._called("batch_get_item")
        [request] = RequestItems.values()
        assert 0 < len(request["Keys"]) <= 100
        assert request["ConsistentRead"]
        found = [
            self.rows.get(key["image"]["S"], {}).get(key["row"]["S"]) for key in request["Keys"]
        ]
        return {"Responses": {"labels": [item for item in found if item]}, "UnprocessedKeys": {}}

    def get_queue_attributes(self, **_: Any) -> Any:
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


def _listing(found: list[dict[str, Any]]) -> Any:
    return {
        "ResponseMetadata": {},
        "Versions": [each for each in found if "ETag" in each],
        "DeleteMarkers": [each for each in found if "ETag" not in each],
    }
