"""The function's role is minimal: without any one of its rights, something fails that works with all.

The local cloud enforces IAM, and the recogniser asks for its caller's rights as Rekognition does. So
one right at a time is taken from the role of a deployed stack, a photo is led through the part of its
life that needs it, and the function's log must show the refusal. The emulator enforces neither
sqs:* nor logs:* for the function: of those, it is only held that there are no others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import User, deployed

Client = Callable[[str], Any]

_numbers = count()


@dataclass(frozen=True)
class Pipeline:
    """A deployed stack and the role of its function."""

    user: User
    client: Client
    bucket: str
    function: str
    queue: str
    log_group: str
    role: str
    photographs: Path

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def put(self, key: str, source: str = "rocket.jpg") -> str:
        """Bring a photo into the bucket, as any tool may; the version that S3 made of it."""
        body = (self.photographs / source).read_bytes()
        version: str = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]
        return version

    def remove(self, key: str, version: str) -> None:
        """Remove one version for good."""
        self.s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def log_of(self, key: str, lines: int) -> list[dict[str, Any]]:
        """What `labelctl tail` shows of a photo, once the function's log has so many lines of it."""
        deadline = time.monotonic() + 60
        while self._logged(key) < lines:
            assert time.monotonic() < deadline, f"{lines} lines of {key} did not come"
            time.sleep(0.05)
        tail = self.user("tail", "--no-follow", "-o", "json").out.splitlines()
        return [line for line in map(json.loads, tail) if line["image"] == key]

    def log_of_message(self, message_id: str) -> list[dict[str, Any]]:
        """What the function's log says of a message that stands for no photo."""
        deadline = time.monotonic() + 60
        while not self._logged(message_id):
            assert time.monotonic() < deadline, f"nothing came of {message_id}"
            time.sleep(0.05)
        found = self.client("logs").filter_log_events(
            logGroupName=self.log_group, filterPattern=f'"{message_id}"'
        )
        return [json.loads(event["message"]) for event in found["events"]]

    def _logged(self, key: str) -> int:
        found = self.client("logs").filter_log_events(
            logGroupName=self.log_group, filterPattern=f'"{key}"'
        )
        return len(found["events"])

    @property
    def policy(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("iam").get_role_policy(
            RoleName=self.role, PolicyName="labelctl"
        )["PolicyDocument"]
        return found

    @contextmanager
    def without(self, action: str) -> Iterator[None]:
        """Take exactly this action out of the role, for a while."""
        whole = self.policy
        statements = [
            {**statement, "Action": [each for each in actions(statement) if each != action]}
            for statement in whole["Statement"]
        ]
        less = {**whole, "Statement": [each for each in statements if each["Action"]]}
        assert len(every_action(less)) == len(every_action(whole)) - 1
        self._set(less)
        try:
            yield
        finally:
            self._set(whole)

    def restart(self) -> None:
        """Have the function start with a new process, as after any change of its environment."""
        functions = self.client("lambda")
        now = functions.get_function_configuration(FunctionName=self.function)["Environment"]
        variables = {**now["Variables"], "RESTART": str(next(_numbers))}
        functions.update_function_configuration(
            FunctionName=self.function, Environment={"Variables": variables}
        )

    def _set(self, policy: Mapping[str, Any]) -> None:
        self.client("iam").put_role_policy(
            RoleName=self.role, PolicyName="labelctl", PolicyDocument=json.dumps(policy)
        )


def actions(statement: Mapping[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


def every_action(policy: Mapping[str, Any]) -> list[str]:
    return [action for statement in policy["Statement"] for action in actions(statement)]


@pytest.fixture(scope="module")
def pipeline(cloud: User, client: Client, photographs: Path) -> Iterator[Pipeline]:
    with deployed(cloud.like(LABELCTL_LOCAL="1", LABELCTL_STACK="rights")) as user:
        resources = client("cloudformation").list_stack_resources(StackName="rights")
        (role,) = (
            each["PhysicalResourceId"]
            for each in resources["StackResourceSummaries"]
            if each["ResourceType"] == "AWS::IAM::Role"
        )
        names = (user.outputs[name] for name in ("PhotosBucket", "Function", "Queue", "LogGroup"))
        yield Pipeline(user, client, *names, role, photographs)


# The parts of a photo's life. Each begins with what works without the right in question, and ends with
# what does not; it returns the statuses in the log.


def first_labels(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    pipeline.put(key)
    return pipeline.log_of(key, 1)


def first_labels_in_a_new_process(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    """Only then is the vocabulary read."""
    pipeline.restart()
    return first_labels(pipeline, key)


def the_newest_version_removed(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    pipeline.put(key)
    pipeline.log_of(key, 1)
    newest = pipeline.put(key, "chelsea.png")
    pipeline.log_of(key, 2)
    pipeline.remove(key, newest)
    return pipeline.log_of(key, 3)


def the_only_version_removed(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    version = pipeline.put(key)
    pipeline.log_of(key, 1)
    pipeline.remove(key, version)
    return pipeline.log_of(key, 2)


def a_trouble(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    with pipeline.without("rekognition:DetectLabels"):
        pipeline.put(key)
        return pipeline.log_of(key, 1)


def a_message_that_nobody_understands(pipeline: Pipeline, key: str) -> list[dict[str, Any]]:
    sent = pipeline.client("sqs").send_message(QueueUrl=pipeline.queue, MessageBody="hello")
    return pipeline.log_of_message(sent["MessageId"])


Life = Callable[[Pipeline, str], list[dict[str, Any]]]

LIVES: dict[Life, list[str]] = {
    first_labels: ["labelled"],
    first_labels_in_a_new_process: ["labelled"],
    the_newest_version_removed: ["labelled", "labelled", "labelled"],
    the_only_version_removed: ["labelled", "removed"],
    a_trouble: ["retrying"],
    a_message_that_nobody_understands: ["dead_letter"],
}
"""What the log says of each with the whole role."""

NEEDED: dict[str, tuple[Life, str, str]] = {
    "rekognition:DetectLabels": (first_labels, "retrying", "(AccessDenied"),
    "s3:GetObjectVersion": (first_labels, "retrying", "(403)"),
    "dynamodb:GetItem": (first_labels, "retrying", "(AccessDenied"),
    "dynamodb:PutItem": (first_labels, "retrying", "(AccessDenied"),
    "dynamodb:BatchWriteItem": (first_labels, "retrying", "(AccessDenied"),
    "dynamodb:Query": (first_labels_in_a_new_process, "retrying", "(AccessDenied"),
    "s3:GetObject": (the_newest_version_removed, "retrying", "(403)"),
    "s3:ListBucket": (the_only_version_removed, "retrying", "(403)"),
    "sqs:ChangeMessageVisibility": (a_trouble, "retrying", "(AccessDenied"),
    "sqs:SendMessage": (a_message_that_nobody_understands, "retrying", "(AccessDenied"),
}
"""Where each right is missed, and what the log says then: the status, and words of the reason."""

NOT_ENFORCED = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}


def statuses(lines: list[dict[str, Any]]) -> list[str]:
    return [line["status"] for line in lines]


def test_the_role_has_no_right_that_is_not_tried_here(pipeline: Pipeline) -> None:
    assert sorted(every_action(pipeline.policy)) == sorted(NEEDED.keys() | NOT_ENFORCED)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_with_the_whole_role_it_works(pipeline: Pipeline, life: Life) -> None:
    lines = life(pipeline, f"whole/{next(_numbers)}.jpg")

    assert statuses(lines) == LIVES[life]


@pytest.mark.parametrize("action", NEEDED)
def test_without_one_right_it_does_not(pipeline: Pipeline, action: str) -> None:
    life, status, reason = NEEDED[action]

    with pipeline.without(action):
        lines = life(pipeline, f"less/{next(_numbers)}.jpg")

    assert statuses(lines) == [*LIVES[life][:-1], status]
    why = lines[-1].get("sqs_error", lines[-1]["reason"])
    assert reason in why
    assert why in pipeline.user("status", "-o", "json").out


def test_the_role_reaches_no_other_bucket(pipeline: Pipeline) -> None:
    """The rights are for this stack's bucket and tables, not for all of the account's."""
    client = pipeline.client
    for statement in pipeline.policy["Statement"]:
        if statement["Sid"] != "Recognise":
            named = statement["Resource"]
            for resource in [named] if isinstance(named, str) else named:
                assert "rights" in resource, f"{statement['Sid']} is for {resource}"
    assert client("iam").list_role_policies(RoleName=pipeline.role)["PolicyNames"] == ["labelctl"]
    attached = client("iam").list_attached_role_policies(RoleName=pipeline.role)
    assert attached["AttachedPolicies"] == []
