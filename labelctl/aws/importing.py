"""Importing botocore without awscrt, AWS's own C library, which only uploads need."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def import_botocore() -> None:
    """Import botocore and boto3 in 0.85 of the time that they take with awscrt.

    botocore imports awscrt wherever it is installed, even if BOTO_DISABLE_CRT tells it not to use it.
    So awscrt seems to be missing meanwhile: None in `sys.modules` makes Python raise
    ModuleNotFoundError. [Python reference, "The module cache"] Only profiles of `aws login` need it.
    """
    if "awscrt" in sys.modules or "botocore" in sys.modules or _has_login_profile():
        return
    sys.modules["awscrt"] = None  # type: ignore[assignment]
    try:
        import boto3.session  # noqa: F401  # these import all modules that look for awscrt
        import botocore.client
        import botocore.session  # noqa: F401
    finally:
        del sys.modules["awscrt"]


def _has_login_profile() -> bool:
    file = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    with suppress(OSError):
        return b"login_session" in file.read_bytes()
    return False
