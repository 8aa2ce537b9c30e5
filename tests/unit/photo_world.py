"""One photo's world in memory: both tables, a bucket, Rekognition, a queue, and workers in between.

Each worker runs the function's own code in a thread that stops before every call it makes, until the
test lets it go on, or kills it. So a test chooses every possible order of events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Semaphore, Thread, local
from types import ModuleType, SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from labelctl.contract import s3_events, schema
from labelctl.labels.results import Photo, read
from labelctl.labels.tables import Reader
from labelctl.operations.verify.findings import Finding
from labelctl.operations.verify.inventory import open_inventory
from labelctl.operations.verify.label_index import IndexCheck
from labelctl.photos.versions import Awaited, answers
from tests.fakes.dynamodb import AGAIN, FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import table_properties
from tests.lambda_runtime import message_body, s3_record

KEY = "a.jpg"
LONG_AFTER = 2.0**32
"""When no worker can still run, in seconds since 1970."""

Item = dict[str, Any]
_TABLES = {PHOTOS: table_properties("PhotosTable"), LABELS: table_properties("LabelsTable")}


class KilledError(BaseException):
    """The worker's process is gone: nothing of it runs any more, not even an `except`."""


class Worker:
    """A thread that runs `job` from one call to the next, when it may.

    `at` is the call that it stands before.
    """

    here = local()

    def __init__(self, job: Callable[[], Any]) -> None:
        self.done = False
        self.at = ""
        self.error: BaseException | None = None
        self._kill = False
        self._taken: int | None = None
        self._go, self._stopped = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def _run(self, job: Callable[[], Any]) -> None:
        Worker.here.worker = self
        try:
            job()
        except KilledError:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self._stopped.release()

    @staticmethod
    def pause(operation: str, _: Any = None) -> int | None:
        """Called before each call to a service; it stops a worker's thread, and no other.

        Returns what the fake does with the call: see `FakeDynamoDB.before`.
        """
        self = getattr(Worker.here, "worker", None)
        if self is None:
            return None  # the test itself reads
        self.at = operation
        self._stopped.release()
        self._go.acquire()
        if self._kill:
            raise KilledError
        return self._taken

    def step(self, taken: int | None = None) -> None:
        """Make the one call before which it stands, and go on up to the next, or the end."""
        self._taken = taken
        self._go.release()
        self._stopped.acquire()
        if self.error:
            raise self.error

    def kill(self) -> None:
        if not self.done:
            self._kill = True
            self._go.release()
            self._thread.join()


@dataclass(frozen=True)
class Version:
    """A version of the photo: how many labels it has, None for one that cannot be labelled.

    A delete marker is one, too.
    """

    id: str
    labels: int | None
    marker: bool = False

    @property
    def names(self) -> set[str]:
        return {f"{self.id} {number}" for number in range(self.labels or 0)}


