"""With --local, nothing of the user's AWS configuration counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from labelctl.cli.options import Options
from labelctl.cli.session import Session
from labelctl.local import engine, environment, watch
from labelctl.local.credentials import Credentials

USERS = {
    "AWS_MAX_ATTEMPTS": "abc",
    "AWS_STS_REGIONAL_ENDPOINTS": "bogus",
    "AWS_RETRY_MODE": "bogus",
    "AWS_DEFAULTS_MODE": "bogus",
    "AWS_PROFILE": "nope",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "nonsense",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_SETTING_OF_A_LATER_BOTO3": "x",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The user's home folder with a damaged AWS configuration."""
    for name in ("config", "credentials"):
        path = tmp_path / ".aws" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("[default\naws_access_key_id=x\n")
    with mock.patch.dict(os.environ, {"HOME": str(tmp_path), **USERS}):
        del os.environ["AWS_CONFIG_FILE"], os.environ["AWS_SHARED_CREDENTIALS_FILE"]
        yield tmp_path


def test_the_users_aws_configuration_is_not_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = engine.Cloud(
        *("http://127.0.0.1:9", "http://127.0.0.1:8", 1, 2),
        *(Credentials("LCTLKEY", "secret"), home, None, None, ""),
    )
    monkeypatch.setattr(engine, "status", lambda: cloud)
    monkeypatch.setattr(watch.Watch, "start", lambda _: None)

    s3 = Session(Options(local=True)).aws.s3

    assert s3.meta.endpoint_url == "http://127.0.0.1:9"
    assert s3.meta.config.retries == {"mode": "standard"}
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert "LCTLKEY" in link
    assert "oken" not in link
    assert not USERS.keys() & os.environ.keys()


def test_a_shell_keeps_what_does_no_harm() -> None:
    kept = ("AWS_PAGER", "AWS_CLI_AUTO_PROMPT", "AWS_DEFAULT_OUTPUT", "AWS_REGION", "HOME")
    assert environment.interfering(dict.fromkeys((*kept, *USERS), "x")) == list(USERS)
