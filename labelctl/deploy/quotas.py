"""The account's quotas that limit how fast photos are labelled, and the concurrency that fills them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.aws import threads
from labelctl.aws.clients import Aws
from labelctl.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient

QUOTA_CODE = "L-E29B542B"
"""The code of the quota "Transactions per second per account for the Amazon Rekognition Image operation
DetectLabels". [Service Quotas]"""

BATCH = 10
"""The photos that one copy of the function processes at a time: the template's BatchSize."""

BATCH_SECONDS = 0.8
"""The time that a batch takes when Rekognition answers in 0.5 s (`python -m tests.bench function`)."""

MIN_CONCURRENCY, MAX_CONCURRENCY = 2, 1000
"""Limits of the event source mapping's MaximumConcurrency. [Lambda API, ScalingConfig]"""


@dataclass(frozen=True)
class Quotas:
    """`calls_per_second` are those of Rekognition's DetectLabels; `executions` are the concurrent
    executions of Lambda that are not reserved for other functions. None if unknown."""

    calls_per_second: int | None = None
    executions: int | None = None

    @property
    def needed(self) -> int | None:
        """The concurrency that fills Rekognition's quota; None if unknown."""
        if self.calls_per_second is None:
            return None
        copies = math.ceil(self.calls_per_second * BATCH_SECONDS / BATCH)
        return min(max(copies, MIN_CONCURRENCY), MAX_CONCURRENCY)

    @property
    def concurrency(self) -> int | None:
        """The concurrency for a new stack: what is needed, or what Lambda allows if that is less."""
        if self.needed is None or self.executions is None:
            return self.needed
        return max(min(self.needed, self.executions), MIN_CONCURRENCY)


def read(aws: Aws) -> Quotas:
    """Return the quotas in the account and region.

    A quota that cannot be read is unknown, for example without permission, or in an emulator without
    these APIs.
    """
    service_quotas, lambda_ = aws.service_quotas, aws.lambda_
    with threads.pool(2, "quotas") as pool:
        calls = pool.submit(_read, lambda: _calls_per_second(service_quotas))
        settings = pool.submit(_read, lambda_.get_account_settings)
    limit: Any = (settings.result() or {}).get("AccountLimit", {})
    return Quotas(calls.result(), limit.get("UnreservedConcurrentExecutions"))


def _read(request: Callable[[], Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return request()
    except (ClientError, BotoCoreError, ResponseParserError):
        return None


def _calls_per_second(service_quotas: ServiceQuotasClient) -> int | None:
    from botocore.exceptions import ClientError

    code: Any = {"ServiceCode": "rekognition", "QuotaCode": QUOTA_CODE}
    try:
        quota: Any = service_quotas.get_service_quota(**code).get("Quota", {})
    except ClientError as error:
        # The quota was never changed. [Service Quotas API, GetServiceQuota]
        if error_code(error) != "NoSuchResourceException":
            raise
        quota = service_quotas.get_aws_default_service_quota(**code).get("Quota", {})
    if "DetectLabels" not in quota.get("QuotaName", "") or quota.get("Value", 0) < 1:
        return None
    return int(quota["Value"])
