"""Deploying in unusual states and by other tools, destroying, and the demo."""

from __future__ import annotations

import json
import re
from pathlib import Path

from labelctl.deploy.stack import PIPELINE
from tests.e2e.conftest import Client, Photo, User, until


def test_destroy_asks_and_then_leaves_nothing(stack: User, photo: Photo, client: Client) -> None:
    photo("a.jpg")
    photo("new\nline.jpg")
    stack("upload", stack.folder, "--wait")
    bucket, name = stack.outputs["PhotosBucket"], stack.env["LABELCTL_STACK"]
    client("s3").delete_object(Bucket=bucket, Key="a.jpg")
    client("s3").create_multipart_upload(Bucket=bucket, Key="unfinished")
    refused = stack("destroy", code=2)
    assert "(2 labelled, 0 failed" in refused.err or "labelled" in refused.err
    assert "--yes" in refused.err

    answer = stack("destroy", "--yes", "-o", "json").json

    assert answer["destroyed"] == [name, f"{name}-artifacts"]
    assert answer["versions"] >= 3
    left = [each["Name"] for each in client("s3").list_buckets()["Buckets"]]
    assert not [each for each in left if each.startswith(name)]
    groups = client("logs").describe_log_groups()["logGroups"]
    assert not [each for each in groups if f"/{name}/" in each["logGroupName"]]
    assert not [each for each in client("dynamodb").list_tables()["TableNames"] if name in each]
    assert "There is no stack" in stack("destroy", "--yes", code=3).err


def test_the_package_deploys_with_other_tools(user: User, client: Client, photo: Photo) -> None:
    answer = user("package", "--output-dir", "out", "-o", "json").json
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket="my-own-bucket")
    zipped = user.folder / answer["zip"]
    s3.upload_file(str(zipped), "my-own-bucket", zipped.name)
    cloudformation.create_stack(
        StackName="by-hand",
        TemplateBody=(user.folder / answer["template"]).read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "CodeBucket", "ParameterValue": "my-own-bucket"},
            {"ParameterKey": "CodeKey", "ParameterValue": zipped.name},
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="by-hand", WaiterConfig={"Delay": 1}
    )
    photo("a.jpg")

    assert user("upload", "a.jpg", "--wait", "--stack", "by-hand").rows[0][:2] == ["a.jpg", "Black"]
    user("destroy", "--yes", "--stack", "by-hand")


def test_a_failed_first_deploy_tells_the_cause_and_can_be_repeated(
    undeployed: User, client: Client
) -> None:
    """A stack that failed lies there in ROLLBACK_COMPLETE, as AWS leaves it."""
    broken = {"Description": PIPELINE, "Resources": {"Bad": {"Type": "AWS::S3::Bucket", "Properties": {
        "NotificationConfiguration": {"QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": "arn:aws:sqs:us-east-1:000000000000:none"}
        ]}}}}}  # fmt: skip
    name = undeployed.env["LABELCTL_STACK"]
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(broken))
    until(lambda: status_of(client, name) == "ROLLBACK_COMPLETE")
    assert "ROLLBACK_COMPLETE" in undeployed("labels", "x", code=3).err

    answer = undeployed("deploy")

    assert "The last deploy failed at Bad" in answer.err
    assert status_of(client, name) == "CREATE_COMPLETE"


def test_a_stack_that_was_only_planned_is_deployed(undeployed: User, client: Client) -> None:
    """Cut off after its change set was made, a first deploy lies there in REVIEW_IN_PROGRESS."""
    name = undeployed.env["LABELCTL_STACK"]
    client("cloudformation").create_change_set(
        StackName=name,
        ChangeSetName="left-behind",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}),
    )
    assert status_of(client, name) == "REVIEW_IN_PROGRESS"

    undeployed("deploy")

    assert status_of(client, name) == "CREATE_COMPLETE"


def status_of(client: Client, stack: str) -> str:
    answer: str = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0][
        "StackStatus"
    ]
    return answer


def test_the_demo_shows_what_it_recognises_and_the_commands_that_it_stands_for(
    cloud: User,
) -> None:
    """Its photographs have a folder of their own, so that they replace nothing of the user's."""
    answer = cloud("demo")

    recognised = {image: labels for _, image, labels in answer.rows}
    assert recognised["demo/astronaut.png"].startswith("Face 9")
    assert "(Head, Person)" in recognised["demo/astronaut.png"]
    assert recognised["demo/chelsea.png"].startswith("Cat 9")
    assert re.search(
        r"Cup 9\d %.*Espresso 9\d % \(Beverage, Coffee\)", recognised["demo/coffee.png"]
    )
    assert len(recognised) == 4
    commands = re.findall(r"^\$ labelctl (.*) --local$", answer.err, re.MULTILINE)
    assert commands[0] == "deploy"
    assert commands[1].startswith("upload --wait --prefix demo/ ")
    following = re.findall(r"^Next: \$ labelctl (.*) --local$", answer.err, re.MULTILINE)
    assert following == ["labels demo/astronaut.png", "search Face", "destroy"]
    for command in following[:2]:
        assert cloud(*command.split(), "--local").rows
    [page] = re.findall(r"^Gallery: (.*)$", answer.err, re.MULTILINE)
    assert "demo/chelsea.png" in Path(page).read_text()

    again = cloud("demo", "-o", "json")

    assert again.err == "4 unchanged.\n"
    assert [photo["image"] for photo in again.json["photos"]] == sorted(recognised)
    assert (again.json["not_sent"], again.json["gallery"]) == ([], page)
    cloud("destroy", "--local", "--yes")


def test_the_demo_of_ones_own_photos_goes_on_after_a_bad_one(
    undeployed: User, photo: Photo
) -> None:
    broken = photo("broken.jpg")
    broken.write_bytes(broken.read_bytes()[:10_000])
    answer = undeployed("demo", photo("me.png", "astronaut.png"), broken, code=5)

    assert answer.rows[0][:2] == ["labelled", "me.png"]
    assert "broken.jpg" in answer.err
    assert "Gallery: " in answer.err
    assert "Warning: 1 of 2 files was skipped." in answer.err
