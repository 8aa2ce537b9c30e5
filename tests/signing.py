"""Requests signed by botocore, as a service receives them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from labelctl.local.emulator.admission import Request

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # both from AWS's documentation
HOST = "127.0.0.1:20001"


def sign(
    signer: type[SigV4Auth],
    service: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    token: str | None = None,
    **options: Any,
) -> Request:
    """A request signed now, with the key above."""
    signing = AWSRequest(method, f"http://{HOST}{path}", data=body, headers=headers)
    signer(Credentials(KEY, SECRET, token), service, "us-east-1", **options).add_auth(signing)
    url = urlsplit(str(signing.url))
    sent = {name.lower(): value for name, value in signing.headers.items()} | {"host": HOST}
    return Request(method, url.path, url.query, sent)
