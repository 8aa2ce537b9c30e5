"""Dead letters with SQS behaviour that moto lacks, using stubbed responses."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from labelctl.errors import RefusedError
from labelctl.operations import dead_letters
from labelctl.operations.dead_letters import lease
from tests.unit.conftest import REGION
from tests.unit.queue_world import body

MESSAGE = {
    "MessageId": "m1",
    "ReceiptHandle": "r1",
    "Body": body("a.jpg"),
    "Attributes": {"SentTimestamp": "1893456000500", "ApproximateReceiveCount": "4"},
}
SERVED = {"HTTPHeaders": {"date": "Tue, 01 Jan 2030 00:00:00 GMT"}}


@pytest.fixture
def stub(no_account: None) -> Any:
    client = boto3.client("sqs", region_name=REGION)
    with Stubber(client) as stubber:
        yield SimpleNamespace(
            client=client,
            answers=stubber.add_response,
            error=stubber.add_client_error,
            left=lambda: len(stubber._queue),
        )
        stubber.assert_no_pending_responses()


RECEIVED = {
    "QueueUrl": "dead",
    "MaxNumberOfMessages": 10,
    "VisibilityTimeout": dead_letters.LEASE,
    "WaitTimeSeconds": dead_letters.LONG_POLL,
    "AttributeNames": ANY,
    "MessageAttributeNames": ["error", "reason"],
}


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub expects its requests in order."""
    monkeypatch.setattr(dead_letters, "WORKERS", 1)


