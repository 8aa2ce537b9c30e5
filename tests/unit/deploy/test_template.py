"""The template: what it promises about safety and operation, and that it fits the code beside it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cfnlint.api import lint_file
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from labelctl.cli.commands import deploy
from labelctl.contract import schema
from labelctl.deploy import assets, package, stack
from tests.unit.photo_events import event

TEMPLATES = sorted(assets.folder("cloudformation").glob("*.yaml"))


@pytest.fixture
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return template["Resources"]


@pytest.fixture
def properties(resources: dict[str, Any]) -> dict[str, Any]:
    """The properties of each resource by its name."""
    return {name: resource["Properties"] for name, resource in resources.items()}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements that allow something, of the role and of the policies of queue and bucket."""
    documents = [policy["PolicyDocument"] for policy in properties["Role"]["Policies"]]
    documents += [properties[name]["PolicyDocument"] for name in ("QueuePolicy", "PhotosPolicy")]
    for document in documents:
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                yield statement


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_cfn_lint_finds_nothing(path: Path):
    assert lint_file(path) == []


def test_both_templates_are_there():
    assert [path.name for path in TEMPLATES] == ["artifacts.yaml", "template.yaml"]


def test_every_resource_that_can_have_tags_has_them(resources):
    def taggable(kind: str) -> bool:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        return "Tags" in schema["properties"]

    tagged = {name for name, one in resources.items() if taggable(one["Type"])}
    assert {"Photos", "Queue", "PhotosTable", "LabelsTable", "Function", "Role"} <= tagged
    for name in tagged:
        assert {"Key": "application", "Value": "labelctl"} in resources[name]["Properties"]["Tags"]


def test_no_resource_has_a_name_of_its_own(properties):
    # Names would forbid a second stack, and ask for CAPABILITY_NAMED_IAM.
    own = re.compile("(Bucket|Queue|Table|Function|Role|LogGroup)Name$")
    named = {
        (resource, name)
        for resource, given in properties.items()
        for name in given
        if own.search(name)
    }
    # Which they work for.
    assert named == {("QueueToFunction", "FunctionName"), ("Retries", "LogGroupName")}


def test_parameters_and_outputs_are_described(template):
    for one in (*template["Parameters"].values(), *template["Outputs"].values()):
        assert re.fullmatch(r"[A-Z].*\.", one["Description"])


def test_the_settings_of_the_command_line_are_the_parameters(template):
    assert {*stack.SETTINGS, "CodeBucket", "CodeKey"} == template["Parameters"].keys()
    for name in stack.SETTINGS:
        assert "Default" in template["Parameters"][name]
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_the_outputs_are_those_that_a_stack_asks_for(template):
    source = Path(stack.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'outputs\["(\w+)"\]', source)) <= template["Outputs"].keys()


def test_only_detect_labels_is_allowed_on_everything(properties):
    wide = [one for one in allowed(properties) if "*" in listed(one["Resource"])]
    assert [listed(one["Action"]) for one in wide] == [["rekognition:DetectLabels"]]


def test_no_right_is_given_by_a_pattern(properties):
    actions = [action for one in allowed(properties) for action in listed(one["Action"])]
    assert len(actions) >= 10
    assert not [action for action in actions if "*" in action]
    assert "logs:CreateLogGroup" not in actions  # else the group comes back when the stack is gone


def test_only_this_account_s_buckets_may_send_to_the_queue(properties):
    [statement] = properties["QueuePolicy"]["PolicyDocument"]["Statement"][:1]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


