"""The promise of the table: whoever writes, in whatever order, cut off wherever, one version shows.

Workers run the function's own code on events of one photo against a table in memory. Each works in
a thread that stops before every call to the table, until the test lets it go on, or kills it; a
killed worker's message is handed out again. So hypothesis can choose every order of events there
is, and after each step somebody reads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Semaphore, Thread, local
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labelctl import contract
from labelctl.contract import PhotoEvent
from tests.lambda_runtime import s3_record

TABLE = "labels"
Rows = dict[tuple[str, str], dict[str, Any]]


class ConditionalCheckFailedError(Exception):
    pass


class TableInMemory:
    """The four calls that the store makes, with DynamoDB's meaning, each of them at once.

    `before` is called before each of them; what it returns is how many of the requests of a
    BatchWriteItem are taken, None for all.
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
        ReturnValues: str,  # noqa: N803
    ) -> Any:
        assert ConditionExpression == "attribute_not_exists(image) OR sequencer < :sequencer"
        assert ReturnValues == "ALL_OLD"
        self._before()
        old = self.rows.get(_place(Item))
        if old and not old["sequencer"]["S"] < ExpressionAttributeValues[":sequencer"]["S"]:
            raise ConditionalCheckFailedError
        self.rows[_place(Item)] = copy.deepcopy(Item)
        return {"Attributes": old} if old else {}

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        [(table, requests)] = RequestItems.items()
        assert 1 <= len(requests) <= 25
        taken = self._before()
        taken = len(requests) if taken is None else taken
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
        assert KeyConditionExpression == "image = :image AND #row BETWEEN :low AND :high"
        assert query["ExpressionAttributeNames"] == {"#row": "row"}
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


def shown(rows: Rows) -> tuple[str, set[str]] | None:
    """What a reader sees: the sequencer and the labels, by `labelctl.results.read`'s rule."""
    header = rows.get(("a.jpg", contract.HEADER))
    if header is None:
        return None
    version = header["version"]["S"]
    current = {row for _, row in rows if contract.version_of_row(row) == version}
    if header["status"]["S"] == contract.LABELLED:
        assert len(current) == int(header["label_count"]["N"]), "labels are missing, or too many"
    return header["sequencer"]["S"], {row.partition("#")[2] for row in current}


# The fake is worth nothing unless it does what DynamoDB does.


def header(event: PhotoEvent, version: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return contract.labelled_header(event, version, rows, {}, "2026-01-02T03:04:05.678Z")


def happened(sequencer: str, kind: Any = "created") -> PhotoEvent:
    padded = contract.pad_sequencer(sequencer)
    return PhotoEvent("photos", "a.jpg", kind, padded, f"v{sequencer}", "e", 9, "2026")


def labels(event: PhotoEvent, version: str, count: int) -> list[dict[str, Any]]:
    found = [{"Name": f"{event.version_id} {number}", "Confidence": 90} for number in range(count)]
    return contract.label_rows(event, version, found)


@pytest.fixture
def store_class(function: ModuleType) -> Any:
    return type(function._store)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("123f"), st.sampled_from([0, 1, 27]), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_moto_and_the_table_in_memory_agree(dynamodb, table, store_class, puts):
    memory = TableInMemory()
    for row in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={name: row[name] for name in ("image", "row")})
    for number, (sequencer, count, repeated) in enumerate(puts):
        event = happened(sequencer)
        version = contract.version_of(event, f"{number:08x}")
        rows = labels(event, version, count)
        stored = [
            store_class(client, table).put(
                event, header(event, version, rows), rows, repeated=repeated
            )
            for client in (dynamodb, memory)
        ]
        assert stored[0] == stored[1]
        assert store_class(dynamodb, table).header("a.jpg") == store_class(memory, table).header(
            "a.jpg"
        )
        kept = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        assert {_place(row): row for row in kept} == memory.rows


# Workers that are stopped, interleaved and killed


class KilledError(BaseException):
    """The worker's process is gone: nothing of it runs any more, not even an `except`."""


class Worker:
    """A thread that runs `job` from one call of the table to the next, when it is let."""

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
        """Called by the table, in the worker's thread."""
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
class Message:
    """One message of the queue: the version of the photo it tells of, and its number of labels.

    None labels stand for a removal.
    """

    sequencer: str
    count: int | None

    def body(self) -> str:
        event = "ObjectCreated:Put" if self.count is not None else "ObjectRemoved:Delete"
        photo = {"eTag": self.sequencer, "size": 1 + (self.count or 0)}
        return json.dumps({"Records": [s3_record("a.jpg", self.sequencer, event, **photo)]})

    @property
    def names(self) -> set[str]:
        return {f"{self.sequencer} {number}" for number in range(self.count or 0)}


