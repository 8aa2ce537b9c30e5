"""Putting many objects into S3 with awscrt, AWS's own C library.

boto3 prepares and signs each request in Python, which takes 5 to 9 times as long as sending a small
photo does. So boto3 sends the first object, and awscrt repeats that request for the others, at the same
address, with the same headers. What awscrt cannot send, boto3 sends: its retries and its errors are
those of all other requests. `ManyPuts.put` is the one place that decides.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import lru_cache
from pathlib import Path
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
    """PutObject for many objects.

    `get_credentials` returns botocore's frozen credentials; it is called for each request, so that they
    may be renewed. `ca_bundle` is the file of the user's certificate authorities, or None. `trace` is
    called with a line about each request. For one thread, which does not wait for the requests.
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
        self._is_first = True
        self._native: _NativePuts | None = None
        self._failures = 0  # fewer for each success

    def put(self, file: Path, request: Any, threads: Executor) -> Future[Any]:
        """Put a file's content; returns boto3's response, or its error, once it is there.

        `request` has the parameters of boto3's `put_object`: `Bucket`, `Key`, `Body`, `ContentType` and
        `ChecksumSHA256`. awscrt reads the file itself, without Python's lock. If it has changed, S3
        rejects it by the checksum, and boto3 sends `Body`, in one of the threads.
        """
        put: Future[Any] = Future()
        if self._is_first:
            self._is_first = False
            _complete(put, lambda: self._put_first(request))
        elif self._native is None:
            threads.submit(_complete, put, lambda: self._s3.put_object(**request))
        else:
            self._put_natively(self._native, put, file, request, threads)
        return put

    def _put_natively(
        self, native: _NativePuts, put: Future[Any], file: Path, request: Any, threads: Executor
    ) -> None:
        started = time.monotonic()

        def done(response: Any | None) -> None:
            self._failures += -1 if response else 1
            if self._failures > _MAX_FAILURES:
                self._native = None
            if self._trace:
                elapsed_ms = (time.monotonic() - started) * 1000
                status = 200 if response else "not accepted, sent again"
                self._trace(f"s3 PutObject: {status}, {elapsed_ms:.0f} ms")
            if response:
                put.set_result(response)
                return
            try:
                threads.submit(_complete, put, lambda: self._s3.put_object(**request))
            except RuntimeError:  # the upload has ended early
                put.cancel()

        try:
            native.put(file, request, self._get_credentials(), done)
        except Exception:  # boto3 sends it, or explains why it cannot be sent
            done(None)

    def _put_first(self, request: Any) -> Any:
        """Put an object with boto3, and prepare awscrt for others like it if it can send them."""
        requests: list[Any] = []

        def remember(request: Any, **_: Any) -> None:
            requests.append(request)

        events = self._s3.meta.events
        events.register_first("before-send.s3.PutObject", remember)
        try:
            return self._s3.put_object(**request)
        finally:
            events.unregister("before-send.s3.PutObject", remember)
            self._native = self._prepare(requests[-1], request["Key"]) if requests else None

    def _prepare(self, sent: Any, key: str) -> _NativePuts | None:
        """Return awscrt for requests like the one that was sent, or None if it cannot send them.

        It cannot if a proxy is set, which may need a certificate of its own; if the signature is not
        S3's usual one; or if the platform has no awscrt, or it cannot use the certificates.
        """
        url = urlsplit(sent.url)
        scope = _SCOPE.match(_text(sent.headers.get("Authorization", "")))
        folder = url.path.removesuffix(_path(key))
        if scope is None or folder == url.path or url.query:
            return None
        if getproxies().keys() & {url.scheme, "all"}:
            return None
        kept = [(name, _text(sent.headers[name])) for name in _KEPT if name in sent.headers]
        folder = f"{url.scheme}://{url.netloc}{folder}"
        try:
            return _NativePuts(folder, [("Host", url.netloc), *kept], scope[1], self._ca_bundle)
        except Exception:  # awscrt raises many types; boto3 explains what is wrong with a setting
            return None


class _NativePuts:
    """awscrt's client for one folder of a bucket. `url` ends with a slash."""

    def __init__(
        self, url: str, headers: list[tuple[str, str]], region: str, ca_bundle: str | None
    ) -> None:
        from awscrt import auth, io, s3

        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._path, self._headers, self._region = parts.path, headers, region
        retries = s3.S3RetryConfig()
        retries.retry_mode = s3.S3RetryMode.NONE  # boto3 retries
        self._client = s3.S3Client(
            region=region,
            tls_mode=s3.S3RequestTlsMode.ENABLED if secure else s3.S3RequestTlsMode.DISABLED,
            tls_connection_options=_tls(io, ca_bundle) if secure else None,
            max_active_connections_override=_CONNECTIONS,
            retry_config=retries,
            connect_timeout_ms=5000,  # as boto3's clients
        )
        self._new_credentials = lru_cache(1)(auth.AwsCredentialsProvider.new_static)

    def put(
        self, file: Path, request: Any, credentials: Any, done: Callable[[Any | None], None]
    ) -> None:
        """Put a file's content; calls `done` with a result like boto3's, or None if it failed.

        `done` is called in a thread of awscrt.
        """
        from awscrt import auth, http, s3

        sha256 = request["ChecksumSHA256"]
        headers = [
            *self._headers,
            ("Content-Length", str(len(request["Body"]))),
            ("Content-Type", request["ContentType"]),
            ("x-amz-checksum-sha256", sha256),
        ]
        signing = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            service="s3",
            region=self._region,
            credentials_provider=self._new_credentials(
                credentials.access_key, credentials.secret_key, credentials.token
            ),
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
            signed_body_value=base64.b64decode(sha256).hex(),
        )
        response: dict[str, str] = {}

        def keep(headers: list[tuple[str, str]], **_: Any) -> None:
            response.update((name.lower(), value) for name, value in headers)

        def finish(error: Exception | None, **_: Any) -> None:
            etag = response.get("etag")  # None: not S3, but perhaps a page of the network
            done(None if error or not etag else _result(etag, response.get("x-amz-version-id")))

        path = self._path + _path(request["Key"])
        self._client.make_request(
            type=s3.S3RequestType.DEFAULT,  # one request, whatever the size
            operation_name="PutObject",
            request=http.HttpRequest("PUT", path, http.HttpHeaders(headers)),
            send_filepath=str(file),
            signing_config=signing,
            on_headers=keep,
            on_done=finish,
        )


def _result(etag: str, version: str | None) -> Any:
    return {"ETag": etag, "VersionId": version} if version else {"ETag": etag}


def _complete(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


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
