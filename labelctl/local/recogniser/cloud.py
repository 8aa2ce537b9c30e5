"""The emulator that the recogniser stands beside: may this caller do this, and the object's bytes.

On AWS, Rekognition reads an S3 object with the rights of whoever calls it. A caller's signature
can't be used again, so the object is fetched with the recogniser's own credentials, but only after
the emulator has said that the caller may read it. It says so on a route of our gateway,
`POST /_labelctl/authorize`, which evaluates IAM policies; where the route is missing (a bare
emulator), everybody may. The caller is known by the access key id in the request: signatures are
not checked, as the server listens on loopback only. It must not know what is in a picture.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from labelctl.errors import UsageError
from labelctl.local.recogniser.answer import S3Object
from labelctl.local.recogniser.refusals import internal_error, too_large, unreadable_object
from labelctl.words import without_passwords

MAX_OBJECT_BYTES = 15 * 1024 * 1024
"""The largest picture read from S3, in bytes (Rekognition's quotas page)."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TIMEOUT = 30.0
_ROOT = re.compile(r"test|\d{12}")


@dataclass(frozen=True)
class Decision:
    allowed: bool
    principal: str


class Cloud:
    """The emulator at `endpoint`, a loopback address; None when there is none to ask."""

    def __init__(self, endpoint: str | None) -> None:
        if endpoint is not None and urlsplit(endpoint).hostname not in LOOPBACK:
            raise UsageError(
                f"AWS_ENDPOINT_URL is {without_passwords(endpoint)!r}, which is not on this machine.",
                "The local recogniser only serves a local cloud: point it at 127.0.0.1.",
            )
        self._endpoint = endpoint
        self._client: Any = None
        self._lock = Lock()

    def authorize(self, access_key: str, action: str, resource: str) -> Decision:
        """Whether the holder of `access_key` may do `action` to `resource`, as IAM has it.

        Raises RefusalError (InternalServerError, which callers retry) when nobody answers.
        """
        if self._endpoint is None or _ROOT.fullmatch(access_key):
            return Decision(True, access_key)
        question = {"access_key": access_key, "action": action, "resource": resource}
        status, body = self._post("/_labelctl/authorize", json.dumps(question).encode())
        if status >= 500:
            raise internal_error()  # a gateway that fails must not let everybody in
        if status != 200:
            return Decision(True, access_key)
        try:
            decision = json.loads(body)
            return Decision(decision["allowed"] is True, str(decision.get("principal", access_key)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise internal_error() from error

    def fetch(self, place: S3Object) -> bytes:
        """The bytes of an object, its size checked before any of them is read.

        Raises RefusalError: ImageTooLargeException over 15 MB, InvalidS3ObjectException if S3
        refuses, InternalServerError if S3 fails or can't be reached.
        """
        import botocore.exceptions as boto

        if self._endpoint is None:
            raise unreadable_object()
        which = {"VersionId": place.version} if place.version else {}
        try:
            answer = self._s3().get_object(Bucket=place.bucket, Key=place.name, **which)
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
        """Make the S3 client now, so that the first picture need not wait for it."""
        if self._endpoint is not None:
            self._s3()

    def _s3(self) -> Any:
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                self._client = boto3.client(
                    "s3",
                    endpoint_url=self._endpoint,
                    config=Config(
                        s3={"addressing_style": "path"},
                        retries={"total_max_attempts": 2},
                        read_timeout=_TIMEOUT,
                        max_pool_connections=32,
                        proxies={},
                    ),
                )
            return self._client

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        target = urlsplit(self._endpoint)
        assert isinstance(target.hostname, str)
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise internal_error() from error
        finally:
            connection.close()


def access_key_of(authorization: str) -> str | None:
    """The access key id in an `Authorization` header of Signature Version 4, if there is one."""
    found = re.search(r"\bCredential=([^/,\s]+)/", authorization)
    return found[1] if found else None
