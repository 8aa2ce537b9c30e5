"""An in-memory simulation for one photo: tables, bucket, Rekognition, queue and workers.

Each worker runs the function's code in a thread that stops before every call, until the test lets it
continue or kills it. This allows tests to choose any order of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from labelctl.contract import s3_events, schema
from labelctl.labels.reader import Reader
from labelctl.labels.results import Photo, read
from labelctl.operations.verify.findings import Finding
from labelctl.operations.verify.inventory import open_inventory
from labelctl.operations.verify.label_index import IndexCheck
from labelctl.photos.versions import ObjectVersion, is_result_of
from labeller.handler import Handler
from tests.fakes.dynamodb import AGAIN, FakeDynamoDB
from tests.fakes.function import ENVIRONMENT
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import table_properties
from tests.lambda_runtime import message_body, s3_record
from tests.unit.photo_worker import Worker

KEY = "a.jpg"
LONG_AFTER = 2.0**32
"""A time when no worker can still be running, in seconds since 1970."""

Item = dict[str, Any]
_TABLES = {PHOTOS: table_properties("PhotosTable"), LABELS: table_properties("LabelsTable")}


@dataclass(frozen=True)
class Version:
    """A version of the photo, or a delete marker (`marker`).

    `labels` is its number of labels; None if it cannot be labelled.
    """

    id: str
    labels: int | None
    marker: bool = False

    @property
    def names(self) -> set[str]:
        return {f"{self.id} {number}" for number in range(self.labels or 0)}


class World:
    """A versioned or unversioned bucket in which one photo is created, changed and removed."""

    def __init__(self, versioned: bool) -> None:
        self.tables = FakeDynamoDB(_TABLES)
        self.tables.before = Worker.pause
        self._reader: Any = Reader(self.tables, PHOTOS, LABELS)  # type: ignore[arg-type]
        self.versioned = versioned
        self._versions: list[Version] = []  # existing versions, oldest first
        self._known: dict[str, Version] = {}
        self._sequencer = 7  # so that sequencers have one and two digits
        self._waiting: list[tuple[str, int]] = []
        self._workers: list[tuple[Worker, str, int]] = []
        self._last = ""
        self._lost = False
        self._may_have_orphans = False  # a worker was killed, or its response was lost
        self._clients: Any = SimpleNamespace(
            dynamodb=self.tables,
            rekognition=SimpleNamespace(detect_labels=self._detect_labels),
            s3=SimpleNamespace(
                head_object=self._head_object, list_objects_v2=self._list_objects_v2
            ),
        )
        self.restart()

    # Changes in the bucket, each followed by a message

    def put(self, labels: int | None) -> None:
        version = self._add(labels)
        about = {"size": 9, "eTag": version.id}
        self._send("ObjectCreated:Put", **about, **self._named(version))

    def remove(self) -> None:
        if not self.versioned:
            self._versions.clear()
            self._send("ObjectRemoved:Delete")
            return
        marker = self._add(None, marker=True)
        self._send("ObjectRemoved:DeleteMarkerCreated", versionId=marker.id)

    def delete_version(self, which: int) -> None:
        """Permanently delete one version or delete marker."""
        if self.versioned and self._versions:
            version = self._versions.pop(which % len(self._versions))
            self._send("ObjectRemoved:Delete", versionId=version.id)

    def _add(self, labels: int | None, marker: bool = False) -> Version:
        version = Version(f"v{len(self._known)}", labels, marker)
        self._known[version.id] = version
        if not self.versioned:
            self._versions.clear()
        self._versions.append(version)
        return version

    def _named(self, version: Version) -> dict[str, str]:
        return {"versionId": version.id} if self.versioned else {}

    def _send(self, event: str, **photo: Any) -> None:
        self._sequencer += 1
        body = message_body(s3_record(KEY, f"{self._sequencer:x}", event, **photo))
        self._waiting.append((body, 1))

    def request(self) -> None:
        """Request that the photo is processed again."""
        item = self._item
        sequencer = s3_events.next_sequencer(item["sequencer"] if item else "")
        self._waiting.append((s3_events.request("photos", KEY, sequencer, "2026"), 1))

    # Messages and workers

    def redeliver(self, which: int) -> None:
        """S3 or SQS delivers a message again."""
        if self._waiting:
            self._waiting.append(self._waiting[which % len(self._waiting)])

    def lose(self, which: int) -> None:
        """A message is lost, which S3 and SQS should prevent."""
        if self._waiting:
            del self._waiting[which % len(self._waiting)]
            self._lost = True

    def take(self, which: int, hurried: bool = False) -> None:
        """A worker receives a message. If `hurried`, a second one receives it at the same time."""
        if self._waiting:
            body, receives = self._waiting.pop(which % len(self._waiting))
            for more in range(1 + hurried):
                self._start(body, receives + more)

    def restart(self) -> None:
        """Later workers are new processes, which have not read the vocabulary yet."""
        self._function = Handler(self._clients, ENVIRONMENT)
        self._function._recognition._pacer = _Unpaced()  # type: ignore[assignment]

    def _start(self, body: str, receives: int) -> None:
        message = {
            "messageId": "m",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

        function = self._function

        def job() -> None:
            assert function._process(message, deadline=float("inf")), "returned to the queue"

        self._workers.append((Worker(job), body, receives))

    def step(self, which: int, taken: int | None = None) -> None:
        if self._workers:
            place = which % len(self._workers)
            worker = self._workers[place][0]
            self._may_have_orphans |= taken == AGAIN and worker.at == "PutItem"
            worker.step(taken)
            if worker.done:
                del self._workers[place]
            self.check()

    def until(self, which: int, operation: str) -> None:
        """Run a worker until it stops before this operation, or is done."""
        if self._workers:
            worker = self._workers[which % len(self._workers)][0]
            while not worker.done and worker.at != operation:
                self.step(which)

    def kill(self, which: int, counted: bool = True) -> None:
        """Kill a worker. Its message is received again, for the first time unless `counted`."""
        if self._workers:
            worker, body, receives = self._workers.pop(which % len(self._workers))
            self._may_have_orphans |= worker.at in ("BatchWriteItem", "PutItem")
            worker.kill()
            self._waiting.append((body, receives + 1 if counted else 1))

    def close(self) -> None:
        for worker, _, _ in self._workers:
            worker.kill()

    # The services, for the workers

    @property
    def _current(self) -> Version | None:
        return self._versions[-1] if self._versions and not self._versions[-1].marker else None

    def _find(self, version_id: str | None) -> Version | None:
        if version_id is None:
            return self._current
        found = (one for one in self._versions if one.id == version_id and not one.marker)
        return next(found, None)

    def _detect_labels(self, *, Image: Any, **_: Any) -> Any:  # noqa: N803
        Worker.pause("DetectLabels")
        version = self._find(Image["S3Object"].get("Version"))
        if version is None:
            raise _refusal("InvalidS3ObjectException", 400)
        if version.labels is None:
            raise _refusal("InvalidImageFormatException", 400)
        return {"Labels": [{"Name": name, "Confidence": 90.5} for name in version.names]}

    def _head_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> Any:
        Worker.pause("HeadObject")
        version = self._find(VersionId)
        if version is None:
            raise _refusal("404", 404)
        if IfMatch not in (None, f'"{version.id}"'):
            raise _refusal("412", 412)
        named = {"VersionId": version.id} if self.versioned else {}
        about = {"ContentLength": 9, "LastModified": datetime(2026, 1, 2, tzinfo=UTC)}
        return {"ETag": f'"{version.id}"', **about, **named}

    def _list_objects_v2(self, **_: Any) -> Any:
        Worker.pause("ListObjectsV2")
        return {"Contents": [{"Key": KEY}]} if self._current else {}

    # The visible state

    def check(self) -> None:
        """Check the visible state: labels of one version, never an older one, and all searchable."""
        item = self._item
        if item is None:
            assert self._last == "", "the result disappeared"
            return
        assert item["sequencer"] >= self._last, "an older result reappeared"
        self._last = item["sequencer"]
        if item["status"] == schema.REMOVED:
            assert self._shown(item).status == "waiting"
            return
        version, photo = self._known[item["etag"]], self._shown(item)
        assert photo.status == item["status"]
        if photo.status == schema.LABELLED:
            assert version.labels is not None
            assert {label.name for label in photo.labels} == version.names, (
                "another version's labels"
            )
        else:
            # Without versions, Rekognition reads the current object, which has its own event.
            assert version.labels is None or not self.versioned
            assert photo.labels == ()
        expected = schema.index_items(item)
        assert [self._label(each) for each in expected] == expected, "a search misses the photo"
        vocabulary = schema.vocabulary_items(item) if photo.labels else []
        assert [self._label(each) for each in vocabulary] == vocabulary, (
            "a label is missing in the vocabulary"
        )

    @property
    def _item(self) -> Item | None:
        return self.tables.item(PHOTOS, KEY)

    def _label(self, item: Item) -> Item | None:
        return self.tables.item(LABELS, item["label"], item["rank"])

    def _shown(self, item: Item) -> Photo:
        """What `labelctl labels` shows for the version of the item."""
        return read(self._reader, ObjectVersion(KEY, item.get("version_id"), item.get("etag")))

    @property
    def _index(self) -> list[Item]:
        """All index items, ordered by label."""
        return [item for item in self.tables.items(LABELS) if item["label"] != schema.VOCABULARY]

    # The end

    def finish(self) -> None:
        """Process all messages without further kills, then check the final state."""
        self._process_all()
        if self._lost:
            self.request()  # as `verify --repair` does
            self._process_all()
        self.check()
        item, current = self._item, self._current
        if current is None:
            assert item is None or item["status"] == schema.REMOVED, "labels without a photo"
        else:
            assert item is not None, "a photo has no item"
            sent = ObjectVersion(KEY, current.id if self.versioned else None, current.id)
            assert is_result_of(item, sent), "the newest version has no result"
            status = schema.FAILED if current.labels is None else schema.LABELLED
            assert item["status"] == status
        if self._may_have_orphans:
            self._repair_index()
        expected = sorted(schema.index_items(item or {}), key=lambda each: str(each["label"]))
        assert self._index == expected, "orphaned index items"

    def _repair_index(self) -> None:
        """Run `labelctl verify --index --repair` later: it must find only orphaned index items."""
        with open_inventory() as inventory:
            for page in self._reader.scan_photos():
                inventory.add_results(page)
            check = IndexCheck(
                self._reader,
                self.tables,  # type: ignore[arg-type]
                LABELS,
                inventory,
                "",
                repair=True,
                clock=lambda: LONG_AFTER,
            )
            findings = [each for each in check.run() if isinstance(each, Finding)]
        assert {each.kind for each in findings} <= {"unused"}, findings
        assert all(each.repaired for each in findings)

    def _process_all(self) -> None:
        while self._waiting or self._workers:
            self.take(0)
            self.step(0)


class _Unpaced:
    def turn(self, until: float) -> bool:
        return True

    def passed(self) -> None:
        pass


def _refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Call")
