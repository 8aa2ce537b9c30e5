"""The environment variables that point AWS tools at the local cloud, and those that interfere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelctl.local.engine import Cloud

REGION = "us-east-1"

_HARMLESS = re.compile(
    r"AWS_(PAGER|CLI_\w+|DEFAULT_OUTPUT|CONFIG_FILE|SHARED_CREDENTIALS_FILE)"  # of the AWS CLI
    r"|AWS_(ENDPOINT_URL(_REKOGNITION)?|ACCESS_KEY_ID|SECRET_ACCESS_KEY|(DEFAULT_)?REGION)"
    r"|AWS_EC2_METADATA_DISABLED"  # set by `variables`, as are those in the line above
)


def variables(cloud: Cloud) -> dict[str, str]:
    """The variables that point any AWS tool or SDK at this cloud, with its root credentials.

    s5cmd reads S3_ENDPOINT_URL.
    """
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ENDPOINT_URL_REKOGNITION": cloud.recogniser,
        "S3_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": cloud.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.credentials.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def bypass_proxy(users: Mapping[str, str]) -> dict[str, str]:
    """The variables that make tools bypass the user's HTTP proxy, if any, for the local cloud."""
    if not any(name.lower() in ("http_proxy", "all_proxy") for name in users):
        return {}
    without = users.get("no_proxy") or users.get("NO_PROXY") or ""
    here = ",".join(filter(None, [without, "127.0.0.1"]))
    return {"NO_PROXY": here, "no_proxy": here}


def interfering(users: Mapping[str, str]) -> list[str]:
    """The names of the user's variables that could keep AWS tools from using the local cloud."""
    names = (name for name in users if name.startswith("AWS_"))
    return [name for name in names if not _HARMLESS.fullmatch(name)]
