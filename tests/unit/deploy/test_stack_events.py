"""Following a change by its stack events, with recorded responses."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from labelctl.deploy import change_sets, stack_events
from labelctl.deploy.stack import find
from labelctl.errors import DeployError, RefusedError
from tests.unit.conftest import STACK_ID


def planned(creates=False, changes_=("one",)):
    return change_sets.Plan("labelctl", STACK_ID, "arn:change-set/1", creates, changes_)


# ---- following


def test_events_come_once_and_oldest_first(cloudformation, naps):
    event = cloudformation.event
    old = [event("labelctl", "CREATE_COMPLETE"), event("Photos", "CREATE_COMPLETE")]
    new = [event("labelctl", "UPDATE_IN_PROGRESS"), event("Queue", "UPDATE_IN_PROGRESS")]
    newer = [
        event("Queue", "UPDATE_COMPLETE"),
        event("labelctl", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
    ]
    end = [event("labelctl", "UPDATE_COMPLETE")]
    cloudformation.look(*old, pages=2)
    cloudformation.answers("execute_change_set", {}, ChangeSetName="arn:change-set/1")
    cloudformation.look(*old)  # no new event yet
    cloudformation.look(*old, *new)
    cloudformation.look(*old, *new, *newer)
    cloudformation.look(*old, *new, *newer, *end)

    followed = list(change_sets.execute(cloudformation.client, planned(), sleep=naps))

    assert [(each.name, each.status) for each in followed] == [
        ("labelctl", "UPDATE_IN_PROGRESS"),
        ("Queue", "UPDATE_IN_PROGRESS"),
        ("Queue", "UPDATE_COMPLETE"),
        ("labelctl", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),  # not final
        ("labelctl", "UPDATE_COMPLETE"),
    ]
    assert naps == [0.3, 0.5, 1.0]


def test_new_events_are_read_from_all_pages(cloudformation, naps):
    event = cloudformation.event
    events = [event("labelctl", "CREATE_IN_PROGRESS")]
    events += [event(f"R{number}", "CREATE_COMPLETE") for number in range(7)]
    events += [event("labelctl", "CREATE_COMPLETE")]
    cloudformation.look()
    cloudformation.answers("execute_change_set", {})
    cloudformation.look(*events, pages=3)
    followed = list(change_sets.execute(cloudformation.client, planned(), sleep=naps))
    assert [each.id for each in followed] == [each["EventId"] for each in events]


def test_requests_become_less_frequent(cloudformation, naps):
    cloudformation.look()
    cloudformation.answers("execute_change_set", {})
    for _ in range(10):
        cloudformation.look()
    cloudformation.look(cloudformation.event("labelctl", "CREATE_COMPLETE"))
    list(change_sets.execute(cloudformation.client, planned(), sleep=naps))
    assert naps == [0.3, 0.5, 1, 1, 2, 2, 3, 5, 5, 5]


def test_throttled_polls_are_repeated(cloudformation, naps):
    """Otherwise the deploy would continue without anybody who protects the stack at its end."""
    event = cloudformation.event
    cloudformation.look()
    cloudformation.answers("execute_change_set", {})
    for _ in range(4):
        cloudformation.refuses("describe_stack_events", "Throttling", "Rate exceeded")
    cloudformation.look(event("labelctl", "CREATE_COMPLETE"))
    followed = list(change_sets.execute(cloudformation.client, planned(), sleep=naps))
    assert [each.status for each in followed] == ["CREATE_COMPLETE"]
    assert naps == [1, 2, 4, 5]


def test_polls_are_not_repeated_after_a_refusal(cloudformation, naps):
    cloudformation.look()
    cloudformation.answers("execute_change_set", {})
    cloudformation.refuses("describe_stack_events", "ExpiredToken", "The token has expired")
    with pytest.raises(ClientError, match="ExpiredToken"):
        list(change_sets.execute(cloudformation.client, planned(), sleep=naps))


FAILURES = {
    "the first failure is the cause": [
        ("Role", "CREATE_FAILED", "API: iam:CreateRole denied"),
        ("Queue", "CREATE_FAILED", "Another failure"),
    ],
    "a cancellation never is": [
        ("Queue", "CREATE_FAILED", "Resource creation cancelled"),
        ("Role", "CREATE_FAILED", "API: iam:CreateRole denied"),
    ],
    "nor in an update": [
        ("Queue", "UPDATE_FAILED", "Resource update cancelled"),
        ("Role", "UPDATE_FAILED", "API: iam:CreateRole denied"),
    ],
}


@pytest.mark.parametrize("failed", FAILURES.values(), ids=FAILURES)
def test_failed_deploy_reports_its_root_cause(cloudformation, naps, failed):
    event = cloudformation.event
    cloudformation.runs(
        event("labelctl", "CREATE_IN_PROGRESS"),
        *[event(*each) for each in failed],
        event("labelctl", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed: [Role]"),
        event("Photos", "DELETE_FAILED", "fall-out of the rollback"),
        event("labelctl", "ROLLBACK_COMPLETE"),
    )
    with pytest.raises(DeployError) as caught:
        list(change_sets.execute(cloudformation.client, planned(), sleep=naps))
    assert "failed at Role" in caught.value.message
    assert "iam:CreateRole denied" in caught.value.message
    assert "deploy again" in caught.value.hint


@pytest.mark.parametrize(
    ("creates", "status"), [(True, "ROLLBACK_FAILED"), (False, "UPDATE_ROLLBACK_COMPLETE")]
)
def test_failed_first_deploy_can_be_given_up(cloudformation, naps, creates, status):
    """The rollback fails at the protected table. `deploy` and `destroy` remove the protection."""
    event = cloudformation.event
    cloudformation.runs(
        event("Role", "CREATE_FAILED", "denied"),
        event("PhotosTable", "DELETE_FAILED", "Resource cannot be deleted: deletion protection"),
        event("labelctl", status),
    )
    with pytest.raises(DeployError, match="failed at Role") as caught:
        list(change_sets.execute(cloudformation.client, planned(creates), sleep=naps))
    assert ("labelctl destroy" in caught.value.hint) is creates


def test_queue_policy_not_yet_in_effect_has_a_hint(cloudformation, naps):
    reason = "Unable to validate the following destination configurations (Service: S3)"
    cloudformation.runs(
        cloudformation.event("Photos", "CREATE_FAILED", reason),
        cloudformation.event("labelctl", "ROLLBACK_COMPLETE"),
    )
    with pytest.raises(DeployError) as caught:
        list(change_sets.execute(cloudformation.client, planned(), sleep=naps))
    assert "not yet in effect. Deploy again." in caught.value.hint


def test_stack_failure_without_a_failed_resource_has_the_stack_reason(cloudformation, naps):
    cloudformation.runs(
        cloudformation.event("labelctl", "UPDATE_ROLLBACK_COMPLETE", "Somebody cancelled it")
    )
    with pytest.raises(DeployError, match="Somebody cancelled it"):
        list(change_sets.execute(cloudformation.client, planned(), sleep=naps))


def test_root_cause_of_the_last_change_is_found_later(cloudformation):
    event = cloudformation.event
    cloudformation.look(
        event("labelctl", "CREATE_IN_PROGRESS"),
        event("Queue", "CREATE_FAILED", "an old story"),
        event("labelctl", "CREATE_IN_PROGRESS"),
        event("Table", "CREATE_FAILED", "Resource creation cancelled"),
        event("Role", "CREATE_FAILED", "the cause"),
        event("Photos", "CREATE_FAILED", "later"),
        event("labelctl", "ROLLBACK_COMPLETE"),
        pages=3,
    )
    cause = stack_events.root_cause(cloudformation.client, STACK_ID)
    assert cause is not None
    assert (cause.name, cause.reason) == ("Role", "the cause")


def test_no_root_cause(cloudformation):
    cloudformation.look(cloudformation.event("labelctl", "CREATE_COMPLETE"))
    assert stack_events.root_cause(cloudformation.client, STACK_ID) is None


# ---- deleting


def test_stack_is_deleted_by_its_id(cloudformation, naps):
    old = cloudformation.event("labelctl", "CREATE_COMPLETE")
    end = cloudformation.event("labelctl", "DELETE_COMPLETE")
    cloudformation.answers("describe_stack_events", {"StackEvents": [old]}, StackName=STACK_ID)
    cloudformation.answers("delete_stack", {}, StackName=STACK_ID)
    cloudformation.answers("describe_stack_events", {"StackEvents": [end, old]}, StackName=STACK_ID)
    followed = list(change_sets.remove(cloudformation.client, STACK_ID, sleep=naps))
    assert [each.status for each in followed] == ["DELETE_COMPLETE"]


def test_deleted_stack_ends_the_wait(cloudformation, naps):
    event = cloudformation.event
    cloudformation.look(event("labelctl", "CREATE_COMPLETE"), event("labelctl", "DELETE_COMPLETE"))
    assert list(change_sets.remove(cloudformation.client, STACK_ID, sleep=naps)) == []


def test_failed_deletion_reports_its_root_cause(cloudformation, naps):
    event = cloudformation.event
    cloudformation.runs(
        event("labelctl", "DELETE_IN_PROGRESS"),
        event("Photos", "DELETE_FAILED", "The bucket you tried to delete is not empty"),
        event("labelctl", "DELETE_FAILED", "The following resource(s) failed to delete: [Photos]"),
        method="delete_stack",
    )
    with pytest.raises(DeployError) as caught:
        list(change_sets.remove(cloudformation.client, STACK_ID, sleep=naps))
    assert '"labelctl" failed at Photos' in caught.value.message
    assert "not empty" in caught.value.message
    assert "rolled back" not in caught.value.hint  # deletions are not rolled back


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]
)
def test_stack_being_changed_is_busy(cloudformation, status):
    cloudformation.stack(status)
    with pytest.raises(RefusedError, match=status):
        change_sets.refuse_if_busy(find(cloudformation.client, "labelctl"))


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "UPDATE_COMPLETE", "ROLLBACK_FAILED"])
def test_settled_stack_is_not_busy(cloudformation, status):
    cloudformation.stack(status)
    change_sets.refuse_if_busy(find(cloudformation.client, "labelctl"))
