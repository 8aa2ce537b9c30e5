"""Change sets and stack events, with recorded responses: no emulator covers all these cases."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from labelctl.deploy import change_sets
from labelctl.errors import DeployError, RefusedError
from tests.unit.conftest import STACK_ID


def modify(name="Photos", type="AWS::S3::Bucket", replacement="False", action="Modify", details=()):
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": type}
    if action == "Modify":
        change |= {"Replacement": replacement, "Details": list(details)}
    return {"Type": "Resource", "ResourceChange": change}


def planned(creates=False, changes_=("one",)):
    return change_sets.Plan("labelctl", STACK_ID, "arn:change-set/1", creates, changes_)


def plan(cloudformation, naps, parameters=None, tags=None, keep=()):
    return change_sets.plan(
        cloudformation.client, "labelctl", "{}", parameters or {}, tags or {}, keep=keep, sleep=naps
    )


def change_sets_of(cloudformation, **statuses):
    """The change sets of the stack. The one with the key 1 is the plan's."""
    cloudformation.answers(
        "list_change_sets",
        {
            "Summaries": [
                {"ChangeSetId": f"arn:change-set/{key[1:]}", "Status": status}
                for key, status in statuses.items()
            ]
        },
    )


# ---- planning


def test_a_new_stack_is_created(cloudformation, naps):
    cloudformation.no_stack()
    cloudformation.answers(
        "create_change_set",
        {"Id": "arn:change-set/1", "StackId": STACK_ID},
        StackName="labelctl",
        ChangeSetName=ANY,
        ChangeSetType="CREATE",
        TemplateBody="{}",
        Parameters=[{"ParameterKey": "CodeKey", "ParameterValue": "a.zip"}],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "team", "Value": "a"}],
    )
    for status in ("CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
        cloudformation.answers(
            "describe_change_set", {"Status": status, "Changes": [modify(action="Add")]}
        )

    made = plan(cloudformation, naps, {"CodeKey": "a.zip"}, {"team": "a"}, keep=["MaxLabels"])

    assert made.creates
    assert [(change.action, change.name) for change in made.changes] == [("Add", "Photos")]
    assert naps == [0.3, 0.5]


def test_stack_in_review_is_created(cloudformation, naps):
    cloudformation.stack("REVIEW_IN_PROGRESS")
    cloudformation.answers(
        "create_change_set",
        {"Id": "arn:change-set/1", "StackId": STACK_ID},
        StackName="labelctl",
        ChangeSetName=ANY,
        ChangeSetType="CREATE",
        TemplateBody="{}",
        Parameters=[],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "application", "Value": "labelctl"}],
    )
    cloudformation.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})
    assert plan(cloudformation, naps, keep=["MaxLabels"]).creates


def test_omitted_settings_and_existing_tags_are_kept(cloudformation, naps):
    cloudformation.stack(
        "UPDATE_COMPLETE",
        Parameters=[
            {"ParameterKey": "MaxLabels", "ParameterValue": "7"},
            {"ParameterKey": "Concurrency", "ParameterValue": "5"},
            {"ParameterKey": "CodeKey", "ParameterValue": "old.zip"},
        ],
        Tags=[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}],
    )
    cloudformation.answers(
        "create_change_set",
        {"Id": "arn:change-set/1", "StackId": STACK_ID},
        StackName="labelctl",
        ChangeSetName=ANY,
        ChangeSetType="UPDATE",
        TemplateBody="{}",
        Parameters=[
            {"ParameterKey": "Concurrency", "ParameterValue": "9"},
            {"ParameterKey": "MaxLabels", "UsePreviousValue": True},
        ],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[
            {"Key": "team", "Value": "b"},
            {"Key": "cost", "Value": "1"},
            {"Key": "new", "Value": "1"},
        ],
    )
    cloudformation.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})
    # A parameter that is new in the template has no previous value to keep.
    keep = ["MaxLabels", "Concurrency", "NewSetting"]
    made = plan(cloudformation, naps, {"Concurrency": "9"}, {"team": "b", "new": "1"}, keep)
    assert not made.creates


