"""What `labelctl status` says when not all is well, and the alarms that a deploy may set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.conftest import User, until
from tests.e2e.pipeline import stop_the_function

Client = Callable[[str], Any]


def outputs(user: User) -> dict[str, str]:
    found: dict[str, str] = user("status", "-o", "json").json["outputs"]
    return found


def warnings(user: User) -> list[tuple[str, str]]:
    answer = user("status", "-o", "json").json["warnings"]
    return [(each["kind"], each["command"]) for each in answer]


def test_what_needs_an_eye_is_said_with_the_command_that_helps(stack: User, client: Client) -> None:
    flags = f"--local --stack {stack.env['LABELCTL_STACK']}"
    assert warnings(stack) == []
    assert stack("status").err == ""
    notices_replaced_notifications(stack, client)
    stop_the_function(stack, client)
    sqs, made = client("sqs"), stack.outputs
    sqs.send_message(QueueUrl=made["DeadLetterQueue"], MessageBody="no JSON")
    sent = datetime.now(UTC)
    sqs.send_message(QueueUrl=made["Queue"], MessageBody="no JSON either")
    since = until(lambda: stack("status", "-o", "json").json["photos"]["waiting_since"])

    answer = stack("status")

    assert answer.err.splitlines() == [
        "1 dead letter in the queue, after repeated errors.",
        f"Next: labelctl failures {flags}",
    ]
    assert ["dead letters", "1"] in answer.rows
    # CloudWatch has figures of whole minutes, and labelctl shows whole seconds.
    late = sent - datetime.fromisoformat(since)
    assert timedelta(seconds=-1) <= late < timedelta(minutes=1, seconds=2)
    assert [row[0] for row in answer.rows].count("waiting since") == 1
    assert stack("status", "--quiet").err == answer.err
    as_json = stack("status", "-o", "json")
    assert as_json.err == ""
    assert as_json.json["warnings"] == [
        {
            "kind": "dead_letters",
            "message": "1 dead letter in the queue, after repeated errors.",
            "command": f"labelctl failures {flags}",
        }
    ]
    shows_the_rest_without_metrics(stack, client)


def notices_replaced_notifications(stack: User, client: Client) -> None:
    """Another tool replaced the bucket's notifications: a deploy restores them."""
    client("s3").put_bucket_notification_configuration(
        Bucket=stack.outputs["PhotosBucket"], NotificationConfiguration={}
    )

    answer = stack("status").err

    assert answer.startswith("The bucket no longer reports new photos")
    assert (
        f"Next: labelctl deploy --local --stack {stack.env['LABELCTL_STACK']} && labelctl" in answer
    )
    assert "would restore the bucket's event notifications" in stack("deploy", "--dry-run").err
    assert "Restored the event notifications" in stack("deploy").err
    assert "no longer reports" not in stack("status").err


def shows_the_rest_without_metrics(stack: User, client: Client) -> None:
    """Somebody without a permission for CloudWatch sees what other services answer."""
    iam = client("iam")
    name = "no-metrics-" + stack.env["LABELCTL_STACK"]
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(
        UserName=name,
        PolicyName="some",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",'
        ' "Action": ["cloudformation:*", "sqs:*", "logs:*", "dynamodb:*"]}]}',
    )
    user = replace(
        stack,
        env={name: value for name, value in stack.env.items() if name != "LABELCTL_LOCAL"}
        | {
            "AWS_ENDPOINT_URL": client("sqs").meta.endpoint_url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        },
    )

    answer = user("status", "--verbose")

    assert (
        int(dict(row[:2] for row in answer.rows)["waiting"]) >= 1
    )  # S3's test events may wait too
    unknown = [line for line in answer.err.splitlines() if line.startswith("Unknown: ")]
    assert len(unknown) == 2
    assert "cloudwatch:GetMetricStatistics" in unknown[0]
    assert user("status").err.startswith("1 dead letter in the queue")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="some")
    iam.delete_user(UserName=name)


def alarms(client: Client, stack: str) -> dict[str, str]:
    """The states of a stack's alarms, by their names in the template."""
    found = client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack}-")["MetricAlarms"]
    return {
        alarm["AlarmName"].removeprefix(f"{stack}-").partition("-")[0]: alarm["StateValue"]
        for alarm in found
    }


QUIET = dict.fromkeys(
    ("DeadLettersAlarm", "WaitingAlarm", "FunctionErrorsAlarm", "RetriesAlarm"), "OK"
)


def test_alarms_are_set_kept_moved_and_taken_away(stack: User, client: Client) -> None:
    name = stack.env["LABELCTL_STACK"]
    assert alarms(client, name) == {}
    assert ["alarm email", "none"] in stack("status").rows

    first = stack("deploy", "--alarm-email", "Ops@example.com", "--alarm-age", "2h")

    assert "Ops@example.com" in first.err
    assert alarms(client, name) == QUIET
    topic = outputs(stack)["AlarmTopic"]
    (mail,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "Ops@example.com")
    client("sqs").send_message(QueueUrl=stack.outputs["DeadLetterQueue"], MessageBody="x")
    assert alarms(client, name) == QUIET | {"DeadLettersAlarm": "ALARM"}

    again = stack("deploy", "-o", "json").json
    assert again["changes"] == []
    assert again["settings"]["alarm_email"] == "Ops@example.com"
    rows = stack("status").rows
    assert ["alarm email", "Ops@example.com"] in rows
    assert ["alarm age", "2 hours"] in rows

    other = stack("deploy", "--alarm-email", "dev@example.com", "-o", "json").json
    assert [change["resource"] for change in other["changes"]] == ["AlarmSubscription"]
    (mail,) = client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert mail["Endpoint"] == "dev@example.com"

    gone = stack("deploy", "--no-alarm", "-o", "json").json
    assert {(change["action"], change["resource"]) for change in gone["changes"]} == {
        ("Remove", name) for name in (*QUIET, "Retries", "AlarmTopic", "AlarmSubscription")
    }
    assert alarms(client, name) == {}
    assert gone["settings"]["alarm_email"] is None
    assert topic not in {each["TopicArn"] for each in client("sns").list_topics()["Topics"]}
