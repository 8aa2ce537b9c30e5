"""The template: security, operation, and consistency with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from labelctl.cli.commands import _option_values
from labelctl.contract import schema
from labelctl.deploy import assets, package, stack
from labeller import clients, redelivery
from labeller.handler import TOMBSTONE_SECONDS
from tests.unit.photo_events import event

TEMPLATES = sorted(assets.asset_folder("cloudformation").glob("*.yaml"))


@pytest.fixture
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return template["Resources"]


@pytest.fixture
def properties(resources: dict[str, Any]) -> dict[str, Any]:
    """The properties of each resource, by its logical name."""
    return {name: resource["Properties"] for name, resource in resources.items()}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The Allow statements of the role and of the queue and bucket policies."""
    documents = [policy["PolicyDocument"] for policy in properties["Role"]["Policies"]]
    documents += [properties[name]["PolicyDocument"] for name in ("QueuePolicy", "PhotosPolicy")]
    for document in documents:
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                yield statement


def test_both_templates_exist():
    assert [path.name for path in TEMPLATES] == ["artifacts.yaml", "template.yaml"]


def test_every_taggable_resource_is_tagged(resources):
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    def taggable(kind: str) -> bool:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        return "Tags" in schema["properties"]

    tagged = {name for name, one in resources.items() if taggable(one["Type"])}
    assert {"Photos", "Queue", "PhotosTable", "LabelsTable", "Function", "Role"} <= tagged
    for name in tagged - {"Role"}:
        assert {"Key": "application", "Value": "labelctl"} in resources[name]["Properties"]["Tags"]


def test_role_has_only_the_tags_of_the_stack(properties):
    """With `application` of its own, a stack's tag `Application` would make its creation fail."""
    assert "Tags" not in properties["Role"]


def test_no_resource_has_an_explicit_name(properties):
    # Names would prevent a second stack and require CAPABILITY_NAMED_IAM.
    own = re.compile("(Bucket|Queue|Table|Function|Role|LogGroup)Name$")
    named = {
        (resource, name)
        for resource, given in properties.items()
        for name in given
        if own.search(name)
    }
    # Which they work for.
    assert named == {("QueueToFunction", "FunctionName"), ("Retries", "LogGroupName")}


def test_parameters_and_outputs_have_descriptions(template):
    for one in (*template["Parameters"].values(), *template["Outputs"].values()):
        assert re.fullmatch(r"[A-Z].*\.", one["Description"])


def test_settings_match_the_parameters(template):
    assert {*stack.SETTINGS, stack.QUOTA, "CodeBucket", "CodeKey"} == template["Parameters"].keys()
    for name in stack.SETTINGS:
        assert "Default" in template["Parameters"][name]
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_outputs_match_the_properties_of_a_stack(template):
    source = Path(stack.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'outputs\["(\w+)"\]', source)) <= template["Outputs"].keys()


def test_only_detect_labels_is_allowed_on_all_resources(properties):
    wide = [one for one in allowed(properties) if "*" in listed(one["Resource"])]
    assert [listed(one["Action"]) for one in wide] == [["rekognition:DetectLabels"]]


def test_no_permission_uses_a_wildcard(properties):
    actions = [action for one in allowed(properties) for action in listed(one["Action"])]
    assert len(actions) >= 10
    assert not [action for action in actions if "*" in action]
    assert (
        "logs:CreateLogGroup" not in actions
    )  # otherwise the group is recreated after the stack was deleted


def test_only_buckets_of_this_account_may_send_to_the_queue(properties):
    [statement] = properties["QueuePolicy"]["PolicyDocument"]["Statement"][:1]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


