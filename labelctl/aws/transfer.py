"""Putting many objects into S3 with awscrt, AWS's own C library.

boto3 prepares and signs each request in Python, which takes 5 to 9 times as long as sending a small
photo does. So boto3 sends the first object, and awscrt repeats that request for the others, at the same
address, with the same headers. What awscrt cannot send, boto3 sends: its retries and its errors are
those of all other requests. `ManyPuts.put_object` is the one place that decides.
"""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEPT = ("User-Agent", "x-amz-expected-bucket-owner", "x-amz-sdk-checksum-algorithm")
"""The headers that all requests have in common, beside those of the signature."""
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request")
_CONNECTIONS = 32
_MAX_FAILURES = 4
"""By how many awscrt's failures may exceed its successes before boto3 sends everything."""


class ManyPuts:
    """PutObject for many objects, with the parameters and the result of boto3's `put_object`.

    `get_credentials` returns botocore's frozen credentials; it is called for each request, so that they
    may be renewed. `ca_bundle` is the file of the user's certificate authorities, or None. `trace` is
    called with a line about each request. May be called from several threads.
    """

    def __init__(
        self,
        s3: S3Client,
        get_credentials: Callable[[], Any],
        ca_bundle: str | None,
        trace: Callable[[str], None] | None,
    ) -> None:
        self._s3, self._get_credentials, self._ca_bundle = s3, get_credentials, ca_bundle
        self._trace = trace
        self._first = Lock()
        self._tried = False
        self._native: _NativePuts | None = None
        self._failures = 0  # fewer for each success

    def put_object(self, **request: Any) -> Any:
        """Put an object with its `Bucket`, `Key`, `Body`, `ContentType` and `ChecksumSHA256`.

        Raises boto3's errors.
        """
        if not self._tried:
            with self._first:
                if not self._tried:
                    return self._put_first(request)
        return self._put_natively(request) or self._s3.put_object(**request)

    def _put_natively(self, request: Any) -> Any | None:
        native = self._native
        if native is None:
            return None
        started = time.monotonic()
        sent = native.put(request)
        self._failures += -1 if sent else 1
        if self._failures > _MAX_FAILURES:
            self._native = None
        if self._trace:
            elapsed_ms = (time.monotonic() - started) * 1000
            status = 200 if sent else "not accepted, sent again"
            self._trace(f"s3 PutObject: {status}, {elapsed_ms:.0f} ms")
        return sent

    def _put_first(self, request: Any) -> Any:
        """Put an object with boto3, and prepare awscrt for others like it if it can send them."""
        requests: list[Any] = []

        def remember(request: Any, **_: Any) -> None:
            requests.append(request)

        events = self._s3.meta.events
        events.register_first("before-send.s3.PutObject", remember)
        try:
            response = self._s3.put_object(**request)
            if requests and "ETag" in response:
                self._native = self._prepare(requests[-1], request["Key"])
            return response
        finally:
            self._tried = True
            events.unregister("before-send.s3.PutObject", remember)

    def _prepare(self, sent: Any, key: str) -> _NativePuts | None:
        """Return awscrt for requests like the one that was sent, or None if it cannot send them.

        It cannot if a proxy is set, which may need a certificate of its own; if the signature is not
        S3's usual one; or if the platform has no awscrt, or it cannot use the certificates.
        """
        url = urlsplit(sent.url)
        scope = _SCOPE.match(_text(sent.headers.get("Authorization", "")))
        folder = url.path.removesuffix(_path(key))
        if (
            scope is None
            or folder == url.path
            or url.query
            or getproxies().keys() & {url.scheme, "all"}
        ):
            return None
        kept = [(name, _text(sent.headers[name])) for name in _KEPT if name in sent.headers]
        try:
            return _NativePuts(
                f"{url.scheme}://{url.netloc}{folder}",
                [("Host", url.netloc), *kept],
                scope[1],
                self._get_credentials,
                self._ca_bundle,
            )
        except (
            Exception
        ):  # awscrt raises many types, and boto3 explains what is wrong with a setting
            return None


class _NativePuts:
    """awscrt's client for one folder of a bucket. `url` ends with a slash."""

    def __init__(
        self,
        url: str,
        headers: list[tuple[str, str]],
        region: str,
        get_credentials: Callable[[], Any],
        ca_bundle: str | None,
    ) -> None:
        from awscrt import auth, io, s3

        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._path, self._headers = parts.path, headers

        def credentials() -> Any:
            found = get_credentials()
            return auth.AwsCredentials(found.access_key, found.secret_key, found.token)

        self._signing = {
            "algorithm": auth.AwsSigningAlgorithm.V4,
            "service": "s3",
            "region": region,
            "credentials_provider": auth.AwsCredentialsProvider.new_delegate(credentials),
            "use_double_uri_encode": False,
            "should_normalize_uri_path": False,
            "signed_body_header_type": auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        }
        retries = s3.S3RetryConfig()
        retries.retry_mode = s3.S3RetryMode.NONE  # boto3 retries
        self._client = s3.S3Client(
            region=region,
            tls_mode=s3.S3RequestTlsMode.ENABLED if secure else s3.S3RequestTlsMode.DISABLED,
            tls_connection_options=_tls(io, ca_bundle) if secure else None,
            signing_config=auth.AwsSigningConfig(**self._signing),
            max_active_connections_override=_CONNECTIONS,
            retry_config=retries,
            connect_timeout_ms=5000,  # as boto3's clients
        )

    def put(self, request: Any) -> Any | None:
        """Put an object; returns the result as boto3 does, or None if it was not accepted."""
        from awscrt import auth, http, s3

        body, sha256 = request["Body"], request["ChecksumSHA256"]
        headers = [
            *self._headers,
            ("Content-Length", str(len(body))),
            ("Content-Type", request["ContentType"]),
            ("x-amz-checksum-sha256", sha256),
        ]
        stream = io.BytesIO(body)
        path = self._path + _path(request["Key"])
        message = http.HttpRequest("PUT", path, http.HttpHeaders(headers), stream)
        digest = base64.b64decode(sha256).hex()
        response: dict[str, str] = {}

        def keep(headers: list[tuple[str, str]], **_: Any) -> None:
            response.update((name.lower(), value) for name, value in headers)

        try:
            self._client.make_request(
                type=s3.S3RequestType.DEFAULT,  # one request, whatever the size
                operation_name="PutObject",
                request=message,
                signing_config=auth.AwsSigningConfig(**self._signing, signed_body_value=digest),
                on_headers=keep,
            ).finished_future.result()
        except Exception:  # boto3 sends it, or explains why it cannot be sent
            return None
        if "etag" not in response:  # not S3, but perhaps a page of the network
            return None
        result = {"ETag": response["etag"]}
        if version := response.get("x-amz-version-id"):
            result["VersionId"] = version
        return result


def _tls(io: Any, ca_bundle: str | None) -> Any:
    """Trust the certificate authorities that boto3 trusts."""
    from botocore.httpsession import get_cert_path

    options = io.TlsContextOptions()
    options.override_default_trust_store_from_path(None, ca_bundle or get_cert_path(True))
    return io.ClientTlsContext(options).new_connection_options()


def _path(key: str) -> str:
    return quote(key, safe="/~")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
