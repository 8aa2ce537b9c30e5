"""What `labelctl destroy` asks before it deletes anything."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session
from labelctl.contract import schema
from labelctl.deploy import destroy
from labelctl.deploy.stack import find
from tests.fakes.photos import LABELS, PHOTOS


@pytest.fixture
def question(cloudformation, s3, dynamodb, sqs, bucket, tables, queue, monkeypatch, capsys):
    """Ask `labelctl destroy` without a terminal; returns what it says would be deleted."""
    aws = SimpleNamespace(cloudformation=cloudformation.client, s3=s3, dynamodb=dynamodb, sqs=sqs)
    outputs = {"PhotosBucket": bucket, "Table": PHOTOS, "LabelsTable": LABELS, "Queue": queue}
    cloudformation.stack(
        "UPDATE_COMPLETE",
        Outputs=[{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    )
    stack = find(cloudformation.client, "labelctl")
    monkeypatch.setattr(destroy, "stacks_to_delete", lambda *_: [stack])
    resources = {"AWS::S3::Bucket": [bucket], "AWS::DynamoDB::Table": [PHOTOS, LABELS]}
    monkeypatch.setattr(destroy, "_resources", lambda *_: resources)

    def session(context):
        made = Session(options_of(context))
        made.__dict__.update(aws=aws)
        return made

    monkeypatch.setattr(Session, "of", session)

    def ask():
        assert app.run(["destroy"]) == 2
        return " ".join(capsys.readouterr().err.split())

    return ask


@pytest.fixture
def one_photo(s3, bucket, tables):
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"")
    item = {"image": "a.jpg", "state_shard": schema.state_shards("labelled")[0], "done_at": "2030"}
    tables.client.put_item(TableName=PHOTOS, Item={key: {"S": text} for key, text in item.items()})


def test_photos_are_counted(question, one_photo):
    assert "in the bucket photos (1 labelled, 0 failed, 0 waiting) and all labels." in question()


def test_photos_are_counted_without_a_queue(question, one_photo, sqs, queue):
    sqs.delete_queue(QueueUrl=queue)
    assert "in the bucket photos (1 labelled, 0 failed) and all labels." in question()


def test_photos_are_named_without_a_table(question, one_photo, dynamodb, tables):
    dynamodb.update_table(TableName=PHOTOS, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=PHOTOS)
    assert '"labelctl": all photos and labels in photos.' in question()


def test_an_emptied_stack_contains_no_data(question, dynamodb, tables, s3, bucket):
    dynamodb.update_table(TableName=PHOTOS, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=PHOTOS)
    s3.delete_bucket(Bucket=bucket)
    assert "its remaining resources, which contain no photos or labels." in question()
