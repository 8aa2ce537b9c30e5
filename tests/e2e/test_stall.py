"""A command that waits for photos says why nothing moves: with the reason from the function's log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import User


def test_a_stall_explains_itself(
    stack: User, photo: Callable[..., Path], client: Callable[[str], Any]
) -> None:
    name = stack.env["LABELCTL_STACK"]
    resources = client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    [role] = [each for each in resources if each["ResourceType"] == "AWS::IAM::Role"]
    deny = {"Effect": "Deny", "Action": "rekognition:DetectLabels", "Resource": "*"}
    client("iam").put_role_policy(
        RoleName=role["PhysicalResourceId"],
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
    )
    photo("a.jpg")

    waited = stack("upload", "a.jpg", "--wait", "--timeout", "13", code=6)

    lines = waited.err.splitlines()
    [stall] = [line for line in lines if "no progress for" in line]
    assert re.fullmatch(
        r"1 photo waiting, no progress for 1\d seconds\. Latest error \([\d:]{8}\): .+", stall
    )
    assert "AccessDenied" in stall
    assert "1 photo still waiting after 13 s" in lines[-2]
