"""The function's boto3 clients, and how long a call may take.

Rekognition's and DynamoDB's are made while Lambda starts the process, before the first photo and
outside any thread; the others are needed for few photos, so each is made for the first of them.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""The photos that are worked on at once: the event source mapping's batch size."""

# A call to a service that hangs gives up after ATTEMPTS x (2 + 10) s, well within the function's
# timeout: so the photos that it holds up go back to the queue one by one, and not their whole batch.
ATTEMPTS = 3
CONNECT_SECONDS = 2
READ_SECONDS = 10

_config = Config(
    retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    max_pool_connections=BATCH,
)
# Rekognition's quota is what bounds the whole: `recognition` paces and repeats its calls itself.
_once = _config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
_one_at_a_time = Lock()  # boto3's default session is not made for threads


def _make(service: str, config: Config = _config) -> Any:
    with _one_at_a_time:
        return boto3.client(service, config=config)  # type: ignore[call-overload]


rekognition: RekognitionClient = _make("rekognition", _once)
dynamodb: DynamoDBClient = _make("dynamodb")


@cache
def s3() -> S3Client:
    client: S3Client = _make("s3")
    return client


@cache
def sqs() -> SQSClient:
    client: SQSClient = _make("sqs")
    return client
