"""What Lambda puts around the function: the messages it hands in, and the Runtime API it is asked by.

The Runtime API is the four calls of Lambda's own, over HTTP on loopback, so that AWS's runtime
client runs the function's zip here exactly as it does there. It knows nothing of labelctl.
[Lambda, Using the Lambda runtime API]
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote_plus

ARN = "arn:aws:lambda:us-east-1:123456789012:function:labels"
DEADLINE = 60


def s3_record(key: str, sequencer: str, event: str = "ObjectCreated:Put", **photo: Any) -> Any:
    """One record as S3 sends it: `photo` is what it knows of the object (size, eTag, versionId)."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
            "object": {"key": quote_plus(key, safe="/"), "sequencer": sequencer, **photo},
        },
    }


def sqs_event(
    *bodies: Any, receives: Sequence[int] = (), receipts: Sequence[str] = ()
) -> dict[str, Any]:
    """A batch of messages as Lambda hands it in; their ids are m0, m1 and so on.

    A body is a record, or the text of a message. `receives`: how often each was handed out, or 1.
    """
    return {
        "Records": [
            {
                "messageId": f"m{place}",
                "receiptHandle": receipts[place] if receipts else f"r{place}",
                "body": message_body(body),
                "attributes": {
                    "ApproximateReceiveCount": str(receives[place] if receives else 1),
                },
                "eventSource": "aws:sqs",
            }
            for place, body in enumerate(bodies)
        ]
    }


def message_body(body: Any) -> str:
    """The text of a message: of a record, or that very text."""
    return body if isinstance(body, str) else json.dumps({"Records": [body]})


class FunctionError(Exception):
    """The function (or its import) raised; the runtime client's report is the argument."""


class RuntimeApi(ThreadingHTTPServer):
    """Hands events to one runtime client, one at a time, and takes its answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[bytes | None] = queue.Queue()
        self.answers: queue.Queue[tuple[str, bytes]] = queue.Queue()

    @property
    def address(self) -> str:
        """For the variable AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self.server_address[1]}"

    def invoke(self, event: Any) -> Any:
        """The function's answer. Raises FunctionError, and queue.Empty after the deadline."""
        self.events.put(json.dumps(event).encode())
        what, body = self.answers.get(timeout=DEADLINE)
        if what != "response":
            raise FunctionError(json.loads(body))
        return json.loads(body)


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one piece, or each call costs 40 ms more

    def do_GET(self) -> None:  # /2018-06-01/runtime/invocation/next
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self._answer(
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "Lambda-Runtime-Deadline-Ms": str(round((time.time() + DEADLINE) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
            },
        )

    def do_POST(self) -> None:  # …/invocation/ID/response, …/invocation/ID/error, …/init/error
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put((self.path.rpartition("/")[2], body))
        self._answer(b'{"status": "OK"}', status=202)

    def _answer(self, body: bytes, headers: Any = (), status: int = 200) -> None:
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a server in a thread, and end both."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, RuntimeApi):
            server.events.put(None)  # lets go of a client that waits for the next event
        server.shutdown()
        thread.join()
        server.server_close()
