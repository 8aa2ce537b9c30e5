"""Finding the stack that other commands need."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from labelctl.deploy import stack
from labelctl.deploy.stack import find, require
from labelctl.errors import NotDeployedError, UsageError
from tests.unit.deploy.stack_values import FOREIGN, OUTPUTS, ZIPS


def test_stack_has_the_names_of_its_resources(cloudformation):
    cloudformation.stack("UPDATE_COMPLETE", Outputs=OUTPUTS)
    found = require(cloudformation.client, "labelctl")
    assert (found.bucket, found.table, found.labels_table) == ("photos", "labels", "index")


def test_template_has_the_outputs_that_commands_need(template):
    assert template["Outputs"].keys() >= stack.OUTPUTS


@pytest.mark.parametrize("key", ["Queue", "DeadLetterQueue", "Function", "LogGroup"])
def test_stack_without_a_newer_output_needs_an_update(cloudformation, key):
    older = [output for output in OUTPUTS if output["OutputKey"] != key]
    cloudformation.stack("UPDATE_COMPLETE", Outputs=older)
    with pytest.raises(NotDeployedError, match="earlier labelctl") as caught:
        require(cloudformation.client, "labelctl")
    assert caught.value.hint == "Update it: labelctl deploy"


@pytest.mark.parametrize("other", [FOREIGN, ZIPS], ids=["foreign", "zips"])
def test_no_command_works_on_a_stack_that_is_no_pipeline(cloudformation, other):
    """`rm` would delete the objects of a bucket that is called PhotosBucket, too."""
    cloudformation.stack("UPDATE_COMPLETE", Outputs=OUTPUTS, **other)
    with pytest.raises(NotDeployedError, match=r"not created by labelctl|is not a pipeline"):
        require(cloudformation.client, "labelctl")


@pytest.mark.parametrize(
    ("local", "name", "place"),
    [(False, "labelctl", "in us-east-1"), (True, "other", "in the local cloud")],
)
def test_missing_stack_error_names_the_deploy_command(cloudformation, local, name, place):
    cloudformation.no_stack(name)
    with pytest.raises(NotDeployedError) as caught:
        require(cloudformation.client, name, local)
    assert caught.value.message == f'There is no stack "{name}" {place}.'
    assert caught.value.hint == "Deploy it first: labelctl deploy"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("CREATE_COMPLETE", "not created by labelctl"),
        ("CREATE_IN_PROGRESS", "not ready"),
        ("ROLLBACK_COMPLETE", "not ready"),
        ("REVIEW_IN_PROGRESS", "not ready"),
    ],
)
def test_stack_without_outputs_is_not_ready(cloudformation, status, words):
    foreign = FOREIGN if "not created" in words else {}
    cloudformation.stack(status, Outputs=OUTPUTS[:1], **foreign)
    with pytest.raises(NotDeployedError, match=words):
        require(cloudformation.client, "labelctl")


def test_stack_of_an_earlier_layout_needs_an_update(cloudformation):
    older = [output for output in OUTPUTS if output["OutputKey"] != "LabelsTable"]
    cloudformation.stack("UPDATE_COMPLETE", Outputs=older)
    with pytest.raises(NotDeployedError, match="earlier labelctl") as caught:
        require(cloudformation.client, "labelctl")
    assert "labelctl deploy" in caught.value.hint


def test_invalid_stack_name(cloudformation):
    cloudformation.refuses(
        "describe_stacks",
        "ValidationError",
        "1 validation error: Value 'a_b' at 'stackName' failed",
    )
    with pytest.raises(UsageError, match='"a_b"'):
        find(cloudformation.client, "a_b")


def test_other_errors_are_not_treated_as_a_missing_stack(cloudformation):
    cloudformation.refuses("describe_stacks", "Throttling", "Rate exceeded")
    with pytest.raises(ClientError, match="Rate exceeded"):
        find(cloudformation.client, "labelctl")
