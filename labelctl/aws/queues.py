"""Messages in an SQS queue: how many there are, and how some are sent so that none gets lost.

It knows nothing of what the messages say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.errors import RefusedError
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""The most messages that one call receives, sends, deletes or gives back."""

_ATTEMPTS = 5


@dataclass(frozen=True)
class Queue:
    """How many messages wait, are being worked on, and are put off. SQS counts approximately."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def depth(self) -> int:
        return self.waiting + self.in_flight + self.delayed


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


def send(
    sqs: SQSClient, url: str, bodies: Sequence[str], *, sleep: Callable[[float], None]
) -> Iterator[list[int]]:
    """Send up to BATCH messages; tells which of them SQS took, by their places, as it takes them.

    What SQS hands back because it is busy is sent again, for about 3 seconds. Raises RefusedError for
    what it will not take.
    """
    left = list(range(len(bodies)))
    for attempt in range(_ATTEMPTS):
        entries: Any = [
            {"Id": str(number), "MessageBody": bodies[place]} for number, place in enumerate(left)
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        failed = {int(each["Id"]): each for each in answer.get("Failed", ())}
        if taken := [place for number, place in enumerate(left) if number not in failed]:
            yield taken
        left = [left[number] for number in sorted(failed)]
        if not left:
            return
        wrong = next((each for each in failed.values() if each["SenderFault"]), None)
        if wrong or attempt == _ATTEMPTS - 1:
            told = wrong or next(iter(failed.values()))
            raise RefusedError(
                f"SQS did not take {counted(len(left), 'message')}: "
                f"{told.get('Message') or told['Code']}",
                "The same command goes on with the rest.",
            )
        sleep(0.2 * 2**attempt)