class Queue:
    """The messages of one photo, and the workers that have one in hand."""

    def __init__(self, function: ModuleType, messages: list[Message]) -> None:
        self.table = TableInMemory(Worker.pause)
        function._store = type(function._store)(self.table, TABLE)
        function._detect = self._detect
        self._function = function
        self._waiting = [(message, 1) for message in messages]
        self._workers: list[tuple[Worker, Message, int]] = []
        self._known = {message.sequencer: message for message in messages}
        self._last = ""

    @staticmethod
    def _detect(event: PhotoEvent) -> Any:
        """Different attempts at one version find the same labels, as Rekognition does."""
        found = [f"{event.etag} {number}" for number in range((event.size or 1) - 1)]
        return {"Labels": [{"Name": name, "Confidence": 90} for name in found]}

    def take(self, which: int, twice: bool = False) -> None:
        """A worker takes a message. `twice`: it took so long that a second one gets it as well."""
        if not self._waiting:
            return
        message, receives = self._waiting.pop(which % len(self._waiting))
        for more in range(1 + twice):
            self._start(message, receives + more)

    def _start(self, message: Message, receives: int) -> None:
        sent = {
            "messageId": "m",
            "body": message.body(),
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

        def job() -> None:
            assert self._function._work(sent), "given back to the queue"

        self._workers.append((Worker(job), message, receives))

    def step(self, which: int, taken: int | None = None) -> None:
        if self._workers:
            place = which % len(self._workers)
            worker = self._workers[place][0]
            worker.step(taken)
            if worker.done:
                del self._workers[place]
            self.look()

    def kill(self, which: int) -> None:
        """The worker is gone; its message comes again."""
        if self._workers:
            worker, message, receives = self._workers.pop(which % len(self._workers))
            worker.kill()
            self._waiting.append((message, receives + 1))

    def look(self) -> None:
        """Somebody reads, now."""
        seen = shown(self.table.rows)
        if seen is None:
            assert self._last == "", "what was shown is gone"
            return
        sequencer, names = seen
        assert sequencer >= self._last, "an older version is back"
        self._last = sequencer
        assert names == self._by_padded[sequencer].names, "labels of another version"

    @property
    def _by_padded(self) -> dict[str, Message]:
        return {contract.pad_sequencer(name): one for name, one in self._known.items()}

    def finish(self) -> None:
        """Everything that waits is worked off, and nobody is killed any more."""
        while self._waiting or self._workers:
            self.take(0)
            self.step(0)
        newest = max(self._by_padded)
        seen = shown(self.table.rows)
        assert seen == (newest, self._by_padded[newest].names)
        assert len(self.table.rows) == 1 + len(seen[1]), "rows of another version are left"

    def close(self) -> None:
        for worker, _, _ in self._workers:
            worker.kill()


small = st.integers(0, 5)
actions = st.one_of(
    st.tuples(st.just("take"), small, st.booleans()),
    st.tuples(st.just("step"), small, st.none()),
    st.tuples(st.just("step"), small, st.none()),
    st.tuples(st.just("step"), small, st.none()),
    st.tuples(st.just("step"), small, st.integers(0, 1)),
    st.tuples(st.just("kill"), small, st.none()),
)
messages = st.lists(
    st.builds(
        Message, st.sampled_from(["9", "a", "B", "10", "100"]), st.none() | st.integers(0, 5)
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda message: message.sequencer,
)
STEP = [("step", 0, None)]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages,
    st.lists(st.integers(0, 3), max_size=2),
    st.lists(actions, max_size=60),
)
# Two attempts at one version, of which the second begins when the first has written its rows.
@example([Message("9", 3)], [0], [("take", 0, False)] + STEP * 3 + [("take", 0, False)])
# An attempt is killed between its rows and its header; then another version comes, then it again.
@example(
    [Message("9", 3), Message("10", 2)],
    [],
    [("take", 0, False), *STEP * 3, ("kill", 0, None), ("take", 0, False), *STEP * 9],
)
# An older version is held before its header until a newer one is done.
@example(
    [Message("9", 3), Message("10", None)],
    [],
    [("take", 0, False), *STEP * 3, ("take", 0, False), *[("step", 1, None)] * 9],
)
def test_one_version_shows_and_the_newest_stays(
    function, monkeypatch, messages, repeated, happenings
):
    """`repeated`: S3 sent these messages twice, as separate messages."""
    monkeypatch.setattr("store._BATCH", 2)  # more steps, between which something can happen
    monkeypatch.setattr("store.time.sleep", lambda _: None)
    again = [messages[which % len(messages)] for which in repeated]
    queue = Queue(function, messages + again)
    try:
        for what, which, how in happenings:
            getattr(queue, what)(which, *([] if how is None else [how]))
        queue.finish()
    finally:
        queue.close()
