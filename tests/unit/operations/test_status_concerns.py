"""Concerns about the pipeline's state, and whether alarms are sent to anyone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber

from labelctl.aws.queues import QueueDepth
from labelctl.deploy.stack import Stack
from labelctl.operations import function_log, status
from tests.unit.conftest import REGION, STACK_ID
from tests.unit.status_values import FINE

CLOCK = 1893456000.0
TOPIC = "arn:aws:sns:eu-central-1:123456789012:labelctl-AlarmTopic"
STACK = Stack(
    name="labelctl",
    id=STACK_ID,
    status="CREATE_COMPLETE",
    reason="",
    parameters={"AlarmEmail": "Ops@example.com"},
    outputs={"AlarmTopic": TOPIC},
    tags={},
    protected=True,
    created=datetime(2030, 1, 1, tzinfo=UTC),
    updated=None,
)
THROTTLED = function_log.LogEntry(
    "2030-01-01T00:00:00.000Z", "a.jpg", "retrying", reason="throttled"
)


def since(**ago):
    return datetime.fromtimestamp(CLOCK, UTC) - timedelta(**ago)


def concerns_of(stack=STACK, **what):
    return [
        (concern.kind, concern.message, " && ".join(map(str, concern.commands)))
        for concern in status.concerns(replace(FINE, **what), stack, CLOCK)
    ]


@pytest.mark.parametrize(
    ("what", "concern"),
    [
        (
            {"failed": 2},
            ("failed", "2 photos could not be labelled.", "labelctl failures"),
        ),
        (
            {"dead_letters": QueueDepth(1, 1, 1)},
            (
                "dead_letters",
                "3 dead letters in the queue, after repeated errors.",
                "labelctl failures",
            ),
        ),
        (
            {"error_count": 1, "errors": (THROTTLED,)},
            (
                "function_errors",
                "1 function error in the last hour.",
                "labelctl tail --since 1h",
            ),
        ),
        (
            {"waiting_since": since(hours=12, minutes=5)},
            (
                "too_old",
                "The oldest waiting photo has been waiting for 12 hours.",
                "labelctl tail --since 1h",
            ),
        ),
        (
            {"has_notifications": False},
            (
                "no_notifications",
                "The bucket no longer reports new photos, because another tool has replaced its event"
                " notifications. To restore them, and to queue the photos that were missed:",
                "labelctl deploy && labelctl verify --repair",
            ),
        ),
        (
            {"has_notifications": False, "destroy_interrupted": True},
            (
                "destroy_interrupted",
                "The bucket no longer reports new photos: destroying the stack was interrupted.",
                "labelctl destroy",
            ),
        ),
        (
            {"mails_alarms": False},
            (
                "no_alarms",
                "Alarms will not be sent: Ops@example.com has not confirmed the link in AWS's email."
                " The link is valid for two days. To get a new one:",
                "labelctl deploy --no-alarm && labelctl deploy --alarm-email Ops@example.com",
            ),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_each_concern_names_the_thing_and_the_command(what, concern):
    assert concerns_of(**what) == [concern]


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"has_notifications": None},
        {"waiting_since": since(hours=11)},
        {"labelled": 7},
        {"mails_alarms": None},
        {"mails_alarms": True},
    ],
)
def test_what_is_well_or_not_known_is_no_concern(what):
    assert concerns_of(**what) == []


def test_what_is_too_old_was_chosen_at_the_deploy():
    chosen = replace(STACK, parameters={"AlarmAge": "600"})
    assert concerns_of(chosen, waiting_since=since(minutes=9)) == []
    assert [kind for kind, *_ in concerns_of(chosen, waiting_since=since(minutes=11))] == [
        "too_old"
    ]


def test_the_gravest_comes_first():
    kinds = [
        kind
        for kind, *_ in concerns_of(
            failed=1,
            dead_letters=QueueDepth(1, 0, 0),
            error_count=1,
            waiting_since=since(days=3),
            has_notifications=False,
            mails_alarms=False,
        )
    ]
    assert kinds == [
        "no_notifications",
        "dead_letters",
        "too_old",
        "function_errors",
        "no_alarms",
        "failed",
    ]


# ---- whether an alarm would reach anybody


@pytest.fixture
def sns():
    client = boto3.client(
        "sns", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        client.stub = stub
        yield client
        stub.assert_no_pending_responses()


def subscribed(address, arn=f"{TOPIC}:5be8f5b9"):
    whose = {"Owner": "123456789012", "TopicArn": TOPIC}
    return {"SubscriptionArn": arn, "Protocol": "email", "Endpoint": address, **whose}


@pytest.mark.parametrize(
    ("subscriptions", "reaches"),
    [
        ([subscribed("Ops@example.com")], True),
        ([subscribed("ops@example.com")], True),
        # The words that SNS has in place of an ARN. [SNS, Subscribe; Unsubscribe]
        ([subscribed("Ops@example.com", "PendingConfirmation")], False),
        ([subscribed("Ops@example.com", "Deleted")], False),
        ([subscribed("somebody@example.com")], False),
        ([], False),
    ],
)
def test_an_alarm_reaches_who_has_clicked_the_link(sns, subscriptions, reaches):
    answer = {"Subscriptions": subscriptions}
    sns.stub.add_response("list_subscriptions_by_topic", answer, {"TopicArn": TOPIC})
    assert status.mails_alarms(sns, STACK) is reaches


def test_others_may_have_subscribed_in_great_number(sns):
    first = {"Subscriptions": [subscribed(f"{n}@example.com") for n in range(100)]}
    ours = {"Subscriptions": [subscribed("Ops@example.com")]}
    name = "list_subscriptions_by_topic"
    sns.stub.add_response(name, first | {"NextToken": "more"}, {"TopicArn": TOPIC})
    sns.stub.add_response(name, ours, {"TopicArn": TOPIC, "NextToken": "more"})
    assert status.mails_alarms(sns, STACK) is True


def test_a_deleted_topic_sends_no_alarms(sns):
    sns.stub.add_client_error("list_subscriptions_by_topic", "NotFound", "Topic does not exist")
    assert status.mails_alarms(sns, STACK) is False


def test_without_alarms_sns_is_not_asked(sns):
    assert status.mails_alarms(sns, replace(STACK, outputs={})) is None