def test_tag_keys_ignore_case():
    """IAM rejects two keys that differ only in case."""
    ours, deployed = {"application": "labelctl"}, {"Team": "a", "Application": "photos"}
    assert change_sets.merge_tags(ours, {}, {"Application": "x"}) == {"Application": "x"}
    assert change_sets.merge_tags(ours, deployed, {"team": "b"}) == {
        "Application": "photos",
        "team": "b",
    }


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to create "
        "a change set.",
        "No updates are to be performed.",
    ],
)
def test_plan_without_changes_is_not_a_failure(cloudformation, naps, reason):
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.change_set("CREATE_PENDING", "FAILED", reason=reason)
    cloudformation.answers("delete_change_set", {}, ChangeSetName="arn:change-set/1")
    assert plan(cloudformation, naps).change_set is None


def test_plan_that_changes_only_outputs_is_executed(cloudformation, naps):
    """Such a change set contains no changes."""
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.change_set("CREATE_COMPLETE")
    made = plan(cloudformation, naps)
    assert made.changes == []
    cloudformation.runs(cloudformation.event("labelctl", "UPDATE_COMPLETE"))
    followed = change_sets.execute(cloudformation.client, made, sleep=naps)
    assert [each.status for each in followed] == ["UPDATE_COMPLETE"]


def test_failed_plan_is_explained_and_discarded(cloudformation, naps):
    cloudformation.no_stack()
    cloudformation.change_set("FAILED", reason="Transform failed")
    cloudformation.answers("delete_change_set", {}, ChangeSetName="arn:change-set/1")
    cloudformation.stack("REVIEW_IN_PROGRESS")
    change_sets_of(cloudformation)
    cloudformation.runs(cloudformation.event("labelctl", "DELETE_COMPLETE"), method="delete_stack")
    with pytest.raises(DeployError, match="Transform failed"):
        plan(cloudformation, naps)


def test_rejected_template_raises_the_error(cloudformation, naps):
    cloudformation.no_stack()
    cloudformation.refuses("create_change_set", "InsufficientCapabilitiesException", "CAPABILITY_X")
    with pytest.raises(ClientError, match="CAPABILITY_X"):
        plan(cloudformation, naps)


def test_changes_are_read_from_all_pages(cloudformation, naps):
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.answers("create_change_set", {"Id": "arn:change-set/1", "StackId": STACK_ID})
    page = {"Status": "CREATE_COMPLETE", "Changes": [modify("A")]}
    cloudformation.answers("describe_change_set", {**page, "NextToken": "more"})
    cloudformation.answers("describe_change_set", {**page, "Changes": [modify("B")]})
    assert [change.name for change in plan(cloudformation, naps).changes] == ["A", "B"]


@pytest.mark.parametrize(
    ("change", "action", "loses"),
    [
        (modify(replacement="False"), "Modify", False),
        (modify(replacement="True"), "Replace", True),
        (modify(replacement="Conditional"), "May replace", True),
        (modify(action="Remove"), "Remove", True),
        (modify(action="Add"), "Add", False),
        (modify(action="Import"), "Import", False),
        (modify(type="AWS::DynamoDB::Table", replacement="True"), "Replace", True),
        (modify(type="AWS::SQS::Queue", replacement="Conditional"), "May replace", True),
        (modify(type="AWS::Lambda::Function", replacement="True"), "Replace", False),
    ],
)
def test_changes_that_lose_data_are_recognized(cloudformation, naps, change, action, loses):
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.change_set("CREATE_COMPLETE", changes=[change])
    (planned_change,) = plan(cloudformation, naps).changes
    assert (planned_change.action, planned_change.loses_data) == (action, loses)


def test_change_lists_the_properties_that_cause_it(cloudformation, naps):
    details = [
        {"Target": {"Attribute": "Properties", "Name": "Timeout"}},
        {"Target": {"Attribute": "Properties", "Name": "Timeout"}},
        {"Target": {"Attribute": "Tags"}},
        {"ChangeSource": "Automatic"},
    ]
    cloudformation.stack("CREATE_COMPLETE")
    cloudformation.change_set("CREATE_COMPLETE", changes=[modify(details=details)])
    assert plan(cloudformation, naps).changes[0].why == "Tags, Timeout"


