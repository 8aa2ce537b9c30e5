"""The function's boto3 clients and their timeouts.

Every photo needs Rekognition and DynamoDB, whose clients are created while Lambda initializes the
process. Few photos need the others, which are created on first use.
"""

from __future__ import annotations

from functools import cached_property
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
"""Number of photos processed in parallel: the batch size of the event source mapping."""

# A call to an unresponsive service fails after ATTEMPTS x (2 + 10) s, well within the function's
# timeout, so that only the affected photos return to the queue and not the whole batch.
ATTEMPTS = 3
CONNECT_SECONDS = 2
READ_SECONDS = 10

_config = Config(
    retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    max_pool_connections=BATCH,
)
# `recognition` paces and retries calls to Rekognition itself, because its quota is the bottleneck.
_no_retries = _config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
_session_lock = Lock()  # boto3's default session is not thread-safe


def _make(service: str, config: Config = _config) -> Any:
    with _session_lock:
        return boto3.client(service, config=config)  # type: ignore[call-overload]


class Clients:
    """The clients of one process. Thread-safe."""

    def __init__(self) -> None:
        self.rekognition: RekognitionClient = _make("rekognition", _no_retries)
        self.dynamodb: DynamoDBClient = _make("dynamodb")

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = _make("s3")
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = _make("sqs")
        return client
