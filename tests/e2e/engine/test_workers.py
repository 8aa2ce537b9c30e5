"""A destroyed stack's Lambda worker ends at once, and does not wait for the local cloud to stop."""

from __future__ import annotations

import json
import time
from pathlib import Path

from labelctl.local import engine, processes
from tests.e2e.engine.conftest import client, until

TEMPLATE = json.dumps(
    {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        },
                    }
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "hello",
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": "def handler(event, context):\n    return 'hello'"},
                },
            },
        }
    }
)


def test_the_worker_of_a_destroyed_stack_ends_within_two_seconds(home: Path) -> None:
    cloud = engine.start(home=home)
    cloudformation, functions = client(cloud, "cloudformation"), client(cloud, "lambda")
    cloudformation.create_stack(
        StackName="hello", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"]
    )
    until(lambda: functions.list_functions()["Functions"])
    assert json.load(functions.invoke(FunctionName="hello")["Payload"]) == "hello"

    def workers() -> set[int]:
        return processes.ours(home) - {cloud.pid, cloud.recogniser_pid}

    [_] = workers()
    cloudformation.delete_stack(StackName="hello")
    until(lambda: not functions.list_functions()["Functions"])
    gone = time.monotonic()
    until(lambda: not workers(), seconds=30)
    assert time.monotonic() - gone < 5  # a second to notice it, and a slow machine
