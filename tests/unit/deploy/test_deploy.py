"""The steps of a deploy: failed first deploys, artifact bucket, zip, plan, protection."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from labelctl.deploy import assets, change_sets, deploy, package
from labelctl.deploy.change_sets import Plan
from labelctl.deploy.quotas import Quotas
from labelctl.deploy.stack import ARTIFACTS, PIPELINE, SETTINGS, Settings, find
from labelctl.errors import Command, RefusedError
from tests.unit.conftest import STACK_ID
from tests.unit.deploy.stack_values import FOREIGN, OUTPUTS, ZIPS


@pytest.fixture
def aws(cloudformation, s3):
    return SimpleNamespace(cloudformation=cloudformation.client, s3=s3, region="us-east-1")


def artifacts(cloudformation, bucket="zips", **more):
    outputs = [{"OutputKey": "Bucket", "OutputValue": bucket}]
    cloudformation.stack("CREATE_COMPLETE", **{"Outputs": outputs, **ZIPS, **more})


# ---- failed first deploys


def test_missing_stack_is_not_a_leftover(aws, cloudformation):
    cloudformation.no_stack()
    assert deploy.find_failed_first_deploy(aws, "labelctl") is None


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
)
def test_updatable_stack_is_not_a_leftover(aws, cloudformation, status):
    cloudformation.stack(status)
    assert deploy.find_failed_first_deploy(aws, "labelctl") is None


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"])
def test_failed_first_deploy_is_found_with_its_root_cause(aws, cloudformation, status):
    cloudformation.stack(status)
    cloudformation.look(
        cloudformation.event("labelctl", "CREATE_IN_PROGRESS"),
        cloudformation.event("Role", "CREATE_FAILED", "denied"),
    )
    left = deploy.find_failed_first_deploy(aws, "labelctl")
    assert left is not None
    assert left.cause is not None
    assert (left.stack.status, left.cause.name, left.cause.reason) == (status, "Role", "denied")


def test_planned_stack_is_not_a_leftover(aws, cloudformation):
    """Another user may be about to execute the plan."""
    cloudformation.stack("REVIEW_IN_PROGRESS", Description="")  # it may have no template yet
    assert deploy.find_failed_first_deploy(aws, "labelctl") is None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_IN_PROGRESS", "right now"),
        ("DELETE_IN_PROGRESS", "right now"),
        ("DELETE_FAILED", 'Destroying the stack "labelctl" failed'),
        ("UPDATE_ROLLBACK_FAILED", "could not be rolled back: no such role"),
    ],
)
def test_stack_in_an_unusable_state_is_refused(aws, cloudformation, status, words):
    cloudformation.stack(status, StackStatusReason="no such role")
    with pytest.raises(RefusedError, match=words) as caught:
        deploy.find_failed_first_deploy(aws, "labelctl")
    assert caught.value.hint


def test_stuck_update_can_be_continued_or_given_up(aws, cloudformation):
    cloudformation.stack("UPDATE_ROLLBACK_FAILED")
    with pytest.raises(RefusedError) as caught:
        deploy.find_failed_first_deploy(aws, "labelctl")
    _, proceed, _, give_up = caught.value.hint_parts
    assert str(proceed) == (
        "aws cloudformation continue-update-rollback --stack-name labelctl --region us-east-1"
    )
    assert give_up == Command("destroy")


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_FAILED", "REVIEW_IN_PROGRESS"]
)
def test_foreign_stack_is_never_deployed_over(aws, cloudformation, status):
    cloudformation.stack(status, **FOREIGN)
    with pytest.raises(RefusedError, match=r"not created by labelctl"):
        deploy.find_failed_first_deploy(aws, "labelctl")


def test_stack_with_zips_is_never_deployed_over(aws, cloudformation):
    artifacts(cloudformation, StackName="alb-artifacts")
    with pytest.raises(RefusedError, match='"alb-artifacts" is not a pipeline'):
        deploy.find_failed_first_deploy(aws, "alb-artifacts")


@pytest.mark.parametrize("other", [{}, FOREIGN], ids=["pipeline", "foreign"])
@pytest.mark.parametrize(
    ("step", "wanted"), [(deploy.plan_artifacts, {}), (deploy.plan, Settings())]
)
def test_stack_that_only_has_the_name_of_the_artifact_stack_is_left_alone(
    aws, cloudformation, naps, other, step, wanted
):
    """`deploy --stack alb` where somebody's photos are in the stack "alb-artifacts"."""
    cloudformation.stack("CREATE_COMPLETE", StackName="alb-artifacts", Outputs=OUTPUTS, **other)
    with pytest.raises(RefusedError, match='needs the stack name "alb-artifacts"') as caught:
        step(aws, "alb", wanted, sleep=naps)
    assert "--stack" in caught.value.hint


