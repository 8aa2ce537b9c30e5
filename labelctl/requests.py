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
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10  # SendMessageBatch's limit
_ATTEMPTS = 5


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
    while batch := list(islice(waiting, _BATCH)):
        for attempt in range(_ATTEMPTS):
            entries: Any = [
                {
                    "Id": str(number),
                    "MessageBody": contract.request(bucket, each.key, each.sequencer, at),
                }
                for number, each in enumerate(batch)
            ]
            answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
            failed = {int(each["Id"]): each for each in answer.get("Failed", ())}
            yield from (each for number, each in enumerate(batch) if number not in failed)
            batch = [batch[number] for number in sorted(failed)]
            if not batch:
                break
            worst = next((each for each in failed.values() if each["SenderFault"]), None)
            if worst or attempt == _ATTEMPTS - 1:
                told = worst or next(iter(failed.values()))
                raise RefusedError(
                    f"SQS did not take {len(batch)} of the requests: "
                    f"{told.get('Message') or told['Code']}",
                    "The same command goes on with the rest.",
                )
            sleep(0.2 * 2**attempt)
