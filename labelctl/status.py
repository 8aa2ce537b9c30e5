"""How the pipeline stands: settings, photos by state, queues, and the function's last troubles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelctl import contract, tail
from labelctl.aws import Aws
from labelctl.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

RECENT = 3600
"""The function's troubles are told for so many seconds back."""

_TOLD = 3


@dataclass(frozen=True)
class Queue:
    """How many messages wait, are being worked on, and are put off. SQS counts approximately."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def depth(self) -> int:
        return self.waiting + self.in_flight + self.delayed


@dataclass(frozen=True)
class Status:
    """The pipeline's state at one moment; `troubles` are the function's latest, oldest first."""

    labelled: int
    failed: int
    queue: Queue
    dead_letters: Queue
    troubles: tuple[tail.Line, ...]


def read(aws: Aws, stack: Stack, *, clock: Callable[[], float] = time.time) -> Status:
    """Ask for all of it. The photos are counted by the index of their headers."""
    lines = tail.read(
        aws.logs,
        stack.log_group,
        clock() - RECENT,
        follow=False,
        pattern=tail.TROUBLE_PATTERN,
    )
    troubles = [line for line in lines if line.is_trouble]
    return Status(
        labelled=count(aws.dynamodb, stack.table, contract.LABELLED),
        failed=count(aws.dynamodb, stack.table, contract.FAILED),
        queue=depth(aws.sqs, stack.queue),
        dead_letters=depth(aws.sqs, stack.dead_letters),
        troubles=tuple(troubles[-_TOLD:]),
    )


def count(dynamodb: DynamoDBClient, table: str, status: str) -> int:
    """How many photos have that status; reads their index entries (about 150 bytes each)."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=contract.STATUS_INDEX,
        KeyConditionExpression="#status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
        Select="COUNT",
    )
    return sum(page["Count"] for page in pages)


def depth(sqs: SQSClient, url: str) -> Queue:
    """The messages in a queue, by its URL."""
    names = ("", "NotVisible", "Delayed")
    answer = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],  # type: ignore[misc]
    )
    counts = [
        int(answer["Attributes"].get(f"ApproximateNumberOfMessages{name}", 0))  # type: ignore[call-overload]
        for name in names
    ]
    return Queue(*counts)
