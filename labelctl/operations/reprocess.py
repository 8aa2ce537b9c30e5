"""Requests to the function to process photos again, sent as messages to its work queue.

Only the function writes to the table. To have a photo labelled again, or the result of a removed photo
deleted, send a request: when the function handles it, it looks at the bucket and decides what to do
(see `contract.s3_events.request`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.contract import s3_events

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class ReprocessRequest:
    """A photo to be processed again.

    `sequencer` is the request's position among the photo's events. Use `s3_events.next_sequencer` of
    the latest known sequencer to place it after all of them.
    """

    key: str
    sequencer: str


def send(
    sqs: SQSClient,
    queue_url: str,
    bucket: str,
    requests: Iterable[ReprocessRequest],
    at: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ReprocessRequest]:
    """Send the requests, ten per call, and yield each once SQS has accepted it.

    `at` is the time of the requests, ISO 8601 in UTC. Messages that SQS returns because it is busy are
    sent again for about 3 seconds. Raises RefusedError for messages that SQS rejects; the requests
    yielded before are sent.
    """
    remaining = iter(requests)
    while batch := list(islice(remaining, queues.BATCH)):
        bodies = [s3_events.request(bucket, each.key, each.sequencer, at) for each in batch]
        for accepted in queues.send(sqs, queue_url, bodies, sleep=sleep):
            yield from (batch[index] for index in accepted)
