"""Counting the messages in an SQS queue, and sending messages with retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.errors import RefusedError
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""Maximum number of messages in one SQS request."""

_ATTEMPTS = 5


@dataclass(frozen=True)
class QueueDepth:
    """Approximate numbers of messages that are waiting, being processed, and delayed."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def depth(self) -> int:
        return self.waiting + self.in_flight + self.delayed


def depth(sqs: SQSClient, url: str) -> QueueDepth:
    """Return the number of messages in the queue with this URL."""
    names = ("", "NotVisible", "Delayed")
    response = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],  # type: ignore[misc]
    )
    counts = [
        int(response["Attributes"].get(f"ApproximateNumberOfMessages{name}", 0))  # type: ignore[call-overload]
        for name in names
    ]
    return QueueDepth(*counts)


def send(
    sqs: SQSClient, url: str, bodies: Sequence[str], *, sleep: Callable[[float], None]
) -> Iterator[list[int]]:
    """Send up to BATCH messages; yields the positions of those that SQS accepted.

    Retries messages that SQS rejects temporarily, for about 3 seconds. Raises RefusedError for
    messages that SQS does not accept.
    """
    left = list(range(len(bodies)))
    for attempt in range(_ATTEMPTS):
        entries: Any = [
            {"Id": str(number), "MessageBody": bodies[position]}
            for number, position in enumerate(left)
        ]
        response = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        failed = {int(each["Id"]): each for each in response.get("Failed", ())}
        if accepted := [each for number, each in enumerate(left) if number not in failed]:
            yield accepted
        left = [left[number] for number in sorted(failed)]
        if not left:
            return
        permanent = next((each for each in failed.values() if each["SenderFault"]), None)
        if permanent or attempt == _ATTEMPTS - 1:
            error = permanent or next(iter(failed.values()))
            raise RefusedError(
                f"SQS did not accept {counted(len(left), 'message')}: "
                f"{error.get('Message') or error['Code']}",
                "Run the same command to resume.",
            )
        sleep(0.2 * 2**attempt)