def test_reads_until_a_long_poll_is_empty(stub: Any, one_at_a_time: None) -> None:
    """A response may contain only some of the messages, but an empty long poll is reliable."""
    assert dead_letters.LONG_POLL >= 1
    other = {**MESSAGE, "MessageId": "m2", "ReceiptHandle": "r2"}
    again = {**MESSAGE, "ReceiptHandle": "r1, newer"}  # the lease expired, or SQS returned it twice
    for messages in ([MESSAGE], [other], [again], []):
        answer = {"Messages": messages, "ResponseMetadata": SERVED}
        stub.answers("receive_message", answer, RECEIVED)
    back = [
        {"Id": "0", "ReceiptHandle": "r1, newer", "VisibilityTimeout": 0},
        {"Id": "1", "ReceiptHandle": "r2", "VisibilityTimeout": 0},
    ]
    expired = {"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
    stub.answers(
        "change_message_visibility_batch",
        {"Successful": [{"Id": "1"}], "Failed": [expired]},
        {"QueueUrl": "dead", "Entries": back},
    )
    with lease(stub.client, "dead") as dead_messages:
        assert [dead_message.message_id for dead_message in dead_messages] == ["m1", "m2"]


def test_ends_when_only_known_messages_are_returned(stub: Any, one_at_a_time: None) -> None:
    """A few messages may be returned twice although there are more."""
    other = {**MESSAGE, "MessageId": "m2", "ReceiptHandle": "r2"}
    again = [[MESSAGE], [other], [MESSAGE]]
    for messages in ([MESSAGE], [MESSAGE], [MESSAGE], [other], *again):
        answer = {"Messages": messages, "ResponseMetadata": SERVED}
        stub.answers("receive_message", answer, RECEIVED)
    stub.answers("change_message_visibility_batch", {"Successful": [], "Failed": []})
    with lease(stub.client, "dead") as dead_messages:
        assert [dead_message.message_id for dead_message in dead_messages] == ["m1", "m2"]
        assert dead_messages.more


def test_a_failed_renewal_is_retried_before_the_lease_expires(
    stub: Any, one_at_a_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "TICK", 0.001)
    seconds = [0.0]
    given_messages(stub, 1)
    stub.error("change_message_visibility_batch", "InternalError")
    for seconds_hidden in (dead_letters.LEASE, 0):
        entries = [{**entry(0, "r0"), "VisibilityTimeout": seconds_hidden}]
        result = {"QueueUrl": "dead", "Entries": entries}
        stub.answers("change_message_visibility_batch", {"Successful": [], "Failed": []}, result)
    with lease(stub.client, "dead", clock=lambda: seconds[0]) as dead_messages:
        list(dead_messages)
        for left in (2, 1):
            seconds[0] += dead_letters.LEASE / 3
            deadline = time.monotonic() + 30
            while stub.left() > left:
                assert time.monotonic() < deadline
                time.sleep(0.001)
        assert seconds[0] < dead_letters.LEASE


def test_a_returning_message_is_not_yielded_again(stub: Any, one_at_a_time: None) -> None:
    """Otherwise redriving all dead letters might never end."""
    late = {**MESSAGE["Attributes"], "SentTimestamp": "1893456001001"}
    back = {**MESSAGE, "MessageId": "m2", "Attributes": late}
    for messages in ([MESSAGE], [back], []):
        answer = {"Messages": messages, "ResponseMetadata": SERVED}
        stub.answers("receive_message", answer, RECEIVED)
    stub.answers("change_message_visibility_batch", {"Successful": [], "Failed": []})
    with lease(stub.client, "dead") as dead_messages:
        assert [dead_message.message_id for dead_message in dead_messages] == ["m1"]


def test_returning_messages_do_not_count_against_the_limit(stub: Any, one_at_a_time: None) -> None:
    late = {**MESSAGE["Attributes"], "SentTimestamp": "1893456001001"}
    back = [{**MESSAGE, "MessageId": f"back {number}", "Attributes": late} for number in range(5)]
    other = {**MESSAGE, "MessageId": "m2"}
    for messages, most in (([MESSAGE], 2), (back, 1), ([other], 1)):
        answer = {"Messages": messages, "ResponseMetadata": SERVED}
        stub.answers("receive_message", answer, {**RECEIVED, "MaxNumberOfMessages": most})
    stub.answers("change_message_visibility_batch", {"Successful": [], "Failed": []})
    with lease(stub.client, "dead", 2) as dead_messages:
        assert [dead_message.message_id for dead_message in dead_messages] == ["m1", "m2"]


def refused(sender: bool, message: str = "try again") -> dict[str, Any]:
    return {"Id": "0", "SenderFault": sender, "Code": "InternalError", "Message": message}


def given_messages(stub: Any, count: int) -> None:
    messages = [
        {**MESSAGE, "MessageId": f"m{number}", "ReceiptHandle": f"r{number}"}
        for number in range(count)
    ]
    for answer in (messages, []):
        stub.answers("receive_message", {"Messages": answer, "ResponseMetadata": SERVED}, RECEIVED)


def entry(number: int, receipt: str) -> dict[str, str]:
    return {"Id": str(number), "ReceiptHandle": receipt}


def test_messages_returned_by_sqs_are_sent_again(
    stub: Any, one_at_a_time: None, naps: list[float]
) -> None:
    given_messages(stub, 2)
    taken = {"Id": "1", "MessageId": "x", "MD5OfMessageBody": "x"}
    stub.answers("send_message_batch", {"Successful": [taken], "Failed": [refused(False)]})
    done = {"Successful": [], "Failed": []}
    stub.answers("delete_message_batch", done, {"QueueUrl": "dead", "Entries": [entry(0, "r1")]})
    stub.answers("send_message_batch", {"Successful": [{**taken, "Id": "0"}], "Failed": []})
    stub.answers("delete_message_batch", done, {"QueueUrl": "dead", "Entries": [entry(0, "r0")]})
    with lease(stub.client, "dead", sleep=naps) as dead_messages:
        dead_messages.redrive(list(dead_messages), "work")
    assert len(naps) == 1


@pytest.mark.parametrize(("sender", "attempts"), [(True, 1), (False, 5)])
def test_rejected_messages_stay(
    stub: Any, one_at_a_time: None, naps: list[float], sender: bool, attempts: int
) -> None:
    given_messages(stub, 1)
    for _ in range(attempts):
        stub.answers("send_message_batch", {"Successful": [], "Failed": [refused(sender, "no")]})
    back = [{**entry(0, "r0"), "VisibilityTimeout": 0}]
    stub.answers(
        "change_message_visibility_batch",
        {"Successful": [], "Failed": []},
        {"QueueUrl": "dead", "Entries": back},
    )

    def move() -> None:
        with lease(stub.client, "dead", sleep=naps) as dead_messages:
            dead_messages.redrive(list(dead_messages), "work")

    with pytest.raises(RefusedError, match="SQS did not accept 1 message: no"):
        move()


def test_failed_deletions_are_reported(stub: Any, one_at_a_time: None) -> None:
    given_messages(stub, 2)
    stub.answers("delete_message_batch", {"Successful": [], "Failed": [refused(True, "no")]})
    stub.answers(
        "change_message_visibility_batch",
        {"Successful": [], "Failed": []},
        {"QueueUrl": "dead", "Entries": [{**entry(0, "r0"), "VisibilityTimeout": 0}]},
    )

    def delete() -> None:
        with lease(stub.client, "dead") as dead_messages:
            dead_messages.delete(list(dead_messages))

    with pytest.raises(RefusedError, match="SQS did not delete 1 dead letter: no"):
        delete()
