"""PutObject with awscrt, AWS's own C library. To be imported on first use, as it loads the library."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from awscrt import auth, http, io, s3  # noqa: TID253 - see above

_CONNECTIONS = 32


class CrtPuts:
    """Puts objects into a folder of a bucket.

    `url` is the folder's, with a slash at the end; `headers` are those that all requests share.
    `ca_bundle` is the file of the user's certificate authorities, or None for boto3's. Raises
    exceptions of many types if awscrt cannot use the settings.
    """

    def __init__(
        self, url: str, headers: list[tuple[str, str]], region: str, ca_bundle: str | None
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._path, self._headers = parts.path, [("Host", parts.netloc), *headers]
        self._new_credentials = lru_cache(1)(auth.AwsCredentialsProvider.new_static)
        self._signing = partial(
            auth.AwsSigningConfig,
            algorithm=auth.AwsSigningAlgorithm.V4,
            service="s3",
            region=region,
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        retries = s3.S3RetryConfig()
        retries.retry_mode = s3.S3RetryMode.NONE  # boto3 retries
        self._client = s3.S3Client(
            region=region,
            tls_mode=s3.S3RequestTlsMode.ENABLED if secure else s3.S3RequestTlsMode.DISABLED,
            tls_connection_options=_tls(ca_bundle) if secure else None,
            max_active_connections_override=_CONNECTIONS,
            retry_config=retries,
            connect_timeout_ms=5000,  # as boto3's clients
        )

    def put(
        self, file: Path, request: Any, credentials: Any, done: Callable[[Any | None], None]
    ) -> None:
        """Put a file; calls `done` with a response like boto3's, or with None if it failed.

        `request` has the parameters of boto3's `put_object`; `credentials` are botocore's frozen ones.
        `done` is called in a thread of awscrt, unless an exception is raised.
        """
        sha256 = request["ChecksumSHA256"]
        headers = [
            *self._headers,
            ("Content-Length", str(len(request["Body"]))),
            ("Content-Type", request["ContentType"]),
            ("x-amz-checksum-sha256", sha256),
        ]
        answer: dict[str, str] = {}

        def keep(headers: list[tuple[str, str]], **_: Any) -> None:
            answer.update((name.lower(), value) for name, value in headers)

        def finish(error: Exception | None, **_: Any) -> None:
            done(None if error else _response(answer))

        self._client.make_request(
            type=s3.S3RequestType.DEFAULT,  # one request, whatever the size
            operation_name="PutObject",
            request=http.HttpRequest(
                "PUT", self._path + path_of(request["Key"]), http.HttpHeaders(headers)
            ),
            send_filepath=str(file),
            signing_config=self._signing(
                credentials_provider=self._new_credentials(
                    credentials.access_key, credentials.secret_key, credentials.token
                ),
                signed_body_value=base64.b64decode(sha256).hex(),
            ),
            on_headers=keep,
            on_done=finish,
        )


def path_of(key: str) -> str:
    """A key in a URL, encoded as boto3 does."""
    return quote(key, safe="/~")


def _response(headers: dict[str, str]) -> Any | None:
    if "etag" not in headers:  # not S3, but perhaps a page of the network
        return None
    version = headers.get("x-amz-version-id")
    return {"ETag": headers["etag"]} | ({"VersionId": version} if version else {})


def _tls(ca_bundle: str | None) -> Any:
    """Trust the certificate authorities that boto3 trusts."""
    from botocore.httpsession import get_cert_path

    options = io.TlsContextOptions()
    options.override_default_trust_store_from_path(None, ca_bundle or get_cert_path(True))
    return io.ClientTlsContext(options).new_connection_options()
