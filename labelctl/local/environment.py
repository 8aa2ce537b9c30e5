"""The environment variables that point AWS's tools at the local cloud, and those that mislead them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelctl.local.engine import Cloud

REGION = "us-east-1"

_MISLEADING = re.compile(
    r"AWS_(DEFAULT_)?PROFILE|AWS_(SESSION|SECURITY)_TOKEN|AWS_ENDPOINT_URL_\w+"
    r"|AWS_IGNORE_CONFIGURED_ENDPOINT_URLS|AWS_USE_(FIPS|DUALSTACK)_ENDPOINT|AWS_CA_BUNDLE"
)


def variables(cloud: Cloud) -> dict[str, str]:
    """The variables that point any AWS tool or SDK at this cloud. The credentials are its root's.

    S3_ENDPOINT_URL is what s5cmd reads.
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


def around_proxies(users: Mapping[str, str]) -> dict[str, str]:
    """The variables that keep a user's proxy, if there is one, out of the way to this cloud."""
    if not any(name.lower() in ("http_proxy", "all_proxy") for name in users):
        return {}
    without = users.get("no_proxy") or users.get("NO_PROXY") or ""
    here = ",".join(filter(None, [without, "127.0.0.1"]))
    return {"NO_PROXY": here, "no_proxy": here}


def misleading(users: Mapping[str, str]) -> list[str]:
    """Those of a user's variables that would turn an AWS tool away from the local cloud."""
    return [name for name in users if _MISLEADING.fullmatch(name)]