def test_discarding_an_update_keeps_the_stack(cloudformation):
    cloudformation.answers("delete_change_set", {}, ChangeSetName="arn:change-set/1")
    change_sets.discard(cloudformation.client, planned())


def test_discarding_the_first_plan_deletes_the_empty_stack(cloudformation):
    cloudformation.answers("delete_change_set", {}, ChangeSetName="arn:change-set/1")
    cloudformation.stack("REVIEW_IN_PROGRESS")
    change_sets_of(cloudformation)
    cloudformation.runs(cloudformation.event("labelctl", "DELETE_COMPLETE"), method="delete_stack")
    change_sets.discard(cloudformation.client, planned(creates=True))


def test_unfinished_change_set_is_deleted_with_its_empty_stack(cloudformation):
    cloudformation.refuses("delete_change_set", "InvalidChangeSetStatus", "CREATE_IN_PROGRESS")
    cloudformation.stack("REVIEW_IN_PROGRESS")
    change_sets_of(cloudformation, _1="CREATE_IN_PROGRESS", _2="FAILED")
    cloudformation.runs(cloudformation.event("labelctl", "DELETE_COMPLETE"), method="delete_stack")
    change_sets.discard(cloudformation.client, planned(creates=True))


def test_discarding_keeps_a_stack_deployed_by_another_user(cloudformation):
    cloudformation.refuses("delete_change_set", "ChangeSetNotFound", "gone")
    cloudformation.stack("CREATE_IN_PROGRESS")
    change_sets.discard(cloudformation.client, planned(creates=True))


def test_discarding_keeps_a_stack_that_another_user_has_planned(cloudformation):
    """Of two first deploys at once, the one that fails must not delete the other's stack."""
    cloudformation.answers("delete_change_set", {}, ChangeSetName="arn:change-set/1")
    cloudformation.stack("REVIEW_IN_PROGRESS")
    change_sets_of(cloudformation, _2="CREATE_COMPLETE")
    change_sets.discard(cloudformation.client, planned(creates=True))


RACES = [
    ("AlreadyExistsException", "Stack [labelctl] already exists"),
    ("ValidationError", "Stack [labelctl] already exists and cannot be created again with the ..."),
    ("ValidationError", "Stack:arn is in CREATE_IN_PROGRESS state and can not be updated."),
]


@pytest.mark.parametrize(("code", "message"), RACES)
def test_loser_of_two_first_deploys_gets_a_sentence(cloudformation, naps, code, message):
    cloudformation.no_stack()
    cloudformation.refuses("create_change_set", code, message)
    with pytest.raises(RefusedError, match="is being changed by another process") as caught:
        plan(cloudformation, naps)
    assert "labelctl status" in caught.value.hint


def test_plan_that_another_deploy_has_removed(cloudformation, naps):
    cloudformation.no_stack()
    cloudformation.answers("create_change_set", {"Id": "arn:change-set/1", "StackId": STACK_ID})
    cloudformation.refuses("describe_change_set", "ChangeSetNotFound", "does not exist")
    cloudformation.refuses("delete_change_set", "ChangeSetNotFound", "does not exist")
    cloudformation.stack("CREATE_IN_PROGRESS")
    with pytest.raises(RefusedError, match="is being changed by another process"):
        plan(cloudformation, naps)


@pytest.mark.parametrize("code", ["ChangeSetNotFound", "InvalidChangeSetStatus"])
def test_executing_an_outdated_plan_is_refused(cloudformation, naps, code):
    cloudformation.look()
    cloudformation.refuses("execute_change_set", code, "gone")
    with pytest.raises(RefusedError, match="is being changed by another process"):
        list(change_sets.execute(cloudformation.client, planned(), sleep=naps))


def test_stack_deleted_without_events_ends_the_wait(cloudformation, naps):
    cloudformation.runs(method="delete_stack")
    for _ in range(3):
        cloudformation.look()
    cloudformation.stack("DELETE_COMPLETE")
    assert list(change_sets.remove(cloudformation.client, STACK_ID, sleep=naps)) == []
