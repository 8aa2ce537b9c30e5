"""The quotas that `deploy` reads, and the concurrency that it chooses."""

from __future__ import annotations

from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from labelctl.deploy import quotas
from labelctl.deploy.quotas import Quotas

NAME = "Transactions per second per account for the Amazon Rekognition Image operation DetectLabels"
CODE = {"ServiceCode": "rekognition", "QuotaCode": "L-E29B542B"}


@pytest.fixture
def aws(no_account):
    """Clients that botocore's Stubber answers for; their stubbers are `quotas` and `functions`."""
    clients = {"service_quotas": boto3.client("service-quotas"), "lambda_": boto3.client("lambda")}
    with Stubber(clients["service_quotas"]) as quota, Stubber(clients["lambda_"]) as functions:
        yield SimpleNamespace(**clients, quotas=quota, functions=functions)


def allow(aws, executions):
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": executions}
    aws.functions.add_response("get_account_settings", {"AccountLimit": limit})


def quota(value, name=NAME):
    return {"Quota": {"QuotaName": name, "Value": value}}


def test_quotas_are_read(aws):
    aws.quotas.add_response("get_service_quota", quota(250.0), CODE)
    allow(aws, 900)
    assert quotas.read(aws) == Quotas(calls_per_second=250, executions=900)


def test_quota_that_was_never_changed_is_the_default(aws):
    aws.quotas.add_client_error("get_service_quota", "NoSuchResourceException")
    aws.quotas.add_response("get_aws_default_service_quota", quota(5.0), CODE)
    allow(aws, 10)
    assert quotas.read(aws) == Quotas(calls_per_second=5, executions=10)


def test_missing_permissions_leave_quotas_unknown(aws):
    aws.quotas.add_client_error("get_service_quota", "AccessDeniedException")
    aws.functions.add_client_error("get_account_settings", "AccessDeniedException")
    assert quotas.read(aws) == Quotas()


def test_unreachable_service_leaves_its_quota_unknown(aws):
    def refuse(**_):
        raise EndpointConnectionError(endpoint_url="https://servicequotas")

    aws.service_quotas = SimpleNamespace(get_service_quota=refuse)
    allow(aws, 10)
    assert quotas.read(aws) == Quotas(executions=10)


@pytest.mark.parametrize("answer", [{}, quota(50.0, "Faces per collection"), quota(0.0)])
def test_unexpected_answer_leaves_the_quota_unknown(aws, answer):
    aws.quotas.add_response("get_service_quota", answer, CODE)
    aws.functions.add_response("get_account_settings", {})
    assert quotas.read(aws) == Quotas()


@pytest.mark.parametrize(
    ("calls", "executions", "concurrency"),
    [
        (50, 1000, 4),  # the template's default for Rekognition's default quota
        (5, 1000, 2),  # the minimum of an event source mapping
        (500, 1000, 40),
        (500, 10, 10),  # a new account
        (500, None, 40),
        (100_000, 100_000, 1000),
        (None, 10, None),
    ],
)
def test_concurrency_fills_the_quota(calls, executions, concurrency):
    assert Quotas(calls, executions).concurrency == concurrency


def test_defaults_are_those_of_the_template(template):
    parameters, resources = template["Parameters"], template["Resources"]
    default = Quotas(parameters["CallsPerSecond"]["Default"]).concurrency
    assert default == parameters["Concurrency"]["Default"]
    assert resources["QueueToFunction"]["Properties"]["BatchSize"] == quotas.BATCH