class World:
    """A bucket with or without versions, in which one photo comes, changes and goes."""

    def __init__(self, function: ModuleType, versioned: bool) -> None:
        self.tables = FakeDynamoDB(_TABLES)
        self.tables.before = Worker.pause
        self._reader: Any = Reader(self.tables, PHOTOS, LABELS)  # type: ignore[arg-type]
        self.versioned = versioned
        self._versions: list[Version] = []  # those that there are, oldest first
        self._known: dict[str, Version] = {}
        self._sequencer = 7  # so that sequencers of one and of two digits meet
        self._waiting: list[tuple[str, int]] = []
        self._workers: list[tuple[Worker, str, int]] = []
        self._last = ""
        self._lost = False
        self._is_littered = False  # a worker was killed, or did not hear what became of its result
        self._function = function
        self.restart()
        function._bucket._client = lambda: SimpleNamespace(head_object=self._head_object)
        function._recognition = type(function._recognition)(
            SimpleNamespace(detect_labels=self._detect_labels), function._bucket
        )
        function._recognition._pacer = _Unpaced()

    # What happens in the bucket; a message follows each

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

    def erase(self, which: int) -> None:
        """Remove one version, or a delete marker, for good."""
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

    def ask(self) -> None:
        """Somebody wants the photo worked on again, by what the table knows of it."""
        item = self._item
        sequencer = s3_events.next_sequencer(item["sequencer"] if item else "")
        self._waiting.append((s3_events.request("photos", KEY, sequencer, "2026"), 1))

    # What happens to messages and workers

    def twice(self, which: int) -> None:
        """S3, or SQS, delivers a message again."""
        if self._waiting:
            self._waiting.append(self._waiting[which % len(self._waiting)])

    def lose(self, which: int) -> None:
        """What must not happen: a message is lost for good."""
        if self._waiting:
            del self._waiting[which % len(self._waiting)]
            self._lost = True

    def take(self, which: int, hurried: bool = False) -> None:
        """A worker takes a message. `hurried`: a second one gets it too, before the first is done."""
        if self._waiting:
            body, receives = self._waiting.pop(which % len(self._waiting))
            for more in range(1 + hurried):
                self._start(body, receives + more)

    def restart(self) -> None:
        """Whoever takes a message from now on is a new process, which knows no vocabulary yet."""
        self._function._store = type(self._function._store)(self.tables, PHOTOS, LABELS)

    def _start(self, body: str, receives: int) -> None:
        message = {
            "messageId": "m",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

        def job() -> None:
            assert self._function._process(message, deadline=float("inf")), (
                "given back to the queue"
            )

        self._workers.append((Worker(job), body, receives))

    def step(self, which: int, taken: int | None = None) -> None:
        if self._workers:
            place = which % len(self._workers)
            worker = self._workers[place][0]
            self._is_littered |= taken == AGAIN and worker.at == "PutItem"
            worker.step(taken)
            if worker.done:
                del self._workers[place]
            self.look()

    def until(self, which: int, operation: str) -> None:
        """Let a worker go on until it stands before such a call, or is done."""
        if self._workers:
            worker = self._workers[which % len(self._workers)][0]
            while not worker.done and worker.at != operation:
                self.step(which)

    def kill(self, which: int, counted: bool = True) -> None:
        """The worker is gone; its message comes again, as the first time if it was moved meanwhile."""
        if self._workers:
            worker, body, receives = self._workers.pop(which % len(self._workers))
            self._is_littered |= worker.at in ("BatchWriteItem", "PutItem")
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

    # What somebody sees who reads

    def look(self) -> None:
        """Somebody reads, now: labels of one version, never older, and all of them can be searched."""
        item = self._item
        if item is None:
            assert self._last == "", "what was shown is gone"
            return
        assert item["sequencer"] >= self._last, "an older result is back"
        self._last = item["sequencer"]
        if item["status"] == schema.REMOVED:
            assert self._shown(item).status == "pending"
            return
        version, photo = self._known[item["etag"]], self._shown(item)
        assert photo.status == item["status"]
        if photo.status == schema.LABELLED:
            assert version.labels is not None
            assert {label.name for label in photo.labels} == version.names, (
                "another version's labels"
            )
        else:
            # Without versions Rekognition reads what lies there by then, which has its own event.
            assert version.labels is None or not self.versioned
            assert photo.labels == ()
        wanted = schema.index_items(item)
        assert [self._label(each) for each in wanted] == wanted, "a search misses the photo"
        words = schema.vocabulary_items(item) if photo.labels else []
        assert [self._label(each) for each in words] == words, "a label that nobody can search for"

    @property
    def _item(self) -> Item | None:
        return self.tables.item(PHOTOS, KEY)

    def _label(self, item: Item) -> Item | None:
        return self.tables.item(LABELS, item["label"], item["rank"])

    def _shown(self, item: Item) -> Photo:
        """What `labelctl labels` shows of the version that the item is about."""
        return read(self._reader, Awaited(KEY, item.get("version_id"), item.get("etag")))

    @property
    def _index(self) -> list[Item]:
        """All index items, by their labels."""
        return [item for item in self.tables.items(LABELS) if item["label"] != schema.VOCABULARY]

    # The end

    def finish(self) -> None:
        """All messages are worked off, and nobody is killed any more: then all is as it should be."""
        self._work_off()
        if self._lost:
            self.ask()  # as `verify --repair` does
            self._work_off()
        self.look()
        item, current = self._item, self._current
        if current is None:
            assert item is None or item["status"] == schema.REMOVED, "labels of no photo"
        else:
            assert item is not None, "a photo is lost"
            sent = Awaited(KEY, current.id if self.versioned else None, current.id)
            assert answers(item, sent), "the newest version has no result"
            status = schema.FAILED if current.labels is None else schema.LABELLED
            assert item["status"] == status
        if self._is_littered:
            self._tidy()
        wanted = sorted(schema.index_items(item or {}), key=lambda each: str(each["label"]))
        assert self._index == wanted, "index items that lead nowhere"

    def _tidy(self) -> None:
        """`labelctl verify --index --repair`, long after: it finds nothing but what is of no use."""
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

    def _work_off(self) -> None:
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
