"""S3's PutObject as a server on this machine, which records requests and can refuse them.

It rejects content that does not have the signed SHA-256, as S3 does. [S3 API, error responses]
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext

_MISMATCH = "<Error><Code>XAmzContentSHA256Mismatch</Code><Message>no</Message></Error>"


class ObjectServer(ThreadingHTTPServer):
    """`objects` holds what was put, by path; `requests` are the headers of each request.

    `refusals` are answered first: an HTTP status and a body each; the status 0 drops the connection.
    With `tls`, the server speaks HTTPS.
    """

    def __init__(self, tls: SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.objects: dict[str, bytes] = {}
        self.requests: list[dict[str, str]] = []
        self.refusals: list[tuple[int, str]] = []


@contextmanager
def object_server(tls: SSLContext | None = None) -> Iterator[ObjectServer]:
    with ObjectServer(tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectServer

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(headers)
        status, text = self.server.refusals.pop(0) if self.server.refusals else (200, "")
        signed = headers["x-amz-content-sha256"]
        if signed not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            status, text = 400, _MISMATCH
        if status == 0:
            self.close_connection = True
            return
        if status == 200 and not text:
            self.server.objects[self.path] = body
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if not text:
            self.send_header("ETag", f'"{len(body)}"')
            self.send_header("x-amz-version-id", f"v{len(self.server.objects)}")
            self.send_header("x-amz-request-id", "0A1B")
        else:
            self.send_header(
                "Content-Type", "application/xml" if "<Error>" in text else "text/html"
            )
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass
