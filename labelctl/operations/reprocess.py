"""Asking the function to look at photos again: messages of our own, in its work queue.

The function is the only writer of the table, so whoever wants a photo labelled anew, or what is left
of one that is gone removed, sends a request. What is to be done the function finds out by itself
when it gets there, from how the photo lies in the bucket by then (see `contract.request`).
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
class Wanted:
    """A photo that is to be looked at again.

    `sequencer` is where among the photo's events the request comes: `contract.next_sequencer` of the
    greatest known puts it behind all that happened.
    """

    key: str
    sequencer: str


def send(
    sqs: SQSClient,
    queue_url: str,
    bucket: str,
    wanted: Iterable[Wanted],
    at: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Wanted]:
    """Send a request for each photo, ten a call; tells of each once SQS has it.

    `at` is the time of the request, ISO 8601 in UTC. What SQS hands back of a batch because it is
    busy is sent again, for about 3 seconds. Raises RefusedError for what it will not take; what was
    told of before is sent.
    """
    waiting = iter(wanted)
    while batch := list(islice(waiting, queues.BATCH)):
        bodies = [s3_events.request(bucket, each.key, each.sequencer, at) for each in batch]
        for taken in queues.send(sqs, queue_url, bodies, sleep=sleep):
            yield from (batch[place] for place in taken)