def test_stack_deployed_with_other_tools_is_recognized(aws, cloudformation):
    cloudformation.stack("CREATE_COMPLETE", Tags=[])
    assert deploy.find_failed_first_deploy(aws, "labelctl") is None


@pytest.mark.parametrize(
    ("name", "kind"), [("template.yaml", PIPELINE), ("artifacts.yaml", ARTIFACTS)]
)
def test_description_of_each_template_says_its_kind(name, kind):
    description = assets.template(name).partition("Description:")[2].removeprefix(" >-").split()
    assert " ".join(description).startswith(kind)


# ---- the artifact bucket


def test_artifact_bucket_is_created(aws, cloudformation, naps):
    cloudformation.no_stack("labelctl-artifacts")
    cloudformation.no_stack("labelctl-artifacts")
    add = {"Action": "Add", "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket"}
    cloudformation.change_set("CREATE_COMPLETE", changes=[{"ResourceChange": add}])
    cloudformation.runs(
        cloudformation.event("Bucket", "CREATE_COMPLETE"),
        cloudformation.event("labelctl", "CREATE_COMPLETE"),
    )
    asked = []
    events = aws.cloudformation.meta.events
    events.register(
        "provide-client-params.*.CreateChangeSet", lambda params, **_: asked.append(params)
    )
    planned = deploy.plan_artifacts(aws, "labelctl", {"team": "photos"}, sleep=naps)
    followed = change_sets.execute(aws.cloudformation, planned, sleep=naps)
    assert [event.name for event in followed] == ["Bucket", "labelctl"]
    tags = {tag["Key"]: tag["Value"] for tag in asked[0]["Tags"]}
    assert tags == {"application": "labelctl", "team": "photos"}


def test_existing_artifact_bucket_is_kept(aws, cloudformation, naps):
    artifacts(cloudformation)
    artifacts(cloudformation)
    cloudformation.change_set("FAILED", reason="No updates are to be performed.")
    cloudformation.answers("delete_change_set", {})
    planned = deploy.plan_artifacts(aws, "labelctl", {}, sleep=naps)
    assert list(change_sets.execute(aws.cloudformation, planned, sleep=naps)) == []


def test_failed_artifact_bucket_is_recreated(aws, cloudformation, naps):
    cloudformation.stack("ROLLBACK_COMPLETE", **ZIPS)
    cloudformation.look()
    cloudformation.runs(cloudformation.event("labelctl", "DELETE_COMPLETE"), method="delete_stack")
    cloudformation.no_stack("labelctl-artifacts")
    add = {"Action": "Add", "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket"}
    cloudformation.change_set("CREATE_COMPLETE", changes=[{"ResourceChange": add}])
    assert deploy.plan_artifacts(aws, "labelctl", {}, sleep=naps).creates


# ---- the plan


