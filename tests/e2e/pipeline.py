"""Stopping a stack's function, and its queue, in end-to-end tests."""

from __future__ import annotations

from tests.e2e.conftest import Client, User, until


def stop_the_function(user: User, client: Client) -> None:
    """As soon as it is done with what S3 sends to try a new queue, which would pass for a photo's."""
    until(lambda: messages(user, client) == 0)
    function = user.outputs["Function"]
    functions = client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def messages(user: User, client: Client) -> int:
    """How many are in the work queue: those that wait, and those in the function's hands."""
    answer = client("sqs").get_queue_attributes(
        QueueUrl=user.outputs["Queue"], AttributeNames=["All"]
    )["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    return sum(int(answer[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)
