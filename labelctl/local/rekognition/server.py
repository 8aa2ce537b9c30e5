"""The recogniser's HTTP server: Amazon Rekognition's JSON protocol on loopback.

    POST /        X-Amz-Target: RekognitionService.DetectLabels   (x-amz-json-1.1)
    GET  /health  {"recogniser": LabelModelVersion, "proof": …}, if the client knows the secret

    python -m labelctl.local.rekognition --port N [--model FILE]

prints `listening on http://127.0.0.1:PORT` when it is ready, logs to stderr, and exits with 0 on
SIGTERM. It listens on 127.0.0.1 only, refuses requests from web pages, and lets the gateway check each
caller's signature and permissions. This module handles HTTP and the order of the steps (authorise,
validate, queue, fetch, detect, respond); other modules implement them.

The log has one line per request with its outcome. `dropped`: the caller disconnected before the work
started. `wasted`: the caller disconnected before the response was ready.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from labelctl.errors import LabelctlError, LocalCloudError
from labelctl.local import health
from labelctl.local.credentials import Credentials
from labelctl.local.emulator import admission
from labelctl.local.emulator.admission import Request
from labelctl.local.rekognition.connections import Connections
from labelctl.local.rekognition.emulator_client import Cloud, Decision, Needs
from labelctl.local.rekognition.errors import (
    RefusalError,
    access_denied,
    internal_error,
    too_large,
    unreadable_object,
)
from labelctl.local.rekognition.pool import Pool
from labelctl.local.rekognition.protocol import Request as DetectLabels
from labelctl.local.rekognition.protocol import S3Object, read_request, write_answer

MODULE = "labelctl.local.rekognition"
"""The module to run with `python -m`."""

TARGET = "RekognitionService.DetectLabels"
_DETECT = "rekognition:DetectLabels"
_MAX_BODY = 8 * 1024 * 1024  # 5 MB in base64, and the other parameters
_MAX_DISCARDED = 64 * 1024 * 1024
_SHUTDOWN_TIMEOUT = 5.0  # seconds to wait for pictures in progress

Fetch = Callable[[S3Object], bytes]
Authorize = Callable[[Request, str, Needs], Decision]


class RecogniserServer(ThreadingHTTPServer):
    """Serves a pool of workers on 127.0.0.1. Port 0 chooses a free port (see `url`)."""

    daemon_threads = True
    block_on_close = False  # idle connections must not delay the shutdown
    request_queue_size = 128

    def __init__(
        self, port: int, pool: Pool, *, root: Credentials, fetch: Fetch, authorize: Authorize
    ) -> None:
        """Raises LocalCloudError if the port is not available."""
        self.pool = pool
        self.root = root
        self.fetch = fetch
        self.authorize = authorize
        self.connections = Connections()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise LocalCloudError(
                f"The recogniser cannot listen on port {port}: {error}.",
                "Choose another port, or 0 for any free port.",
            ) from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def detect_labels(
        self, signed: Request, raw: bytes, wanted: Callable[[], bool]
    ) -> dict[str, Any]:
        """The response to a DetectLabels request. `wanted` says whether the caller is still connected.

        Raises RefusalError if the request is refused, ConnectionAbortedError if the caller has gone.
        """
        request = self._authorized(signed, raw)  # first: strangers must not fill the queue
        with self.pool.turn():
            if not wanted():
                raise ConnectionAbortedError("The caller has gone.")
            source = request.source
            data = source if isinstance(source, bytes) else self.fetch(source)
            detection = self.pool.detect(data, request.max_colors, wanted)
        return write_answer(request, detection, self.pool.version)

    def _authorized(self, signed: Request, raw: bytes) -> DetectLabels:
        """The parameters of the request, if its signer has the necessary permissions.

        The body of an unauthorised request is not parsed: 8 MB of JSON can take 200 MB of memory.
        """
        body_sha256 = hashlib.sha256(raw).hexdigest()
        decision = self.authorize(signed, body_sha256, [(_DETECT, "*")])
        if decision.denied:
            raise access_denied(decision.principal, _DETECT)
        request = read_request(_json(raw))
        source = request.source
        if isinstance(source, S3Object):
            needs = [(source.action, source.arn)]
            if self.authorize(signed, body_sha256, needs).denied:
                raise unreadable_object()
        return request

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a new connection in a thread, if it is admitted."""
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.connections.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error, unless the client has disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RecogniserServer
    protocol_version = "HTTP/1.1"
    server_version = "labelctl-recogniser"
    # Without both, Nagle's algorithm and delayed acknowledgements cost 40 ms per call.
    disable_nagle_algorithm = True
    wbufsize = 256 * 1024
    timeout = 75  # seconds without data; the same as the gateway's

    def handle_one_request(self) -> None:
        """Handle the next request; until it arrives, the connection counts as waiting."""
        super().handle_one_request()
        self.server.connections.answered(self.connection)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        proof = health.answer(self.server.root, health.RECOGNISER, query)
        if admission.refusal(self._head()) or path != "/health" or proof is None:
            self._refuse(RefusalError("AccessDeniedException", "Only labelctl may call this", 403))
        else:
            answer = {"recogniser": self.server.pool.version, "proof": proof}
            self._send(200, answer, "application/json")

    def do_POST(self) -> None:
        began = time.monotonic()
        outcome = "dropped"
        try:
            answer = self._answer()
            outcome = "wasted"
            if not self._is_connected():
                raise ConnectionAbortedError("The caller has gone.")
            self._send(200, answer)
            outcome = "answered"
        except RefusalError as refusal:
            self._refuse(refusal)
            outcome = refusal.code
        except ConnectionError:
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self._refuse(internal_error())
            outcome = "InternalServerError"
        self.log_message("DetectLabels %s in %.0f ms", outcome, 1000 * (time.monotonic() - began))

    def _answer(self) -> dict[str, Any]:
        raw = self._read_body()
        self.server.connections.answering(self.connection)
        head = self._head()
        if refused := admission.refusal(head):
            raise RefusalError("AccessDeniedException", refused, 403)
        if self.path != "/" or self.headers.get("X-Amz-Target") != TARGET:
            raise RefusalError("UnknownOperationException", "Only DetectLabels is supported")
        return self.server.detect_labels(head, raw, self._is_connected)

    def _head(self) -> Request:
        names = {name.lower() for name in self.headers}
        headers = {name: ",".join(self.headers.get_all(name, [])) for name in names}
        path, _, query = self.path.partition("?")
        return Request(self.command, path, query, headers)

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,12}", length):
            self.close_connection = True
            raise RefusalError(
                "SerializationException", "The request has no valid Content-Length", 411
            )
        if int(length) <= _MAX_BODY:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                raise ConnectionAbortedError("The caller has gone.")
            return body
        # Read on: with an early response the client would still be writing, and would get a reset.
        rest = min(int(length), _MAX_DISCARDED)
        while rest > 0 and (block := self.rfile.read(min(rest, 64 * 1024))):
            rest -= len(block)
        self.close_connection = True
        raise too_large()

    def _is_connected(self) -> bool:
        """Whether the caller is still connected."""
        arrived = select.poll()
        arrived.register(self.connection, select.POLLIN)
        try:
            return not arrived.poll(0) or self.connection.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def _refuse(self, refusal: RefusalError) -> None:
        self._send(refusal.status, {"__type": refusal.code, "Message": refusal.message})

    def _send(
        self, status: int, value: dict[str, Any], kind: str = "application/x-amz-json-1.1"
    ) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: do_POST logs each request, and health checks are not logged."""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusalError("SerializationException", "The body is not JSON") from error


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns the exit code: 0, or that of the error."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0, the default, chooses a free one"
    )
    parser.add_argument("--model", type=Path, help="ONNX file exported by Ultralytics")
    parser.add_argument("--check", action="store_true", help="only check the model")
    options = parser.parse_args(arguments)
    try:
        pool = Pool(options.model)
        if options.model:
            pool.warm_up()  # now, to check the model
        if options.check:
            pool.close()
            return 0
        root = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        cloud = Cloud(os.environ["AWS_ENDPOINT_URL"], root)
        server = RecogniserServer(
            options.port, pool, root=root, fetch=cloud.fetch, authorize=cloud.authorize
        )
    except LabelctlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    with server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # In another thread, as shutdown waits for the loop that runs in this one.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(f"listening on {server.url}", flush=True)
        threading.Thread(target=_warm_up, args=(pool, cloud), daemon=True).start()
        server.serve_forever(poll_interval=0.1)
    pool.close(_SHUTDOWN_TIMEOUT)
    return 0


def _warm_up(pool: Pool, cloud: Cloud) -> None:
    try:
        pool.warm_up()
    except Exception as error:  # the first picture will fail too, unless the server is stopping
        print(f"The first worker did not start: {error}", file=sys.stderr)
    cloud.warm_up()
