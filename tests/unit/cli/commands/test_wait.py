"""The output of commands with --wait: each photo when it is done, and nothing twice."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelctl.cli.commands import _wait
from labelctl.cli.known_names import KnownNames
from labelctl.cli.options import Options
from labelctl.cli.output import View
from labelctl.cli.progress import NoMeter
from labelctl.contract import s3_events
from labelctl.errors import WaitTimeoutError
from labelctl.labels import results
from labelctl.operations import function_log
from labelctl.operations.stalls import Stall
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import PhotoTables
from tests.unit.photo_items import event, failed, labelled, reader_of, store
from tests.unit.queue_world import bodies


@pytest.fixture
def tables():
    return PhotoTables()


@pytest.fixture
def label(tables):
    return lambda *of: store(tables, labelled(*of))


class Command:
    """Waits as `upload --wait` does. A script yields the versions that are done.

    The output so far is in `out` and `err`. A call returns the number of failed photos.
    """

    def __init__(self, tables, monkeypatch):
        self.out, self.err = io.StringIO(), io.StringIO()
        self.session: Any = SimpleNamespace(reader=reader_of(tables), names=KnownNames(Options()))
        self._monkeypatch = monkeypatch

    def all(self, mode, sent, script):
        self.session.view = View(mode, stdout=self.out, stderr=self.err)
        photos = ([results.read(self.session.reader, each) for each in done] for done in script)
        self._monkeypatch.setattr(_wait, "wait_for", lambda *_: photos)
        return _wait.wait_and_print(self.session, sent, 600, {"not_sent": []})

    def __call__(self, mode, sent, script):
        return self.all(mode, sent, script)[0]["failed"]


@pytest.fixture
def command(tables, monkeypatch):
    return Command(tables, monkeypatch)


def sends(*names):
    return [ObjectVersion(name, "v1", "e1") for name in names]


def printed(command):
    return [line.split("\t")[:2] for line in command.out.getvalue().splitlines()]


LABEL = {"Labels": [{"Name": "Dog", "Confidence": 90.0}]}


def test_each_photo_is_printed_when_it_is_done(label, tables, command):
    a, b, c = sent = sends("a.jpg", "b.jpg", "c.jpg")
    label(event("a.jpg"), LABEL)
    label(event("c.jpg"), LABEL)
    store(tables, failed(event("b.jpg")))

    def script():
        yield [c]
        assert printed(command) == [["c.jpg", "Dog"]]
        yield [a, b]

    assert command("plain", sent, script()) == 1
    assert printed(command) == [["c.jpg", "Dog"], ["a.jpg", "Dog"]]
    assert command.err.getvalue() == "failed  b.jpg  It is too large.\n"


MANY = {
    "a.jpg": {"Dog": 98.0, "Beach": 90.0},
    "trip/a long name.jpg": {"Cat": 75.5},
    "none.jpg": {},
}


@pytest.mark.parametrize("columns", [60, 120])
def test_many_photos_get_a_line_each_and_a_summary(label, tables, command, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(_wait, "_MAX_SCREEN", 3)
    for key, labels in MANY.items():
        names = [{"Name": name, "Confidence": value} for name, value in labels.items()]
        label(event(key), {"Labels": names})
    store(tables, failed(event("bad.jpg")))
    sent = sends(*MANY, "bad.jpg")
    counts, failures = command.all("table", sent, iter([sent]))
    lines = [line.rstrip() for line in command.out.getvalue().splitlines()]
    assert lines == [
        "labelled   a.jpg                 Dog 98 %, Beach 90 %",
        "labelled   trip/a long name.jpg  Cat 76 %",
        "labelled   none.jpg              no labels",
        "failed     bad.jpg               It is too large.",
    ]
    counts["skipped"] = 1
    skipped = _wait.Problem("skipped", "b.gif", "GIF is not supported.")
    _wait.print_end(command.session, counts, [skipped, *failures])
    assert command.err.getvalue().splitlines() == [
        "skipped  b.gif  GIF is not supported.",
        "failed  bad.jpg  It is too large.",
        "3 labelled, 1 failed, 1 skipped.",
        "Next: labelctl failures",
    ]


def test_a_few_photos_get_a_table_each_and_no_summary(label, command):
    sent = sends("a.jpg", "b.jpg", "c.jpg")
    for photo in sent:
        label(event(photo.key), LABEL)
    counts, failures = command.all("table", sent, iter([sent]))
    _wait.print_end(command.session, counts, failures)
    assert command.out.getvalue().count("Confidence") == 3
    assert command.err.getvalue() == ""


def test_without_a_bar_a_stall_prints_a_line_when_it_is_announced():
    error = function_log.LogEntry(
        "2026-01-01T10:00:00Z", "a.jpg", "retrying", reason="Busy.\n\x1b[31m"
    )
    out = io.StringIO()
    session: Any = SimpleNamespace(view=View("plain", stderr=out))
    for stall in (
        Stall(1, 10.2, None, announce=True),
        Stall(1, 12, error, announce=False),
        Stall(1, 70, error, announce=True),
    ):
        _wait.show_stall(session, NoMeter(), stall)
    first, second = out.getvalue().splitlines()
    assert first == "1 photo waiting, no progress for 10 seconds."
    assert second.startswith("1 photo waiting, no progress for 70 seconds. Latest error (")
    assert second.endswith("): Busy.\\n\\x1b[31m")


def test_printed_photos_are_not_kept_in_memory(label, command, monkeypatch):
    """A command may wait for tens of thousands of photos, each with 20 kB of labels."""
    label(event("a.jpg"), LABEL)
    monkeypatch.delattr(results.Photo, "as_json")
    sent = sends("a.jpg")
    assert command("plain", sent, iter([sent])) == 0


def test_json_is_one_value_in_the_order_of_the_photos(label, command):
    a, b, _ = sent = sends("a.jpg", "b.jpg", "gone.jpg")
    for key in ("a.jpg", "b.jpg"):
        label(event(key), LABEL)
    assert command("json", sent, iter([[b], [a]])) == 0
    value = json.loads(command.out.getvalue())
    assert [photo["image"] for photo in value["photos"]] == ["a.jpg", "b.jpg"]
    assert value["not_sent"] == []


def test_a_removed_photo_is_named_on_stderr(label, command):
    label(event("a.jpg"), LABEL)
    sent = sends("a.jpg", "gone.jpg")
    assert command("plain", sent, iter([[sent[0]]])) == 0
    assert command.err.getvalue() == "removed  gone.jpg\n"


def test_photos_done_before_a_timeout_are_printed(label, command):
    label(event("b.jpg"), LABEL)
    sent = sends("a.jpg", "b.jpg")

    def script():
        yield [sent[1]]
        raise WaitTimeoutError("1 photo still waiting")

    with pytest.raises(WaitTimeoutError):
        command("json", sent, script())
    photos = json.loads(command.out.getvalue())["photos"]
    assert [(photo["image"], photo["status"]) for photo in photos] == [
        *(("a.jpg", "waiting"), ("b.jpg", "labelled")),
    ]


def test_photos_done_before_the_credentials_expire_are_printed(label, command):
    label(event("b.jpg"), LABEL)
    sent = sends("a.jpg", "b.jpg")

    def script():
        yield [sent[1]]
        raise ClientError({"Error": {"Code": "ExpiredTokenException"}}, "BatchGetItem")

    with pytest.raises(ClientError):
        command("json", sent, script())
    value = json.loads(command.out.getvalue())
    assert [photo["image"] for photo in value["photos"]] == [
        "b.jpg"
    ]  # the other's state is unknown


def test_an_interrupt_prints_no_partial_json(label, command):
    label(event("a.jpg"), LABEL)
    sent = sends("a.jpg", "b.jpg")

    def script():
        yield [sent[0]]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command("json", sent, script())
    assert command.out.getvalue() == ""
    assert "Labelling continues" in command.err.getvalue()


# ---- events that S3 did not send


class Pipeline:
    """A bucket that sends no events, an empty queue, and a function that processes requests.

    Time passes by sleeping; the function runs every 5 seconds.
    """

    def __init__(self, s3, sqs, queue, tables, age):
        self.now, self.out = 1000.0, io.StringIO()
        self._s3, self._sqs, self._queue, self._tables = s3, sqs, queue, tables
        stack = SimpleNamespace(
            bucket="photos",
            queue=queue,
            log_group="log",
            created=datetime.now(UTC) - age,
            updated=None,
        )
        view = View("plain", stdout=io.StringIO(), stderr=self.out)
        logs = SimpleNamespace(get_paginator=self._refuse)
        self.session: Any = SimpleNamespace(
            stack=stack,
            aws=SimpleNamespace(s3=s3, sqs=sqs, logs=logs),
            view=view,
            reader=reader_of(tables),
        )

    def put(self, key):
        response = self._s3.put_object(Bucket="photos", Key=key, Body=b"a picture")
        return ObjectVersion(key, response["VersionId"], response["ETag"].strip('"'))

    def wait(self, *sent):
        done = _wait.wait_for(
            self.session, NoMeter(), sent, 600, sleep=self.sleep, clock=lambda: self.now
        )
        return [photo.image for photo in chain.from_iterable(done)]

    def sleep(self, seconds):
        before, self.now = self.now, self.now + seconds
        if self.now // 5 > before // 5:
            for text in bodies(self._sqs, self._queue):
                [request] = s3_events.parse_message(text)
                head = self._s3.head_object(Bucket="photos", Key=request.key)
                done = event(request.key, 1, head["VersionId"], head["ETag"].strip('"'))
                store(self._tables, labelled(done))

    @staticmethod
    def _refuse(_):
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "FilterLogEvents")


@pytest.fixture
def pipeline(s3, bucket, sqs, queue, tables):
    return lambda age: Pipeline(s3, sqs, queue, tables, age)


def test_photos_that_a_new_bucket_does_not_announce_are_labelled(pipeline):
    new = pipeline(age=timedelta(minutes=3))
    a, b = new.put("a.jpg"), new.put("b.jpg")
    assert {*new.wait(a, b)} == {"a.jpg", "b.jpg"}
    assert new.now < 1000 + 90
    assert new.out.getvalue() == (
        "2 photos waiting, no progress for 10 seconds.\n"
        "2 photos waiting, no progress for 70 seconds.\n"
        "S3 has not announced 2 photos to the queue, as may happen with a new bucket. "
        "labelctl has queued them itself.\n"
    )


def test_an_older_stack_is_only_watched(pipeline):
    older = pipeline(age=timedelta(days=1))
    with pytest.raises(WaitTimeoutError):
        older.wait(older.put("a.jpg"))
    assert "queued" not in older.out.getvalue()


def test_without_permission_to_send_it_keeps_waiting(pipeline):
    new = pipeline(age=timedelta(minutes=3))

    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessageBatch")

    new.session.aws.sqs.meta.events.register("before-call.sqs.SendMessageBatch", refuse)
    with pytest.raises(WaitTimeoutError):
        new.wait(new.put("a.jpg"))


def test_photos_are_requested_again_until_some_were_sent_and_never_those_that_are_done(
    pipeline, tables, monkeypatch
):
    new = pipeline(age=timedelta(minutes=3))
    a, b = new.put("a.jpg"), new.put("b.jpg")
    store(tables, labelled(event("a.jpg", 1, a.version_id, a.etag)))
    requests, answers = [], iter([0, 1])

    def request(_, photos):
        requests.append((photos, new.now - 1000))
        return next(answers)

    monkeypatch.setattr(_wait, "_request", request)
    with pytest.raises(WaitTimeoutError):
        new.wait(a, b)
    (first, at), (second, later) = requests
    assert first == second == [b]
    assert 60 <= at < 75
    assert 55 <= later - at < 70
