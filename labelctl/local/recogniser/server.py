"""The wire of the local recogniser: Amazon Rekognition's JSON protocol over loopback HTTP.

    POST /        X-Amz-Target: RekognitionService.DetectLabels   (x-amz-json-1.1)
    GET  /health  {"recogniser": LabelModelVersion, "pid": …}

    python -m labelctl.local.recogniser --port N [--model FILE]

prints one line, `listening on http://127.0.0.1:PORT`, when it is ready, logs to stderr, and ends
quietly with 0 on SIGTERM. It listens on 127.0.0.1 only, and refuses what a web page could send there:
a foreign `Origin`, or a `Host` that is not this machine's (DNS rebinding). It knows HTTP and the order
of the steps (wait for a turn, authorise, check, fetch, look, answer); each step itself is another
module's.

The log has a line for each request with what became of it. `dropped` is a request whose caller had
gone before the work for it began; `wasted` one whose caller had gone when its answer was ready.
"""

from __future__ import annotations

import argparse
import json
import os
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
from urllib.parse import urlsplit

from labelctl.errors import LabelctlError, LocalCloudError
from labelctl.local.recogniser.answer import S3Object, read_request, write_answer
from labelctl.local.recogniser.cloud import LOOPBACK, Cloud, Decision, access_key_of
from labelctl.local.recogniser.pool import Pool
from labelctl.local.recogniser.refusals import (
    RefusalError,
    access_denied,
    internal_error,
    too_large,
    unreadable_object,
)

MODULE = "labelctl.local.recogniser"
"""What to run with `python -m`."""

TARGET = "RekognitionService.DetectLabels"
_MAX_BODY = 8 * 1024 * 1024  # 5 MB of picture in base64, and room for the rest
_MAX_DISCARDED = 64 * 1024 * 1024
_LAST_PICTURES = 5.0  # seconds to wait at the end for the pictures being looked at

Fetch = Callable[[S3Object], bytes]
Authorize = Callable[[str, str, str], Decision]


class RecogniserServer(ThreadingHTTPServer):
    """Serves one pool of workers on 127.0.0.1; port 0 takes a free one (see `url`)."""

    daemon_threads = True
    block_on_close = False  # idle kept-alive connections must not hold up the end
    request_queue_size = 128

    def __init__(self, port: int, pool: Pool, *, fetch: Fetch, authorize: Authorize) -> None:
        """Raises LocalCloudError if the port can't be had."""
        self.pool = pool
        self.fetch = fetch
        self.authorize = authorize
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise LocalCloudError(
                f"The recogniser can't listen on port {port}: {error}.",
                "Choose another port, or 0 for any free one.",
            ) from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def detect_labels(
        self, access_key: str, body: Any, wanted: Callable[[], bool]
    ) -> dict[str, Any]:
        """The response to a DetectLabels request, while it is `wanted`.

        Raises RefusalError for what is refused, ConnectionAbortedError if the caller has gone.
        """
        action = "rekognition:DetectLabels"
        with self.pool.turn():
            if not wanted():
                raise ConnectionAbortedError("The caller has gone.")
            decision = self.authorize(access_key, action, "*")
            if not decision.allowed:
                raise access_denied(decision.principal, action)
            request = read_request(body)
            source = request.source
            data = self._read(access_key, source) if isinstance(source, S3Object) else source
            sight = self.pool.look(data, request.max_colors, wanted)
        return write_answer(request, sight, self.pool.version)

    def _read(self, access_key: str, place: S3Object) -> bytes:
        action = "s3:GetObjectVersion" if place.version else "s3:GetObject"
        resource = f"arn:aws:s3:::{place.bucket}/{place.name}"
        if not self.authorize(access_key, action, resource).allowed:
            raise unreadable_object()
        return self.fetch(place)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours; anything else is logged."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RecogniserServer
    protocol_version = "HTTP/1.1"
    server_version = "labelctl-recogniser"
    # Both, or Nagle's algorithm and delayed acknowledgements cost 40 ms a call.
    disable_nagle_algorithm = True
    wbufsize = 256 * 1024
    timeout = 300

    def do_GET(self) -> None:
        if not self._is_local():
            self._refuse(RefusalError("AccessDeniedException", "Only this machine may ask", 403))
        elif self.path == "/health":
            health = {"recogniser": self.server.pool.version, "pid": os.getpid()}
            self._send(200, health, "application/json")
        else:
            self._refuse(RefusalError("UnknownOperationException", "Unknown path", 404))

    def do_POST(self) -> None:
        began = time.monotonic()
        outcome = "dropped"
        try:
            answer = self._answer()
            outcome = "wasted"
            if not self._is_awaited():
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
        if not self._is_local():
            raise RefusalError("AccessDeniedException", "Only this machine may ask", 403)
        if self.path != "/" or self.headers.get("X-Amz-Target") != TARGET:
            raise RefusalError("UnknownOperationException", "Only DetectLabels is known here")
        access_key = access_key_of(self.headers.get("Authorization", ""))
        if access_key is None:
            raise RefusalError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RefusalError("SerializationException", "The body is not JSON") from error
        return self.server.detect_labels(access_key, body, self._is_awaited)

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise RefusalError("SerializationException", "The request has no length", 411)
        if int(length) <= _MAX_BODY:
            return self.rfile.read(int(length))
        # Answered early, the client would still be writing, and would see a reset, not the answer.
        rest = min(int(length), _MAX_DISCARDED)
        while rest > 0 and (block := self.rfile.read(min(rest, 64 * 1024))):
            rest -= len(block)
        self.close_connection = True
        raise too_large()

    def _is_awaited(self) -> bool:
        """Whether the caller has not hung up."""
        arrived = select.poll()
        arrived.register(self.connection, select.POLLIN)
        try:
            return not arrived.poll(0) or self.connection.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def _is_local(self) -> bool:
        """Whether the request was meant for this machine, and not sent by a foreign web page."""
        places = [f"//{self.headers.get('Host', '')}", *self.headers.get_all("Origin", [])]
        return all(_hostname(place) in LOOPBACK for place in places)

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
        """Nothing: every POST has a line of its own, and health checks deserve none."""


def _hostname(place: str) -> str | None:
    try:
        return urlsplit(place).hostname
    except ValueError:
        return None


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns the exit code: 0, or the error's own."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--model", type=Path, help="an ONNX file as Ultralytics exports it")
    parser.add_argument("--check", action="store_true", help="only tell whether the model is fit")
    options = parser.parse_args(arguments)
    try:
        cloud = Cloud(os.environ.get("AWS_ENDPOINT_URL"))
        pool = Pool(options.model)
        if options.model:
            pool.warm_up()  # now, as it may not be fit
        if options.check:
            pool.close()
            return 0
        server = RecogniserServer(options.port, pool, fetch=cloud.fetch, authorize=cloud.authorize)
    except LabelctlError as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    with server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # From another thread: shutdown waits for the loop that this one is in.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(f"listening on {server.url}", flush=True)
        threading.Thread(target=_warm_up, args=(pool, cloud), daemon=True).start()
        server.serve_forever(poll_interval=0.1)
    pool.close(_LAST_PICTURES)
    return 0


def _warm_up(pool: Pool, cloud: Cloud) -> None:
    try:
        pool.warm_up()
    except Exception as error:  # the first picture will show it too, unless this is the end
        print(f"The first worker did not start: {error}", file=sys.stderr)
    cloud.warm_up()
