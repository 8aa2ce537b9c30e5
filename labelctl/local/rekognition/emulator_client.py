"""The recogniser's client of the emulator: authorises callers and fetches objects.

On AWS, Rekognition checks the caller's signature and reads an S3 object with the caller's permissions.
Here only the gateway in front of the emulator has all secrets and policies, so the recogniser calls
its route `POST /_labelctl/authorize`. A caller's signature is not valid for other requests, so the
object is then fetched with the recogniser's own credentials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from labelctl.errors import UsageError
from labelctl.local.credentials import Credentials
from labelctl.local.rekognition.errors import (
    RefusalError,
    internal_error,
    too_large,
    unreadable_object,
)
from labelctl.local.rekognition.protocol import S3Object
from labelctl.text import without_passwords

if TYPE_CHECKING:
    from labelctl.local.emulator.admission import Request

MAX_OBJECT_BYTES = 15 * 1024 * 1024
"""Maximum size of a picture in S3, in bytes. [Rekognition, Guidelines and quotas]"""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TIMEOUT = 30  # seconds
_REGION = "us-east-1"
_CONNECTIONS = 32

Needs = Sequence[tuple[str, str]]
"""Pairs of an IAM action and a resource's ARN."""


@dataclass(frozen=True)
class Decision:
    """The signer's ARN, and the first action that is not allowed ("" if all are)."""

    principal: str
    denied: str = ""


class Cloud:
    """The emulator at `endpoint`, a loopback address; `root` signs the recogniser's own requests."""

    def __init__(self, endpoint: str, root: Credentials) -> None:
        if urlsplit(endpoint).hostname not in LOOPBACK:
            raise UsageError(
                f"AWS_ENDPOINT_URL is {without_passwords(endpoint)!r}, which is not on this machine.",
                "The local recogniser only serves a local cloud: point it at 127.0.0.1.",
            )
        self._endpoint = endpoint
        self._root = root
        self._s3_client: Any = None
        self._session: Any = None
        self._lock = Lock()

    def authorize(self, request: Request, body_sha256: str, needs: Needs) -> Decision:
        """Check the signature of `request`, whose body has this hash, and its signer's permissions.

        Raises RefusalError: AWS's error for an invalid signature, or InternalServerError, which callers
        retry, if the gateway does not respond.
        """
        question = {
            "method": request.method,
            "path": request.path,
            "headers": dict(request.headers),
            "body_sha256": body_sha256,
            "needs": list(needs),
        }
        answer = self._post("/_labelctl/authorize", json.dumps(question).encode())
        try:
            if refused := answer.get("refused"):
                raise RefusalError(refused["code"], refused["message"], 403)
            return Decision(str(answer["principal"]), answer["denied"] or "")
        except (TypeError, KeyError, AttributeError) as error:
            raise internal_error() from error  # an unexpected response must not grant access

    def fetch(self, source: S3Object) -> bytes:
        """The bytes of an object; its size is checked before they are read.

        Raises RefusalError: ImageTooLargeException over 15 MB, InvalidS3ObjectException if S3 refuses
        the request, InternalServerError if S3 fails or cannot be reached.
        """
        import botocore.exceptions as boto

        version = {"VersionId": source.version} if source.version else {}
        try:
            answer = self._s3().get_object(Bucket=source.bucket, Key=source.name, **version)
            body = answer["Body"]
            if answer["ContentLength"] > MAX_OBJECT_BYTES:
                body.close()
                raise too_large()
            return bytes(body.read())
        except boto.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise internal_error() from error
            raise unreadable_object() from error
        except boto.ParamValidationError as error:
            raise unreadable_object() from error
        except boto.BotoCoreError as error:
            raise internal_error() from error

    def warm_up(self) -> None:
        """Create the S3 client now, so that the first picture does not have to wait for it."""
        self._s3()

    def _s3(self) -> Any:
        with self._lock:
            if self._s3_client is None:
                import boto3
                from botocore.config import Config

                self._s3_client = boto3.client(
                    "s3",
                    endpoint_url=self._endpoint,
                    region_name=_REGION,
                    aws_access_key_id=self._root.access_key_id,
                    aws_secret_access_key=self._root.secret_access_key,
                    config=Config(
                        s3={"addressing_style": "path"},
                        retries={"total_max_attempts": 2},
                        read_timeout=_TIMEOUT,
                        max_pool_connections=_CONNECTIONS,
                        proxies={},
                    ),
                )
            return self._s3_client

    def _post(self, path: str, body: bytes) -> Any:
        """POST signed JSON to the gateway and return the JSON response."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Signing
        from botocore.exceptions import HTTPClientError
        from botocore.httpsession import URLLib3Session

        with self._lock:
            if self._session is None:
                self._session = URLLib3Session(timeout=_TIMEOUT, max_pool_connections=_CONNECTIONS)
        request = AWSRequest("POST", self._endpoint + path, data=body)
        root = Signing(self._root.access_key_id, self._root.secret_access_key)
        SigV4Auth(root, "labelctl", _REGION).add_auth(request)
        try:
            response = self._session.send(request.prepare())
            if response.status_code != 200:
                raise internal_error()
            return json.loads(response.content)
        except (HTTPClientError, ValueError) as error:
            raise internal_error() from error
