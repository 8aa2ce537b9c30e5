"""boto3 clients, created on first use.

Profile, region, endpoint and credentials come from boto3's own configuration. The local cloud sets
the same variables, so no code here depends on which of the two it talks to.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from labelctl.aws.importing import import_botocore

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

    from labelctl.aws.transfer import ManyPuts

CONNECTIONS = 64
"""Maximum number of connections that a client keeps open, for requests of as many threads."""


class Aws:
    """boto3 clients for one account and region. `trace` is called with a line about each request.

    Clients may be shared between threads, but the main thread must use each one first, because
    boto3 sessions are not thread-safe.
    """

    def __init__(
        self,
        profile: str | None = None,
        region: str | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._profile = profile or None  # an unset variable in a script
        self._region = region
        self._trace = trace
        self._settings: dict[str, Any] = {}
        self._account: str | None = None

    @cached_property
    def _session(self) -> Any:
        import_botocore()
        from getpass import GetPassWarning

        import boto3
        import botocore.session

        from labelctl.aws import calls, credential_process

        credential_process.name_failures()
        _remove_empty_variables()
        # Without a terminal, getpass would print a warning and read the code from the input.
        warnings.simplefilter("error", GetPassWarning)
        # boto3 reads only AWS_DEFAULT_REGION; the AWS CLI and the other SDKs prefer AWS_REGION.
        region = self._region or os.environ.get("AWS_REGION")
        with calls.botocore_errors_only(calls.SettingsError):
            core = self._core = botocore.session.get_session()
            session = boto3.Session(
                profile_name=self._profile, region_name=region, botocore_session=core
            )
            calls.find_services_by_folder(core.get_component("data_loader"))
            self._settings = core.get_scoped_config() | {
                name: value for name, value in os.environ.items() if name.startswith("AWS_")
            }
        if not (session.region_name or "").isprintable():
            raise calls.SettingsError(
                reason="the region contains a line break or a control character"
            )
        base = calls.client_base(self._settings, self._trace)
        session.events.register(
            "creating-client-class", lambda base_classes, **_: base_classes.insert(0, base)
        )
        session.events.register("before-send", calls.check_credentials)
        session.events.register("before-parse", calls.check_response)
        return session

    def _client(self, service: str, **more: Any) -> Any:
        session, settings = self._session, self._settings  # first, as it imports botocore
        from botocore.config import Config

        from labelctl.aws import calls

        mode: Any = settings.get("AWS_RETRY_MODE") or settings.get("retry_mode") or "standard"
        with calls.botocore_errors_only(calls.SettingsError, settings):
            config = Config(
                retries={"mode": mode},  # standard: 3 attempts, or AWS_MAX_ATTEMPTS
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=CONNECTIONS,
                user_agent_extra="labelctl",
                **more,
            )
            client = session.client(service, config=config)
        try:
            urlsplit(client.meta.endpoint_url).port  # noqa: B018 - raises ValueError for an invalid port
        except ValueError as error:  # its text may contain part of a password in the URL
            raise calls.SettingsError(reason=calls.BAD_ENDPOINT) from error
        return client

    @property
    def region(self) -> str | None:
        """The region that the clients use, or None if none is configured."""
        region: str | None = self._session.region_name
        return region

    def has_rekognition(self) -> bool:
        """Return whether botocore lists Rekognition in this region. The list may lag behind AWS."""
        if self.region is None:
            return True  # the first request reports the missing region
        partition = self._session.get_partition_for_region(self.region)
        known: list[str] = self._session.get_available_regions("rekognition", partition)
        return self.region in known

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation")
        client.meta.events.register("after-call.cloudformation.DescribeStacks", self._learn_account)
        return client

    def _learn_account(self, parsed: Any, **_: Any) -> None:
        """Remember the account of a stack: the fifth part of its ARN."""
        for stack in parsed.get("Stacks", ()):
            arn = stack.get("StackId", "").split(":")
            self._account = arn[4] if len(arn) > 4 else None

    @cached_property
    def s3(self) -> S3Client:
        """The S3 client. Once the account is known, S3 refuses requests for other accounts' buckets.

        A bucket that was deleted may have been created again by somebody else.
        [S3 User Guide, Verifying bucket ownership with bucket owner condition]
        """
        client: S3Client = self._client("s3")
        client.meta.events.register("provide-client-params.s3", self._expect_owner)
        return client

    def _expect_owner(self, params: Any, model: Any, **_: Any) -> Any:
        if self._account and "ExpectedBucketOwner" in model.input_shape.members:
            return {"ExpectedBucketOwner": self._account, **params}
        return params

    @cached_property
    def many_puts(self) -> ManyPuts:
        """PutObject for many objects. Use `s3` first."""
        from labelctl.aws.transfer import ManyPuts

        session = self._session
        ca_bundle = self._core.get_config_variable("ca_bundle")  # as botocore looks for it
        return ManyPuts(
            self.s3,
            lambda: session.get_credentials().get_frozen_credentials(),
            ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE"),
            self._trace,
        )

    @cached_property
    def presigning_s3(self) -> S3Client:
        """The S3 client for presigned URLs, which must work for all regions and buckets.

        They have no owner condition, because a browser would have to send its header.

        By default boto3 signs URLs with SigV2, which newer buckets reject, for the endpoint of
        us-east-1, which redirects requests for a new bucket elsewhere and so breaks the signature.
        """
        more = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}}
        client: S3Client = self._client("s3", **more)
        return client

    @property
    def has_temporary_credentials(self) -> bool:
        """Whether the credentials are temporary. URLs signed with them expire when they do."""
        from labelctl.aws import calls

        session = self._session
        with calls.botocore_errors_only(calls.CallError, self._settings):
            credentials = session.get_credentials()
            return bool(credentials and credentials.get_frozen_credentials().token)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        from labelctl.aws.dynamodb import keep_items_as_json

        client: DynamoDBClient = self._client("dynamodb")
        client.meta.events.register("before-parse.dynamodb.Scan", keep_items_as_json)
        client.meta.events.register("before-parse.dynamodb.Query", keep_items_as_json)
        client.meta.events.register("before-parse.dynamodb.BatchGetItem", keep_items_as_json)
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def lambda_(self) -> LambdaClient:
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def service_quotas(self) -> ServiceQuotasClient:
        client: ServiceQuotasClient = self._client("service-quotas")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self._client("sns")
        return client


def _remove_empty_variables() -> None:
    """Treat an empty AWS variable as one that is not set. boto3 takes it for a value.

    CI systems set variables without a value to an empty text.
    """
    for name in [name for name in os.environ if name.startswith("AWS_") and not os.environ[name]]:
        del os.environ[name]
