"""Configuration and tracing of the clients."""

from __future__ import annotations

import boto3
import botocore.exceptions as boto
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader, Loader
from moto import mock_aws

from labelctl.aws import calls, clients
from labelctl.aws.clients import Aws
from labelctl.aws.errors import to_user_error
from labelctl.errors import UsageError
from tests.unit.conftest import FALSE_CREDENTIALS


def test_region_from_option_or_environment(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Aws().region is None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Aws().region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")  # as the AWS CLI has it
    assert Aws().region == "eu-central-1"
    assert Aws(region="ap-south-1").region == "ap-south-1"
    assert Aws(region="ap-south-1").s3.meta.region_name == "ap-south-1"


def test_region_from_a_profile(monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = sa-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Aws(profile="work").region == "sa-east-1"
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert Aws(profile="", region="").region == "sa-east-1"  # an unset variable in a script


@pytest.mark.parametrize(
    "endpoint", ["user:s3cret@localhost:1", "http://user:s3/cret@localhost", "http://u:s3cret@a..b"]
)
def test_invalid_endpoint_url(monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(boto.BotoCoreError) as caught:
        _ = Aws().s3
    error = to_user_error(caught.value)
    assert type(error) is UsageError
    assert "AWS_ENDPOINT_URL" in error.message
    assert "s3" not in error.message + error.hint


def test_invalid_region_is_not_reported_as_an_endpoint():
    with pytest.raises(boto.InvalidRegionError):
        _ = Aws(region="a b").s3


def test_missing_region_has_a_hint(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(boto.NoRegionError) as caught:
        _ = Aws().cloudformation
    assert "--region" in to_user_error(caught.value).hint


def test_missing_credentials_have_a_hint(monkeypatch):
    for name in FALSE_CREDENTIALS:
        monkeypatch.delenv(name)
    with pytest.raises(boto.NoCredentialsError) as caught:
        Aws().sqs.list_queues()
    assert "aws configure" in to_user_error(caught.value).hint


def test_unknown_profile():
    with pytest.raises(boto.ProfileNotFound) as caught:
        _ = Aws(profile="nope").s3
    assert to_user_error(caught.value).message == "The config profile (nope) could not be found."


def test_clients_are_created_once():
    cloud = Aws()
    assert cloud.s3 is cloud.s3
    services = [
        client.meta.service_model.service_name
        for client in (cloud.cloudformation, cloud.s3, cloud.dynamodb, cloud.sqs, cloud.logs)
    ]
    assert services == ["cloudformation", "s3", "dynamodb", "sqs", "logs"]


def test_timeouts_retries_and_pool_size():
    from labelctl.photos import upload

    config = Aws().s3.meta.config
    assert config.max_pool_connections >= 2 * upload.WORKERS
    assert config.retries == {"mode": "standard"}  # as many as AWS_MAX_ATTEMPTS says
    assert "labelctl" in config.user_agent_extra


def test_retry_mode_of_the_user(monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text("[default]\nretry_mode = legacy\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert Aws().s3.meta.config.retries == {"mode": "legacy"}
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    assert Aws().s3.meta.config.retries == {"mode": "adaptive"}
    monkeypatch.setenv("AWS_RETRY_MODE", "bogus")
    with pytest.raises(boto.InvalidRetryModeError) as caught:
        _ = Aws().s3
    assert "bogus" in to_user_error(caught.value).message


def test_endpoint_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert Aws().sqs.meta.endpoint_url == "http://127.0.0.1:9"


@mock_aws
def test_trace_logs_each_call_without_secrets():
    heard: list[str] = []
    cloud = Aws(trace=heard.append)
    cloud.s3.create_bucket(Bucket="secret-bucket")
    with pytest.raises(ClientError):
        cloud.s3.head_object(Bucket="secret-bucket", Key="secret.jpg")
    assert [line.rpartition(", ")[0] for line in heard] == [
        "s3 CreateBucket: 200",
        "s3 HeadObject: 404",
    ]
    assert all(line.endswith(" ms") for line in heard)
    for secret in (*FALSE_CREDENTIALS.values(), "Authorization", "Signature"):
        assert secret not in "".join(heard)


@mock_aws
def test_nothing_is_logged_without_trace(capfd):
    boto3.client("s3")
    Aws().s3.list_buckets()
    assert capfd.readouterr() == ("", "")


def test_only_the_aws_package_imports_boto3():
    assert not hasattr(clients, "boto3")


# ---- the owner of buckets


def test_requests_name_the_owner_of_the_bucket_once_it_is_known(moto):
    aws = Aws()
    sent = []
    aws.s3.meta.events.register(
        "before-call.s3", lambda params, **_: sent.append(params["headers"])
    )
    aws.s3.create_bucket(Bucket="photos")  # has no such parameter
    aws.s3.put_object(Bucket="photos", Key="a.jpg", Body=b"")
    resources = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
    aws.cloudformation.create_stack(StackName="labelctl", TemplateBody=resources)
    aws.cloudformation.describe_stacks(StackName="labelctl")
    aws.s3.get_object(Bucket="photos", Key="a.jpg")
    aws.s3.list_buckets()
    owners = [headers.get("x-amz-expected-bucket-owner") for headers in sent]
    assert owners == [None, None, "123456789012", None]


def test_presigned_urls_need_no_header(moto):
    aws = Aws()
    aws._account = "123456789012"
    url = aws.presigning_s3.generate_presigned_url("get_object", {"Bucket": "b", "Key": "a.jpg"})
    assert "X-Amz-SignedHeaders=host&" in url


@mock_aws
def test_items_are_read_as_boto3_reads_them(monkeypatch):
    """Though botocore does not parse them."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    plain, ours = boto3.client("dynamodb"), Aws().dynamodb
    plain.create_table(
        TableName="photos",
        KeySchema=[{"AttributeName": "image", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "image", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for name, value in (("é.jpg", {"N": "98.50"}), ("b.jpg", {"B": b"\x00\xff"})):
        plain.put_item(TableName="photos", Item={"image": {"S": name}, "value": value})
    keys = [{"image": {"S": name}} for name in ("é.jpg", "b.jpg")]
    for key in keys:
        query = {
            "KeyConditionExpression": "image = :it",
            "ExpressionAttributeValues": {":it": key["image"]},
        }
        one, other = (each.query(TableName="photos", **query) for each in (plain, ours))
        assert one["Items"] == other["Items"]
        assert one["Count"] == other["Count"] == 1
        one, other = (
            each.batch_get_item(RequestItems={"photos": {"Keys": [key]}}) for each in (plain, ours)
        )
        assert one["Responses"] == other["Responses"]
    assert plain.scan(TableName="photos")["Items"] == ours.scan(TableName="photos")["Items"]


def test_services_are_found_by_their_folders(monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    loader = Loader(extra_search_paths=[str(tmp_path), str(tmp_path / "none")])
    all_services = loader.list_available_services("service-2")
    calls.find_services_by_folder(loader)
    monkeypatch.setattr(JSONFileLoader, "exists", None)  # no file is looked for
    assert {*loader.list_available_services("service-2")} == {*all_services, "mine"}
    assert "mine" in loader.list_available_services(type_name="service-2")


def test_an_unknown_service_is_still_an_error():
    with pytest.raises(boto.UnknownServiceError):
        Aws(region="eu-west-1")._client("nope")
