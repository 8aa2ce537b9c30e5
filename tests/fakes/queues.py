"""SQS in memory: queues by their names, which are their URLs, too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any


@dataclass
class Message:
    """`receipt` is None while anybody may receive the message."""

    id: str
    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    receipt: str | None = None
    receives: int = 0


class FakeQueues:
    """The calls of boto3's client that labelctl makes. `calls` counts requests; `before` is called
    with each. `miscounts` has for a queue the numbers of messages that SQS states in the next
    answers, since it counts approximately; after those it states how many there are.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.before: Callable[[str, Any], Any] | None = None
        self.miscounts: dict[str, list[int]] = {}
        self._queues: dict[str, dict[str, Message]] = defaultdict(dict)
        self._numbers = count(1)
        self._lock = RLock()

    # ---- for tests

    def send(self, queue: str, body: str, **attributes: str) -> Message:
        """Put a message into a queue, with message attributes."""
        with self._lock:
            message = Message(f"m{next(self._numbers)}", body, attributes)
            self._queues[queue][message.id] = message
            return message

    def take(self, queue: str) -> Message | None:
        """Receive a message as another process, which hides it; None if there is none."""
        with self._lock:
            for message in self._queues[queue].values():
                if message.receipt is None:
                    self._hide(message)
                    return message
            return None

    def delete(self, queue: str, message: Message) -> None:
        with self._lock:
            self._queues[queue].pop(message.id, None)

    def bodies(self, queue: str) -> list[str]:
        """The bodies of all messages in a queue, hidden ones included."""
        with self._lock:
            return [message.body for message in self._queues[queue].values()]

    def _hide(self, message: Message) -> str:
        message.receipt = f"r{next(self._numbers)}"
        message.receives += 1
        return message.receipt

    # ---- the client's calls

    def _call(self, operation: str, request: Any) -> None:
        if self.before:
            self.before(operation, request)
        with self._lock:
            self.calls[operation] += 1

    def get_queue_attributes(self, **request: Any) -> Any:
        self._call("GetQueueAttributes", request)
        with self._lock:
            queue = request["QueueUrl"]
            if stated := self.miscounts.get(queue):
                return {"Attributes": {"ApproximateNumberOfMessages": str(stated.pop(0))}}
            hidden = sum(each.receipt is not None for each in self._queues[queue].values())
            visible = len(self._queues[queue]) - hidden
            return {
                "Attributes": {
                    "ApproximateNumberOfMessages": str(visible),
                    "ApproximateNumberOfMessagesNotVisible": str(hidden),
                }
            }

    def receive_message(self, **request: Any) -> Any:
        self._call("ReceiveMessage", request)
        with self._lock:
            visible = [
                each for each in self._queues[request["QueueUrl"]].values() if each.receipt is None
            ]
            messages = [
                {
                    "MessageId": each.id,
                    "ReceiptHandle": self._hide(each),
                    "Body": each.body,
                    "Attributes": {
                        "SentTimestamp": "0",
                        "ApproximateReceiveCount": str(each.receives),
                    },
                    "MessageAttributes": {
                        name: {"DataType": "String", "StringValue": value}
                        for name, value in each.attributes.items()
                        if name in request["MessageAttributeNames"]
                    },
                }
                for each in visible[: request["MaxNumberOfMessages"]]
            ]
            return {"Messages": messages, "ResponseMetadata": {}} if messages else _EMPTY

    def send_message_batch(self, **request: Any) -> Any:
        self._call("SendMessageBatch", request)
        assert 1 <= len(request["Entries"]) <= 10
        for entry in request["Entries"]:
            self.send(request["QueueUrl"], entry["MessageBody"])
        return {}

    def delete_message_batch(self, **request: Any) -> Any:
        self._call("DeleteMessageBatch", request)
        with self._lock:
            receipts = {entry["ReceiptHandle"] for entry in request["Entries"]}
            queue = self._queues[request["QueueUrl"]]
            for message in [each for each in queue.values() if each.receipt in receipts]:
                del queue[message.id]
            return {}

    def change_message_visibility_batch(self, **request: Any) -> Any:
        self._call("ChangeMessageVisibilityBatch", request)
        with self._lock:
            receipts = {
                entry["ReceiptHandle"]
                for entry in request["Entries"]
                if entry["VisibilityTimeout"] == 0
            }
            for message in self._queues[request["QueueUrl"]].values():
                if message.receipt in receipts:
                    message.receipt = None
            return {}


_EMPTY: Any = {"ResponseMetadata": {}}
