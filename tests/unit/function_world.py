"""The environment of the function in tests: tables, Rekognition, a bucket and queues."""

from __future__ import annotations

import json
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.contract import schema
from labelctl.labels import results
from tests.fakes.ordered_table import Item
from tests.fakes.photos import LABELS, PHOTOS
from tests.fakes.template import table_properties
from tests.fakes.wire import from_wire
from tests.lambda_runtime import s3_record


def make_tables(dynamodb: Any) -> None:
    """Create both tables as defined in the template."""
    for name, resource in ((PHOTOS, "PhotosTable"), (LABELS, "LabelsTable")):
        properties = table_properties(resource)
        for later in ("PointInTimeRecoverySpecification", "TimeToLiveSpecification"):
            properties.pop(later, None)  # set by separate calls
        dynamodb.create_table(TableName=name, **properties)


class Tables:
    """The current items of moto's tables, as Python values."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def photos(self) -> list[Item]:
        """The photos' items."""
        return self._scan(PHOTOS)

    def index(self) -> list[Item]:
        """The items of the index."""
        return [item for item in self._scan(LABELS) if item["label"] != schema.VOCABULARY]

    def words(self) -> list[Item]:
        """The items of the vocabulary."""
        return [item for item in self._scan(LABELS) if item["label"] == schema.VOCABULARY]

    def all(self) -> list[Item]:
        return [*self._scan(PHOTOS), *self._scan(LABELS)]

    def statuses(self) -> list[str]:
        return [item["status"] for item in self.photos()]

    def assert_indexed(self) -> None:
        """Check that the index contains exactly the items of the stored results."""
        wanted = [each for photo in self.photos() for each in schema.index_items(photo)]
        assert sorted(self.index(), key=_place) == sorted(wanted, key=_place)

    def _scan(self, table: str) -> list[Item]:
        pages = self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [from_wire(item) for page in pages for item in page["Items"]]


def _place(item: Item) -> tuple[str, str]:
    return item["label"], item["rank"]


def label(name: str, confidence: float = 90.5) -> dict[str, Any]:
    return {"Name": name, "Confidence": confidence}


class Rekognition:
    """A fake Rekognition behind the function's client: botocore validates requests and raises errors.

    `answers` maps a key to label names, an error code, or a function of the request that returns
    either. All other photos get the label "Dog".
    """

    def __init__(self, client: Any) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[dict[str, Any]] = []
        self._lock = Lock()
        client.meta.events.register("before-call.rekognition.DetectLabels", self._call)

    def _call(self, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        request = json.loads(params["body"])
        with self._lock:
            self.requests.append(request)
        answer = self.answers.get(request["Image"]["S3Object"]["Name"], ["Dog"])
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, str):
            status = 500 if answer == "InternalServerError" else 400
            wrong = {
                "Error": {"Code": answer, "Message": "said Rekognition"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            return SimpleNamespace(status_code=status), wrong
        found = {"Labels": [label(name) for name in answer], "LabelModelVersion": "3.0"}
        return SimpleNamespace(status_code=200), found

    @property
    def photos(self) -> list[dict[str, str]]:
        """The requested photos, in order."""
        return [request["Image"]["S3Object"] for request in self.requests]


class Bucket:
    """The bucket. Each change returns the event record that S3 would send."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._sequencer = 0x0055AED6DCD90281E5

    def put(self, key: str, body: bytes = b"a picture") -> Any:
        answer = self._s3.put_object(Bucket="photos", Key=key, Body=body)
        return self._record(
            key,
            "ObjectCreated:Put",
            size=len(body),
            eTag=answer["ETag"].strip('"'),
            versionId=answer["VersionId"],
        )

    def remove(self, key: str) -> Any:
        marker = self._s3.delete_object(Bucket="photos", Key=key)["VersionId"]
        return self._record(key, "ObjectRemoved:DeleteMarkerCreated", versionId=marker)

    def remove_version(self, key: str, version_id: str) -> Any:
        self._s3.delete_object(Bucket="photos", Key=key, VersionId=version_id)
        return self._record(key, "ObjectRemoved:Delete", versionId=version_id)

    def _record(self, key: str, event: str, **photo: Any) -> Any:
        self._sequencer += 1
        return s3_record(key, f"{self._sequencer:018X}", event, **photo)


class Queues:
    """The work queue and the dead-letter queue."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.work: str = sqs.create_queue(QueueName="work")["QueueUrl"]
        self.dead: str = sqs.create_queue(QueueName="dead")["QueueUrl"]

    def take(self, body: str) -> str:
        """Send a message to the work queue, receive it, and return its receipt handle."""
        self._sqs.send_message(QueueUrl=self.work, MessageBody=body)
        [message] = self._sqs.receive_message(QueueUrl=self.work)["Messages"]
        receipt: str = message["ReceiptHandle"]
        return receipt

    def dead_letter(self) -> list[dict[str, Any]]:
        """Return the body, error and reason of each dead letter."""
        answer = self._sqs.receive_message(
            QueueUrl=self.dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {
                "body": message["Body"],
                **{
                    name: each["StringValue"] for name, each in message["MessageAttributes"].items()
                },
            }
            for message in answer.get("Messages", ())
        ]


def version_id(record: Any) -> str:
    return record["s3"]["object"]["versionId"]


def names(photo: results.Photo) -> list[str]:
    return [label.name for label in photo.labels]


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