@pytest.mark.parametrize("policy", ["PhotosPolicy", "QueuePolicy"])
def test_tls_is_required(policy, properties):
    denied = [
        one
        for one in properties[policy]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Deny" and one["Principal"] == "*"
    ]
    assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_bucket_is_private_and_versioned(properties):
    assert set(properties["Photos"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["Photos"]["PublicAccessBlockConfiguration"]) == 4
    assert properties["Photos"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_bucket_depends_on_the_queue_policy(resources):
    assert resources["Photos"]["DependsOn"] == "QueuePolicy"


def test_function_supports_the_events_of_the_notification(properties):
    configurations = properties["Photos"]["NotificationConfiguration"]["QueueConfigurations"]
    assert sorted(one["Event"] for one in configurations) == [
        "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:ObjectCreated:*",
        "s3:ObjectRemoved:*",
    ]


def test_visibility_timeout_exceeds_the_processing_time(properties):
    # [Lambda, Using Lambda with Amazon SQS: 6 times the function's timeout]
    assert properties["Queue"]["VisibilityTimeout"] >= 6 * properties["Function"]["Timeout"]
    assert properties["Queue"]["RedrivePolicy"]["maxReceiveCount"] >= 5


def test_calls_time_out_before_the_function(template):
    """Otherwise an unresponsive call would return the whole batch to the queue."""
    attempt = clients.CONNECT_SECONDS + clients.READ_SECONDS
    longest = clients.ATTEMPTS * attempt * 2  # Rekognition, then the table
    assert longest < template["Resources"]["Function"]["Properties"]["Timeout"]


def test_failing_messages_are_dead_lettered_and_kept(properties):
    redrive = properties["Queue"]["RedrivePolicy"]["deadLetterTargetArn"]
    assert redrive == {"Fn::GetAtt": "DeadLetters.Arn"}
    assert properties["Queue"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert properties["DeadLetters"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_outage_of_several_days_is_tolerated(properties):
    """SQS dead-letters a message after days of retries, but before the message expires."""
    receives = properties["Queue"]["RedrivePolicy"]["maxReceiveCount"]
    longest = sum(
        min(redelivery.FIRST_DELAY * 2**number, redelivery.LONGEST_DELAY)
        for number in range(receives)
    )
    assert longest // 2 > 2 * 24 * 3600  # each delay is at least half the maximum
    assert longest < properties["Queue"]["MessageRetentionPeriod"]


def test_tombstone_outlives_messages_in_both_queues(properties):
    waits = [properties[name]["MessageRetentionPeriod"] for name in ("Queue", "DeadLetters")]
    assert sum(waits) <= TOMBSTONE_SECONDS


def test_batch_size_matches_the_function(properties):
    mapping = properties["QueueToFunction"]
    assert mapping["BatchSize"] == clients.BATCH
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_environment_has_the_variables_that_the_function_reads(properties):
    sources = [
        path.read_text(encoding="utf-8") for path in assets.asset_folder("lambda").rglob("*.py")
    ]
    read = set(re.findall(r'environ\["(\w+)"\]', "".join(sources)))
    assert read == properties["Function"]["Environment"]["Variables"].keys()


def test_function_has_only_the_table_permissions_it_uses(properties):
    rights = {
        one["Resource"]["Fn::GetAtt"]: listed(one["Action"])
        for one in allowed(properties)
        if any(action.startswith("dynamodb:") for action in listed(one["Action"]))
    }
    assert rights == {
        "PhotosTable.Arn": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "LabelsTable.Arn": ["dynamodb:Query", "dynamodb:BatchWriteItem"],
    }


def test_handler_is_in_the_zip(properties, environ, monkeypatch):
    module, _, name = properties["Function"]["Handler"].rpartition(".")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert callable(getattr(import_module(module), name))
    assert f"{module.replace('.', '/')}.py".encode() in package.build().content


def keys(described):
    return [key["AttributeName"] for key in described["KeySchema"]]


@pytest.mark.parametrize(
    ("table", "of_table", "indexes"),
    [
        ("PhotosTable", ["image"], {schema.STATE_INDEX: ["state_shard", "done_at"]}),
        ("LabelsTable", ["label", "rank"], {schema.DATE_INDEX: ["label", "uploaded_at"]}),
    ],
)
def test_table_keys_match_the_schema(table, of_table, indexes, properties):
    described = properties[table]
    assert keys(described) == of_table
    found = {index["IndexName"]: keys(index) for index in described["GlobalSecondaryIndexes"]}
    assert found == indexes


def test_items_have_the_attributes_of_the_indexes(properties):
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


def test_items_of_removed_photos_expire(properties):
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
def test_deletion_policies_of_data_resources(name, deletion, replacement, resources):
    assert resources[name]["DeletionPolicy"] == deletion
    assert resources[name]["UpdateReplacePolicy"] == replacement


def test_photos_table_is_protected(properties):
    assert properties["PhotosTable"]["DeletionProtectionEnabled"] is True
    assert properties["PhotosTable"]["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True
    }


ALARMS = ("DeadLettersAlarm", "WaitingAlarm", "FunctionErrorsAlarm", "RetriesAlarm")


def test_alarm_resources_require_an_address(template, resources):
    of_alarms = {name for name in resources if name.startswith("Alarm") or name.endswith("Alarm")}
    assert of_alarms == {"AlarmTopic", "AlarmSubscription", *ALARMS}
    assert {resources[name]["Condition"] for name in of_alarms} == {"Alarm"}
    assert template["Outputs"]["AlarmTopic"]["Condition"] == "Alarm"
    assert template["Parameters"]["AlarmEmail"]["Default"] == ""
    empty = {"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}
    assert template["Conditions"]["Alarm"] == {"Fn::Not": [empty]}


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_notifies_the_topic_and_names_a_command(name, properties):
    alarm = properties[name]
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert "labelctl " in alarm["AlarmDescription"]["Fn::Sub"]
    assert "--stack ${AWS::StackName}" in alarm["AlarmDescription"]["Fn::Sub"]
    assert properties["AlarmSubscription"]["TopicArn"] == {"Ref": "AlarmTopic"}
    assert properties["AlarmSubscription"]["Endpoint"] == {"Ref": "AlarmEmail"}
    # CloudWatch cannot use the AWS managed key for SNS: alarms would be lost.
    assert "KmsMasterKeyId" not in properties["AlarmTopic"]


def test_retries_alarm_counts_log_lines_of_the_function(properties):
    counted, alarm = properties["Retries"], properties["RetriesAlarm"]
    [metric] = counted["MetricTransformations"]
    assert (metric["MetricNamespace"], metric["MetricName"]) == (
        alarm["Namespace"],
        alarm["MetricName"],
    )
    assert (
        counted["FilterPattern"] == '{ $.status = "retrying" }'
    )  # see lambda/labeller/redelivery.py
    assert counted["LogGroupName"] == {"Ref": "LogGroup"}
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 3600


@pytest.mark.parametrize("name", ALARMS)
def test_unused_queue_raises_no_alarm(name, properties):
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
def test_alarm_watches_the_intended_metric(name, metric, dimension, of, properties):
    alarm = properties[name]
    assert f"{alarm['Namespace']} {alarm['MetricName']}" == metric
    assert alarm["Dimensions"] == [{"Name": dimension, "Value": of}]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_photo_that_crashes_the_function_repeatedly_raises_an_alarm(properties):
    """It returns when its message becomes visible again, so not in every period."""
    alarm = properties["FunctionErrorsAlarm"]
    watched = alarm["Period"] * alarm["EvaluationPeriods"]
    crashes = watched // properties["Queue"]["VisibilityTimeout"]
    assert 1 < alarm["DatapointsToAlarm"] < crashes


def test_default_of_alarm_age_matches_the_command_line(template, properties):
    age = template["Parameters"]["AlarmAge"]
    assert age["Default"] == stack.ALARM_AGE
    assert (age["MinValue"], age["MaxValue"]) == _option_values.AGES
    assert properties["WaitingAlarm"]["Threshold"] == {"Ref": "AlarmAge"}
    assert age["MaxValue"] < properties["Queue"]["MessageRetentionPeriod"]
    # A million photos at the default quota of 50 per second raise no alarm.
    assert age["Default"] > 1_000_000 / 50
