"""Putting many objects into S3 with awscrt, AWS's own C library.

boto3 prepares and signs each request in Python, which takes 5 to 9 times as long as sending a small
photo does. So boto3 sends the first object, and awscrt repeats that request for the others, at the same
address, with the same headers. What awscrt cannot send, boto3 sends: its retries and its errors are
those of all other requests. `ManyPuts.put` is the one place that decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.crt import CrtPuts

_KEPT = ("User-Agent", "x-amz-expected-bucket-owner", "x-amz-sdk-checksum-algorithm")
"""The headers that all requests have in common, beside those of the signature."""
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request")
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
        self._crt: CrtPuts | None = None
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
        elif self._crt:
            self._put_with_crt(self._crt, put, file, request, threads)
        else:
            threads.submit(_complete, put, lambda: self._s3.put_object(**request))
        return put

    def _put_with_crt(
        self, crt: CrtPuts, put: Future[Any], file: Path, request: Any, threads: Executor
    ) -> None:
        started = time.monotonic()

        def done(response: Any | None) -> None:
            try:
                self._note(response, time.monotonic() - started)
            finally:  # otherwise the upload would wait forever
                if response:
                    put.set_result(response)
                else:
                    self._put_again(put, request, threads)

        try:
            crt.put(file, request, self._get_credentials(), done)
        except Exception:  # boto3 sends it, or explains why it cannot be sent
            done(None)

    def _note(self, response: Any | None, seconds: float) -> None:
        self._failures += -1 if response else 1
        if self._failures > _MAX_FAILURES:
            self._crt = None
        if self._trace:
            status = 200 if response else "not accepted, sent again"
            self._trace(f"s3 PutObject: {status}, {seconds * 1000:.0f} ms")

    def _put_again(self, put: Future[Any], request: Any, threads: Executor) -> None:
        try:
            threads.submit(_complete, put, lambda: self._s3.put_object(**request))
        except RuntimeError:  # the upload has ended early
            put.cancel()

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
            self._crt = self._prepare(requests[-1], request["Key"]) if requests else None

    def _prepare(self, sent: Any, key: str) -> CrtPuts | None:
        """Return awscrt for requests like the one that was sent, or None if it cannot send them.

        It cannot if a proxy is set, which may need a certificate of its own; if the signature is not
        S3's usual one; or if the platform has no awscrt, or it cannot use the certificates.
        """
        try:
            from labelctl.aws import crt
        except ImportError:
            return None
        url = urlsplit(sent.url)
        scope = _SCOPE.match(_text(sent.headers.get("Authorization", "")))
        folder = url.path.removesuffix(crt.path_of(key))
        if scope is None or folder == url.path or url.query:
            return None
        if getproxies().keys() & {url.scheme, "all"}:
            return None
        kept = [(name, _text(sent.headers[name])) for name in _KEPT if name in sent.headers]
        folder = f"{url.scheme}://{url.netloc}{folder}"
        try:
            return crt.CrtPuts(folder, kept, scope[1], self._ca_bundle)
        except Exception:  # awscrt raises many types; boto3 explains what is wrong with a setting
            return None


def _complete(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