def expect_plan(cloudformation, bucket, **given):
    """Expect the change set of an existing main stack with settings."""
    parameters = [
        {"ParameterKey": "CodeBucket", "ParameterValue": bucket},
        {"ParameterKey": "CodeKey", "ParameterValue": package.build().name},
    ]
    parameters += [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    parameters += [
        {"ParameterKey": key, "UsePreviousValue": True} for key in SETTINGS if key not in given
    ]
    deployed = [{"ParameterKey": key, "ParameterValue": "1"} for key in SETTINGS]
    cloudformation.stack("CREATE_COMPLETE", Parameters=deployed)
    cloudformation.answers(
        "create_change_set",
        {"Id": "arn:change-set/1", "StackId": STACK_ID},
        StackName="labelctl",
        ChangeSetName=ANY,
        ChangeSetType="UPDATE",
        TemplateBody=ANY,
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "application", "Value": "labelctl"}, {"Key": "team", "Value": "a"}],
    )
    cloudformation.answers("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})


def test_plan_uploads_the_zip_once_and_keeps_settings(aws, cloudformation, s3, naps):
    s3.create_bucket(Bucket="zips")
    s3.put_bucket_versioning(Bucket="zips", VersioningConfiguration={"Status": "Enabled"})
    settings = Settings(min_confidence=70.5, image_properties=True, tags={"team": "a"})
    for _ in range(2):
        artifacts(cloudformation)
        expect_plan(cloudformation, "zips", MinConfidence="70.5", ImageProperties="true")
        deploy.plan(aws, "labelctl", settings, sleep=naps)
    (version,) = s3.list_object_versions(Bucket="zips")["Versions"]
    assert version["Key"] == package.build().name
    body = s3.get_object(Bucket="zips", Key=version["Key"])["Body"].read()
    assert body == package.build().content


@pytest.mark.parametrize(
    ("deployed", "settings", "sent"),
    [
        ({}, Settings(), {"Concurrency": "40", "CallsPerSecond": "500"}),
        ({}, Settings(concurrency=3), {"Concurrency": "3", "CallsPerSecond": "500"}),
        ({"Concurrency": "7", "CallsPerSecond": "50"}, Settings(), {"CallsPerSecond": "500"}),
    ],
    ids=["new", "chosen", "deployed"],
)
def test_quota_decides_the_concurrency_of_a_new_stack_only(
    aws, cloudformation, naps, deployed, settings, sent
):
    cloudformation.no_stack("labelctl-artifacts")
    parameters = [{"ParameterKey": key, "ParameterValue": each} for key, each in deployed.items()]
    cloudformation.stack(
        "CREATE_COMPLETE" if deployed else "REVIEW_IN_PROGRESS", Parameters=parameters
    )
    cloudformation.change_set("CREATE_COMPLETE")
    requests = []
    aws.cloudformation.meta.events.register(
        "provide-client-params.*.CreateChangeSet", lambda params, **_: requests.append(params)
    )
    deploy.plan(aws, "labelctl", settings, Quotas(500, 1000), dry=True, sleep=naps)
    given = {each["ParameterKey"]: each for each in requests[0]["Parameters"]}
    assert {key: given[key].get("ParameterValue") for key in sent} == sent
    kept = {key for key, each in given.items() if each.get("UsePreviousValue")}
    assert kept == deployed.keys() - sent.keys()


def test_unknown_quota_is_left_as_it_is(aws, cloudformation, naps):
    cloudformation.no_stack("labelctl-artifacts")
    parameters = [{"ParameterKey": "CallsPerSecond", "ParameterValue": "5"}]
    cloudformation.stack("CREATE_COMPLETE", Parameters=parameters)
    cloudformation.change_set("CREATE_COMPLETE")
    requests = []
    aws.cloudformation.meta.events.register(
        "provide-client-params.*.CreateChangeSet", lambda params, **_: requests.append(params)
    )
    deploy.plan(aws, "labelctl", Settings(), Quotas(), dry=True, sleep=naps)
    assert {"ParameterKey": "CallsPerSecond", "UsePreviousValue": True} in requests[0]["Parameters"]


def test_dry_run_uploads_nothing(aws, cloudformation, s3, naps):
    s3.create_bucket(Bucket="zips")
    artifacts(cloudformation)
    expect_plan(cloudformation, "zips")
    deploy.plan(aws, "labelctl", Settings(tags={"team": "a"}), dry=True, sleep=naps)
    assert "Contents" not in s3.list_objects_v2(Bucket="zips")


def test_dry_run_without_artifact_bucket(aws, cloudformation, naps):
    cloudformation.no_stack("labelctl-artifacts")
    expect_plan(cloudformation, deploy.PLACEHOLDER_BUCKET)
    deploy.plan(aws, "labelctl", Settings(tags={"team": "a"}), dry=True, sleep=naps)


def test_plan_makes_no_request_without_an_artifact_bucket(aws, cloudformation, naps):
    """Another process has just deleted the stack."""
    cloudformation.no_stack("labelctl-artifacts")
    aws.s3 = None
    with pytest.raises(RefusedError, match="changed by another process"):
        deploy.plan(aws, "labelctl", Settings(), sleep=naps)


def test_placeholder_can_never_be_a_bucket():
    """[S3 User Guide, Bucket naming rules]"""
    assert not re.fullmatch(r"[a-z0-9.-]{3,63}", deploy.PLACEHOLDER_BUCKET)


def test_unreadable_bucket_is_not_treated_as_empty(aws, cloudformation, naps):
    from botocore.stub import Stubber

    artifacts(cloudformation)
    with Stubber(aws.s3) as stubber:
        stubber.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(ClientError, match="403"):
            deploy.plan(aws, "labelctl", Settings(), sleep=naps)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        (Settings(), {}),
        (Settings(min_confidence=55.0), {"MinConfidence": "55"}),
        (Settings(min_confidence=0.0, max_labels=1), {"MinConfidence": "0", "MaxLabels": "1"}),
        (Settings(image_properties=False), {"ImageProperties": "false"}),
        (Settings(concurrency=10, log_retention=7), {"Concurrency": "10", "LogRetention": "7"}),
        (Settings(alarm_email="Me@example.com"), {"AlarmEmail": "Me@example.com"}),
        (Settings(alarm_email="", alarm_age=1000000), {"AlarmEmail": "", "AlarmAge": "1000000"}),
    ],
)
def test_only_given_settings_become_parameters(settings, parameters):
    assert settings.parameters() == parameters


