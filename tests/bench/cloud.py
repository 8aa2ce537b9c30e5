"""A local cloud for one trial: in a folder of its own, with a stack, and gone afterwards.

What stands between the function and a service is put there by the function's own environment, as its
owner could do on AWS: the product knows nothing of it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

from labelctl.local import processes
from tests.e2e.conftest import Answer, User, clean_environment


@dataclass(frozen=True)
class Trial:
    """A user with a stack of their own in a local cloud of their own, seen from behind too."""

    user: User

    @cached_property
    def _variables(self) -> dict[str, str]:
        return dict(json.loads(self.user("local", "env", "-o", "json").out))

    @property
    def endpoint(self) -> str:
        """Where S3, SQS, DynamoDB and the rest answer."""
        return self._variables["AWS_ENDPOINT_URL"]

    @property
    def recogniser(self) -> str:
        return self._variables["AWS_ENDPOINT_URL_REKOGNITION"]

    def client(self, service: str) -> Any:
        """A boto3 client as the account's owner."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint,
            region_name=self._variables["AWS_REGION"],
            aws_access_key_id=self._variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._variables["AWS_SECRET_ACCESS_KEY"],
        )

    def ask(self, *arguments: str | Path) -> Answer:
        """Run a command that may end as it likes, but never with a traceback."""
        running = self.user.start(*arguments)
        out, err = running.communicate()
        assert b"Traceback" not in err, err.decode()
        return Answer(running.returncode, out.decode(), err.decode())

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs: PhotosBucket, Table, LabelsTable, Queue, DeadLetterQueue, Function, …"""
        stacks = self.client("cloudformation").describe_stacks(StackName="labelctl")["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stacks[0]["Outputs"]}

    def put_between(self, **services: str) -> None:
        """Have the function call these endpoints: `put_between(dynamodb=proxy.url)`."""
        functions = self.client("lambda")
        name = self.outputs["Function"]
        now = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        ours = {f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in services.items()}
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": now | ours}
        )

    def enable(self, enabled: bool) -> None:
        """Start or stop handing the queue's messages to the function."""
        functions = self.client("lambda")
        found = functions.list_event_source_mappings(FunctionName=self.outputs["Function"])
        functions.update_event_source_mapping(
            UUID=found["EventSourceMappings"][0]["UUID"], Enabled=enabled
        )

    def messages(self, queue: str = "Queue") -> tuple[int, int]:
        """How many messages wait in a queue, and how many are being worked on or put off."""
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=["All"]
        )["Attributes"]
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"])
            + int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
        )

    def await_rest(self, patience: float) -> bool:
        """Whether the queue is found empty three times in a row within so many seconds."""
        deadline, empty = time.monotonic() + patience, 0
        while empty < 3 and time.monotonic() < deadline:
            time.sleep(0.5)  # seldom: the emulator has enough to do
            empty = 0 if sum(self.messages()) else empty + 1
        return empty == 3

    def items(self, table: str) -> Iterator[dict[str, Any]]:
        """All items of a table, which is named by its output: Table (photos) or LabelsTable."""
        deserialize = TypeDeserializer().deserialize
        pages = (
            self.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.outputs[table], ConsistentRead=True)
        )
        for page in pages:
            for item in page["Items"]:
                yield {name: deserialize(value) for name, value in item.items()}


@contextmanager
def trial(*options: str) -> Iterator[Trial]:
    """A new local cloud with a stack deployed with these options; all of it is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="labelctl-bench-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        env = clean_environment(home) | {"LABELCTL_LOCAL": "1"}
        env |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        user = User(env, Path(folder))
        try:
            user("deploy", "--quiet", *options)
            cloud = Trial(user)
            # S3's test events: a change of the function's environment would cut off their worker.
            assert cloud.await_rest(30)
            yield cloud
        finally:
            processes.end(processes.find_processes(home / "labelctl" / "local"), 10)
