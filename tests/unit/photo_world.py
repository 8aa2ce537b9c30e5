"""One photo's world in memory: a table, a bucket, Rekognition, a queue, and workers in between.

Each worker runs the function's own code in a thread that stops before every call it makes, until the
test lets it go on, or kills it. So a test chooses every order of happenings there is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Semaphore, Thread, local
from types import ModuleType, SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from labelctl import contract
from labelctl.reads import plain
from labelctl.results import Awaited, answers
from tests.lambda_runtime import message_body, s3_record

KEY = "a.jpg"
TABLE = "labels"
Rows = dict[tuple[str, str], dict[str, Any]]


AGAIN = -1
"""A call whose answer is lost: it was carried out, and the client makes it once more."""


class ConditionalCheckFailedError(Exception):
    def __init__(self, item: Any = None) -> None:
        super().__init__()
        self.response = {"Item": item} if item else {}


class TableInMemory:
    """The calls that the store makes, with DynamoDB's meaning, each of them at once.

    `before` is called before each of them; what it returns is how many of the requests of a
    BatchWriteItem are taken, None for all; or AGAIN.
    """

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedError)

    def __init__(self, before: Callable[[], int | None] = lambda: None) -> None:
        self.rows: Rows = {}
        self._before = before

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> Any:  # noqa: N803
        assert ConsistentRead
        self._before()
        row = self.rows.get(_place(Key))
        return {"Item": copy.deepcopy(row)} if row else {}

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Item: Any,  # noqa: N803
        ConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: Any,  # noqa: N803
        ExpressionAttributeNames: Any = None,  # noqa: N803
        ReturnValuesOnConditionCheckFailure: str = "NONE",  # noqa: N803
        ReturnConsumedCapacity: str = "NONE",  # noqa: N803
    ) -> Any:
        again = self._before() == AGAIN
        old = self.rows.get(_place(Item))
        older = old and old["sequencer"]["S"] < ExpressionAttributeValues[":sequencer"]["S"]
        if ConditionExpression == "attribute_not_exists(image) OR sequencer < :sequencer":
            allowed = not old or older
        else:
            assert ConditionExpression == "#version = :version AND sequencer < :sequencer"
            assert ExpressionAttributeNames == {"#version": "version"}
            allowed = older and old["version"] == ExpressionAttributeValues[":version"]
        if allowed:
            self.rows[_place(Item)] = copy.deepcopy(Item)
        if not allowed or again:
            told = ReturnValuesOnConditionCheckFailure == "ALL_OLD"
            raise ConditionalCheckFailedError(
                copy.deepcopy(self.rows[_place(Item)]) if told else None
            )
        return {"ConsumedCapacity": {}} if ReturnConsumedCapacity == "TOTAL" else {}

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        [(table, requests)] = RequestItems.items()
        assert 1 <= len(requests) <= 25
        taken = self._before()
        taken = len(requests) if taken in (None, AGAIN) else taken
        for request in requests[:taken]:
            if "PutRequest" in request:
                item = request["PutRequest"]["Item"]
                self.rows[_place(item)] = copy.deepcopy(item)
            else:
                self.rows.pop(_place(request["DeleteRequest"]["Key"]), None)
        return {"UnprocessedItems": {table: requests[taken:]} if requests[taken:] else {}}

    def get_paginator(self, name: str) -> Any:
        assert name == "query"
        return SimpleNamespace(paginate=self._query)

    def _query(self, *, KeyConditionExpression: str, **query: Any) -> Iterator[Any]:  # noqa: N803
        assert query["ExpressionAttributeNames"] == {"#row": "row"}
        if KeyConditionExpression == "image = :image AND begins_with(#row, :word)":
            self._before()
            words = [row for at, row in self.rows.items() if at[0] == contract.VOCABULARY]
            yield {"Items": copy.deepcopy(words)}
            return
        assert KeyConditionExpression == "image = :image AND #row BETWEEN :low AND :high"
        assert query["ConsistentRead"]
        values = query["ExpressionAttributeValues"]
        place = (values[":image"]["S"], values[":low"]["S"])
        last = (values[":image"]["S"], values[":high"]["S"])
        while True:  # two rows a page: each is a call of its own, and much may happen in between
            self._before()
            found = sorted(at for at in self.rows if place <= at <= last)[:2]
            yield {"Items": [{"row": {"S": row}} for _, row in found]}
            if len(found) < 2:
                return
            place = (found[-1][0], found[-1][1] + "\0")


def _place(item: Any) -> tuple[str, str]:
    return item["image"]["S"], item["row"]["S"]


class KilledError(BaseException):
    """The worker's process is gone: nothing of it runs any more, not even an `except`."""