def test_settings_are_read_from_a_stack(cloudformation):
    settings = Settings(12.5, 3, 4, True, 7, "me@example.com", 600, {"application": "labelctl"})
    parameters = [
        {"ParameterKey": key, "ParameterValue": value}
        for key, value in settings.parameters().items()
    ]
    cloudformation.stack("CREATE_COMPLETE", Parameters=parameters)
    assert find(cloudformation.client, "labelctl").settings == settings


def test_stack_of_an_older_version_has_no_alarms(cloudformation):
    older = Settings(55.0, 100, 2, False, 30).parameters()
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in older.items()]
    cloudformation.stack("CREATE_COMPLETE", Parameters=parameters)
    settings = find(cloudformation.client, "labelctl").settings
    assert (settings.alarm_email, settings.alarm_age) == ("", 12 * 3600)
    assert settings.as_json()["alarm_email"] is None


# ---- executing the plan


NOTHING_TO_DO = Plan("labelctl", STACK_ID, None, False, ())


def change_of(*changes):
    return Plan("labelctl", STACK_ID, "arn:change-set/1", True, changes)


def test_deployed_stack_is_protected(aws, cloudformation, naps):
    cloudformation.runs(cloudformation.event("labelctl", "CREATE_COMPLETE"))
    cloudformation.stack("CREATE_COMPLETE", EnableTerminationProtection=False)
    cloudformation.answers(
        "update_termination_protection",
        {"StackId": STACK_ID},
        StackName="labelctl",
        EnableTerminationProtection=True,
    )
    followed = list(deploy.execute(aws, change_of("one"), sleep=naps))
    assert [event.status for event in followed] == ["CREATE_COMPLETE"]


def test_throttled_protection_is_repeated(aws, cloudformation, naps):
    cloudformation.refuses("describe_stacks", "Throttling", "Rate exceeded")
    cloudformation.stack("CREATE_COMPLETE", EnableTerminationProtection=False)
    cloudformation.refuses("update_termination_protection", "Throttling", "Rate exceeded")
    cloudformation.answers("update_termination_protection", {"StackId": STACK_ID})
    assert list(deploy.execute(aws, NOTHING_TO_DO, sleep=naps)) == []


def test_deploy_without_changes_restores_protection(aws, cloudformation, naps):
    cloudformation.stack("CREATE_COMPLETE", EnableTerminationProtection=False)
    cloudformation.answers("update_termination_protection", {"StackId": STACK_ID})
    assert list(deploy.execute(aws, NOTHING_TO_DO, sleep=naps)) == []


def test_protected_stack_is_not_protected_again(aws, cloudformation, naps):
    cloudformation.stack("CREATE_COMPLETE", EnableTerminationProtection=True)
    assert list(deploy.execute(aws, NOTHING_TO_DO, sleep=naps)) == []
