"""CloudFormation's callbacks: unsigned requests that are authorised by a secret in their URL.

CloudFormation gives such a URL to the function of a custom resource and to the sender of a wait
condition's signal; on AWS it is a presigned URL. Any program can send requests to the path, so the
secret is checked before the body is read.
"""

from __future__ import annotations

from labelctl.local.emulator.admission import RESPONSE, SIGNAL

MAX_BODY = 64 * 1024
"""Maximum bytes of a body. CloudFormation itself accepts 4,096. [Custom resource response objects]"""


def is_awaited(path: str) -> bool:
    """Whether CloudFormation has issued the URL with this path and is waiting for the call."""
    from ministack.services.cloudformation import custom_resource, wait_conditions

    if path.startswith(RESPONSE):
        return path.removeprefix(RESPONSE) in custom_resource._pending
    return bool(wait_conditions.has_handle(path.removeprefix(SIGNAL)))