@pytest.mark.parametrize("policy", ["PhotosPolicy", "QueuePolicy"])
def test_nobody_comes_without_tls(policy, properties):
    denied = [
        one
        for one in properties[policy]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Deny" and one["Principal"] == "*"
    ]
    assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_the_bucket_is_closed_to_the_public_and_keeps_versions(properties):
    assert set(properties["Photos"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["Photos"]["PublicAccessBlockConfiguration"]) == 4
    assert properties["Photos"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_bucket_waits_for_the_policy_that_lets_it_send(resources):
    assert resources["Photos"]["DependsOn"] == "QueuePolicy"


def test_what_s3_tells_is_what_the_function_understands(properties):
    configurations = properties["Photos"]["NotificationConfiguration"]["QueueConfigurations"]
    assert sorted(one["Event"] for one in configurations) == [
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:ObjectCreated:*",
        "s3:ObjectRemoved:*",
    ]


def test_a_message_is_not_handed_out_again_while_it_is_worked_on(properties):
    # [Lambda, Using Lambda with Amazon SQS: 6 times the function's timeout]
    assert properties["Queue"]["VisibilityTimeout"] >= 6 * properties["Function"]["Timeout"]
    assert properties["Queue"]["RedrivePolicy"]["maxReceiveCount"] >= 5


def test_a_photo_gives_up_before_the_function_is_ended(template, function):
    """Otherwise one that hangs takes the nine others of its batch along."""
    attempt = function.clients.CONNECT_SECONDS + function.clients.READ_SECONDS
    longest = function.clients.ATTEMPTS * attempt * 2  # Rekognition, then the table
    assert longest < template["Resources"]["Function"]["Properties"]["Timeout"]


def test_what_keeps_failing_is_kept(properties):
    redrive = properties["Queue"]["RedrivePolicy"]["deadLetterTargetArn"]
    assert redrive == {"Fn::GetAtt": "DeadLetters.Arn"}
    assert properties["Queue"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert properties["DeadLetters"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_an_outage_may_last_for_days(properties, function):
    """Before SQS sets a photo aside that is put off and put off; and it does, before it deletes it."""
    redelivery = sys.modules["redelivery"]
    receives = properties["Queue"]["RedrivePolicy"]["maxReceiveCount"]
    longest = sum(
        min(redelivery.FIRST_DELAY * 2**number, redelivery.LONGEST_DELAY)
        for number in range(receives)
    )
    assert longest // 2 > 2 * 24 * 3600  # each delay is at least the half of it
    assert longest < properties["Queue"]["MessageRetentionPeriod"]


def test_a_tombstone_outlives_both_queues(function: ModuleType, properties):
    waits = [properties[name]["MessageRetentionPeriod"] for name in ("Queue", "DeadLetters")]
    assert sum(waits) <= function.TOMBSTONE_SECONDS


def test_a_batch_is_what_the_function_works_on_at_once(function: ModuleType, properties):
    mapping = properties["QueueToFunction"]
    assert mapping["BatchSize"] == function.clients.BATCH
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_function_s_environment_is_what_it_reads(properties):
    sources = [path.read_text(encoding="utf-8") for path in assets.folder("lambda").glob("*.py")]
    read = set(re.findall(r'environ\["(\w+)"\]', "".join(sources)))
    assert read == properties["Function"]["Environment"]["Variables"].keys()


def test_the_function_has_no_more_rights_on_each_table_than_it_uses(properties):
    rights = {
        one["Resource"]["Fn::GetAtt"]: listed(one["Action"])
        for one in allowed(properties)
        if any(action.startswith("dynamodb:") for action in listed(one["Action"]))
    }
    assert rights == {
        "PhotosTable.Arn": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "LabelsTable.Arn": ["dynamodb:Query", "dynamodb:BatchWriteItem"],
    }


def test_the_function_s_entry_is_in_the_zip(function: ModuleType, properties):
    module, _, name = properties["Function"]["Handler"].partition(".")
    assert callable(getattr(function, name))
    assert f"{module}.py".encode() in package.build().content


def keys(described):
    return [key["AttributeName"] for key in described["KeySchema"]]


@pytest.mark.parametrize(
    ("table", "of_table", "indexes"),
    [
        ("PhotosTable", ["image"], {schema.STATE_INDEX: ["state_shard", "done_at"]}),
        ("LabelsTable", ["label", "rank"], {schema.DATE_INDEX: ["label", "uploaded_at"]}),
    ],
)
def test_the_keys_are_the_schema_s(table, of_table, indexes, properties):
    described = properties[table]
    assert keys(described) == of_table
    found = {index["IndexName"]: keys(index) for index in described["GlobalSecondaryIndexes"]}
    assert found == indexes


def test_the_items_have_what_the_indexes_show(properties):
    answer = {"Labels": [{"Name": "Dog", "Confidence": 90.5}]}
    labelled = schema.labelled_item(event(), "6a1f9c0d2e4b7788", answer, "now")
    failed = schema.failed_item(event(), "6a1f9c0d2e4b7788", "Empty", "It is empty.", "now")
    for table, items in (
        ("PhotosTable", [labelled, failed]),
        ("LabelsTable", schema.index_items(labelled)),
    ):
        [index] = properties[table]["GlobalSecondaryIndexes"]
        shown = {*keys(index), *index["Projection"]["NonKeyAttributes"]}
        assert shown <= {name for item in items for name in item}
        assert all({*keys(properties[table]), *keys(index)} <= item.keys() for item in items)


def test_a_removed_photo_s_item_expires(properties):
    assert properties["PhotosTable"]["TimeToLiveSpecification"] == {
        "AttributeName": "expires",
        "Enabled": True,
    }


@pytest.mark.parametrize(
    ("name", "deletion", "replacement"),
    [
        ("Photos", "Delete", "Retain"),
        ("PhotosTable", "Delete", "Retain"),
        ("LabelsTable", "Delete", "Delete"),
        ("LogGroup", "Delete", "Delete"),
    ],
)
def test_what_becomes_of_data_is_said(name, deletion, replacement, resources):
    assert resources[name]["DeletionPolicy"] == deletion
    assert resources[name]["UpdateReplacePolicy"] == replacement


def test_the_table_that_nothing_can_make_again_is_guarded(properties):
    assert properties["PhotosTable"]["DeletionProtectionEnabled"] is True
    assert properties["PhotosTable"]["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True
    }


ALARMS = ("DeadLettersAlarm", "WaitingAlarm", "FunctionErrorsAlarm", "RetriesAlarm")


def test_without_an_address_there_is_nothing_of_alarms(template, resources):
    of_alarms = {name for name in resources if name.startswith("Alarm") or name.endswith("Alarm")}
    assert of_alarms == {"AlarmTopic", "AlarmSubscription", *ALARMS}
    assert {resources[name]["Condition"] for name in of_alarms} == {"Alarm"}
    assert template["Outputs"]["AlarmTopic"]["Condition"] == "Alarm"
    assert template["Parameters"]["AlarmEmail"]["Default"] == ""
    empty = {"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}
    assert template["Conditions"]["Alarm"] == {"Fn::Not": [empty]}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_whoever_asked_for_it_and_what_helps(name, properties):
    alarm = properties[name]
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert "labelctl " in alarm["AlarmDescription"]["Fn::Sub"]
    assert "--stack ${AWS::StackName}" in alarm["AlarmDescription"]["Fn::Sub"]
    assert properties["AlarmSubscription"]["TopicArn"] == {"Ref": "AlarmTopic"}
    assert properties["AlarmSubscription"]["Endpoint"] == {"Ref": "AlarmEmail"}
    # CloudWatch may not use the key that AWS keeps for SNS: its mails would get lost.
    assert "KmsMasterKeyId" not in properties["AlarmTopic"]


def test_the_alarm_on_retries_counts_what_the_function_logs(properties):
    counted, alarm = properties["Retries"], properties["RetriesAlarm"]
    [metric] = counted["MetricTransformations"]
    assert (metric["MetricNamespace"], metric["MetricName"]) == (
        alarm["Namespace"],
        alarm["MetricName"],
    )
    assert counted["FilterPattern"] == '{ $.status = "retrying" }'  # lambda/redelivery.py says so
    assert counted["LogGroupName"] == {"Ref": "LogGroup"}
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 3600


@pytest.mark.parametrize("name", ALARMS)
def test_a_queue_that_nobody_uses_is_no_alarm(name, properties):
    """Its metrics stop after six hours. [SQS, Available CloudWatch metrics]"""
    assert properties[name]["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("name", "metric", "dimension", "of"),
    [
        (
            "DeadLettersAlarm",
            "AWS/SQS ApproximateNumberOfMessagesVisible",
            "QueueName",
            {"Fn::GetAtt": "DeadLetters.QueueName"},
        ),
        (
            "WaitingAlarm",
            "AWS/SQS ApproximateAgeOfOldestMessage",
            "QueueName",
            {"Fn::GetAtt": "Queue.QueueName"},
        ),
        ("FunctionErrorsAlarm", "AWS/Lambda Errors", "FunctionName", {"Ref": "Function"}),
    ],
)
def test_an_alarm_watches_what_it_says(name, metric, dimension, of, properties):
    alarm = properties[name]
    assert f"{alarm['Namespace']} {alarm['MetricName']}" == metric
    assert alarm["Dimensions"] == [{"Name": dimension, "Value": of}]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_one_photo_that_crashes_the_function_again_and_again_is_an_alarm(properties):
    """It comes back when its message is visible again, so not in every period."""
    alarm = properties["FunctionErrorsAlarm"]
    watched = alarm["Period"] * alarm["EvaluationPeriods"]
    crashes = watched // properties["Queue"]["VisibilityTimeout"]
    assert 1 < alarm["DatapointsToAlarm"] < crashes


def test_a_photo_may_wait_as_long_as_the_command_line_says(template, properties):
    age = template["Parameters"]["AlarmAge"]
    assert age["Default"] == stack.ALARM_AGE
    assert (age["MinValue"], age["MaxValue"]) == deploy.AGES
    assert properties["WaitingAlarm"]["Threshold"] == {"Ref": "AlarmAge"}
    assert age["MaxValue"] < properties["Queue"]["MessageRetentionPeriod"]
    # A million photos at once, at the default quota of 50 a second, are no alarm.
    assert age["Default"] > 1_000_000 / 50
