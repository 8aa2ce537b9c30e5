"""Requests by labelctl to process a photo again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labelctl.contract import s3_events
from tests.unit.function_world import Tables, names


def requested(key: str, last: str) -> str:
    return s3_events.request("photos", key, s3_events.next_sequencer(last), "2026-01-02T03:04:05Z")


def sequencer(tables: Tables) -> str:
    [photo] = tables.photos()
    return str(photo["sequencer"])


def test_requested_failed_photo_is_labelled(work, photos, rekognition, look, tables):
    answers = iter(["InvalidImageFormatException", ["Dog"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    record = photos.put("a.jpg")
    work(record)
    again = requested("a.jpg", sequencer(tables))
    assert work(again) == []
    assert names(look(record)) == ["Dog"]
    assert work(again, record) == []
    assert len(rekognition.requests) == 2


def test_request_labels_the_current_version(work, photos, rekognition, look):
    rekognition.answers["a.jpg"] = lambda request: [request["Image"]["S3Object"]["Version"]]
    photos.put("a.jpg")
    new = photos.put("a.jpg", b"new")
    assert work(requested("a.jpg", "")) == []
    assert names(look(new)) == [new["s3"]["object"]["versionId"]]


def test_later_event_of_s3_replaces_a_request(work, photos, rekognition, look, tables):
    rekognition.answers["a.jpg"] = lambda request: [request["Image"]["S3Object"]["Version"]]
    work(photos.put("a.jpg"))
    again = requested("a.jpg", sequencer(tables))
    new = photos.put("a.jpg", b"new")
    work(new)
    before = tables.all()
    assert work(again) == []
    assert tables.all() == before
    assert names(look(new)) == [new["s3"]["object"]["versionId"]]


def test_request_before_the_event_is_billed_once(work, photos, rekognition, look, tables):
    record = photos.put("a.jpg")
    work(requested("a.jpg", ""))
    assert work(record) == []
    assert len(rekognition.requests) == 1
    assert look(record).status == "labelled"
    assert sequencer(tables).endswith(record["s3"]["object"]["sequencer"])


@pytest.mark.parametrize("status", [403, 503])
def test_errors_of_s3_do_not_count_as_removal(status, clients, work, photos, tables):
    """If the bucket returns an error, the photo keeps its labels."""
    work(photos.put("a.jpg"))
    before = tables.all()

    def refuse(**_):
        wrong = {"Error": {"Code": str(status), "Message": ""}}
        answer = {**wrong, "ResponseMetadata": {"HTTPStatusCode": status}}
        return SimpleNamespace(status_code=status), answer

    clients.s3.meta.events.register("before-call.s3.HeadObject", refuse)
    assert work(requested("a.jpg", sequencer(tables))) == ["m0"]
    assert tables.all() == before


def test_a_404_does_not_count_as_removal_while_the_photo_is_listed(
    clients, work, photos, look, tables
):
    """HeadObject may answer 404 for an existing object of a new bucket."""
    record = photos.put("a.jpg")
    new_bucket = [True]

    def not_found(**_):
        wrong = {"Error": {"Code": "404", "Message": "Not Found"}}
        answer = {**wrong, "ResponseMetadata": {"HTTPStatusCode": 404}}
        return (SimpleNamespace(status_code=404), answer) if new_bucket else None

    clients.s3.meta.events.register("before-call.s3.HeadObject", not_found)
    assert work(requested("a.jpg", "")) == ["m0"]
    assert tables.all() == []
    new_bucket.clear()
    assert work(requested("a.jpg", "")) == []
    assert look(record).status == "labelled"


def test_requesting_a_removed_photo_removes_its_result(work, photos, tables, rekognition):
    work(photos.put("a.jpg"))
    last = sequencer(tables)
    photos.remove("a.jpg")
    assert work(requested("a.jpg", last)) == []
    assert tables.statuses() == ["removed"]
    assert len(rekognition.requests) == 1