class Worker:
    """A thread that runs `job` from one call to the next, when it is let."""

    here = local()

    def __init__(self, job: Callable[[], Any]) -> None:
        self.done = False
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
    def pause() -> int | None:
        """Called before each call to a service, in the worker's thread."""
        self = Worker.here.worker
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
        self.table = TableInMemory(Worker.pause)
        self.versioned = versioned
        self._versions: list[Version] = []  # those that there are, oldest first
        self._known: dict[str, Version] = {}
        self._sequencer = 7  # so that sequencers of one and of two digits meet
        self._waiting: list[tuple[str, int]] = []
        self._workers: list[tuple[Worker, str, int]] = []
        self._last = ""
        self._lost = False
        self._function = function
        function._store = type(function._store)(self.table, TABLE)
        function._bucket._client = lambda: SimpleNamespace(head_object=self._head_object)
        function._recognition = type(function._recognition)(
            SimpleNamespace(detect_labels=self._detect_labels), function._bucket
        )
        function._recognition._pacer = _Unpaced()

    # What happens in the bucket; each is told in a message

    def put(self, labels: int | None) -> None:
        version = self._add(labels)
        told = {"size": 9, "eTag": version.id}
        self._tell("ObjectCreated:Put", **told, **self._named(version))

    def remove(self) -> None:
        if not self.versioned:
            self._versions.clear()
            self._tell("ObjectRemoved:Delete")
            return
        marker = self._add(None, marker=True)
        self._tell("ObjectRemoved:DeleteMarkerCreated", versionId=marker.id)

    def erase(self, which: int) -> None:
        """Remove one version, or a delete marker, for good."""
        if self.versioned and self._versions:
            version = self._versions.pop(which % len(self._versions))
            self._tell("ObjectRemoved:Delete", versionId=version.id)

    def _add(self, labels: int | None, marker: bool = False) -> Version:
        version = Version(f"v{len(self._known)}", labels, marker)
        self._known[version.id] = version
        if not self.versioned:
            self._versions.clear()
        self._versions.append(version)
        return version

    def _named(self, version: Version) -> dict[str, str]:
        return {"versionId": version.id} if self.versioned else {}

    def _tell(self, event: str, **photo: Any) -> None:
        self._sequencer += 1
        body = message_body(s3_record(KEY, f"{self._sequencer:x}", event, **photo))
        self._waiting.append((body, 1))

    def ask(self) -> None:
        """Somebody wants the photo worked on again, by what the table knows of it."""
        known = [
            row["sequencer"]["S"] if name == contract.HEADER else contract.sequencer_of_row(name)
            for name, row in self._rows.items()
        ]
        sequencer = contract.next_sequencer(max(known, default=""))
        self._waiting.append((contract.request("photos", KEY, sequencer, "2026"), 1))

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

    def _start(self, body: str, receives: int) -> None:
        message = {
            "messageId": "m",
            "body": body,
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

        def job() -> None:
            assert self._function._work(message, until=float("inf")), "given back to the queue"

        self._workers.append((Worker(job), body, receives))

    def step(self, which: int, taken: int | None = None) -> None:
        if self._workers:
            place = which % len(self._workers)
            worker = self._workers[place][0]
            worker.step(taken)
            if worker.done:
                del self._workers[place]
            self.look()

    def kill(self, which: int, counted: bool = True) -> None:
        """The worker is gone; its message comes again, with a count that was begun anew if moved."""
        if self._workers:
            worker, body, receives = self._workers.pop(which % len(self._workers))
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
        Worker.pause()
        version = self._find(Image["S3Object"].get("Version"))
        if version is None:
            raise _refusal("InvalidS3ObjectException", 400)
        if version.labels is None:
            raise _refusal("InvalidImageFormatException", 400)
        return {"Labels": [{"Name": name, "Confidence": 90} for name in version.names]}

    def _head_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> Any:
        Worker.pause()
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
        """Somebody reads, now: labels of one version, as the table's header says, and never older."""
        header = self._header()
        if header is None:
            assert self._last == "", "what was shown is gone"
            return
        assert header["sequencer"] >= self._last, "an older result is back"
        self._last = header["sequencer"]
        shown = self._labels(header)
        if header["status"] == contract.LABELLED:
            assert shown == self._known[header["etag"]].names, "labels of another version"
        else:
            assert shown == set()

    @property
    def _rows(self) -> dict[str, dict[str, Any]]:
        """The photo's rows, by their sort keys."""
        return {row: item for (image, row), item in self.table.rows.items() if image == KEY}

    def _header(self) -> dict[str, Any] | None:
        row = self._rows.get(contract.HEADER)
        return plain([row])[0] if row else None

    def _labels(self, header: dict[str, Any]) -> set[str]:
        """What is shown: by the rows, by the header alone, and all of it in the vocabulary."""
        rows = [row for row in self._rows if contract.version_of_row(row) == header["version"]]
        shown = {row.partition("#")[2] for row in rows}
        assert shown == {contract.label_of(name) for name in header.get("labels", ())}
        words = {row for image, row in self.table.rows if image == contract.VOCABULARY}
        assert {contract.WORD + label for label in shown} <= words
        return shown

    # The end

    def finish(self) -> None:
        """All that waits is worked off, and nobody is killed any more: then all is as it should be."""
        self._work_off()
        if self._lost:
            self.ask()  # as `verify --repair` does
            self._work_off()
        header, current = self._header(), self._current
        rows = len(self._rows)
        if current is None:
            assert header is None or header["status"] == contract.REMOVED, "labels of no photo"
            assert rows == (header is not None), "rows of no photo are left"
            return
        assert header is not None, "a photo is lost"
        sent = Awaited(KEY, current.id if self.versioned else None, current.id)
        assert answers(header, sent), "the newest version has no result"
        status = contract.FAILED if current.labels is None else contract.LABELLED
        assert header["status"] == status
        assert self._labels(header) == current.names
        assert rows == 1 + len(current.names), "rows of another version are left"

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
    told: Any = {
        "Error": {"Code": code, "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(told, "Call")
