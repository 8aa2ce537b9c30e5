"""CloudFormation's callbacks: unsigned requests that nothing but the secret in their URL lets in.

A custom resource's function and a wait condition's signaller get such a URL from CloudFormation, as
they get a presigned one on AWS. Anybody can send a request to the path, so the secret is looked up
before any of the body is read.
"""

from __future__ import annotations

from labelctl.local.emulator.admission import RESPONSE, SIGNAL

LARGEST = 64 * 1024
"""Bytes of a callback's body; CloudFormation itself takes 4,096. [Custom resource response objects]"""


def is_awaited(path: str) -> bool:
    """Whether CloudFormation has made the URL with this path, and waits for a call of it."""
    from ministack.services.cloudformation import custom_resource, wait_conditions

    if path.startswith(RESPONSE):
        return path.removeprefix(RESPONSE) in custom_resource._pending
    return bool(wait_conditions.has_handle(path.removeprefix(SIGNAL)))
